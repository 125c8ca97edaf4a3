from __future__ import annotations

import json
import resource
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.qwen import Qwen, load_qwen
from trainers.config import SftConfig
from trainers.runs.best import Best, best_step, keep_best, spoiled
from trainers.runs.checkpoint import CheckpointError, checkpoints, latest_checkpoint
from trainers.sft.train import train_sft

CONFIG = SftConfig(
    epochs=6,
    batch_size=2,
    micro_batch_size=2,
    learning_rate=1e-2,
    freeze_vision=False,
    save_every=3,
    keep=1,
    progress=False,
)
ACCURACIES = {1: 0.25, 2: 0.75, 3: 0.5, 4: 0.75, 5: 0.0, 6: 0.25}
"""What the evaluation finds after each step: the second is the best, the fourth as good but later."""


def train(qwen: Qwen, data: Any, run_dir: Path, **kwargs: Any) -> dict[int, torch.Tensor]:
    """Train; gives a weight as it was at each evaluation."""
    seen = {}

    def evaluate(step: int) -> dict[str, float]:
        seen[step] = qwen.model.lm_head.weight.detach().clone()
        return {"accuracy": ACCURACIES[step]}

    config = kwargs.pop("config", CONFIG)
    train_sft(
        config, qwen.model, qwen.tokenizer, data, run_dir=run_dir, evaluate=evaluate, eval_every=1, **kwargs
    )
    return seen


def best_weight(run_dir: Path) -> torch.Tensor:
    return load_qwen(run_dir / "best" / "model").model.lm_head.weight


@pytest.fixture
def data(make_trajectory: Any) -> Any:
    return [make_trajectory(i) for i in range(2)]


def test_the_best_step_outlives_its_checkpoint(
    tiny: Qwen, data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = train(tiny, data, tmp_path)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000006"]
    assert latest_checkpoint(tmp_path).name == "step-000006"
    assert json.loads((tmp_path / "best" / "best.json").read_text()) == {"step": 2, "accuracy": 0.75}
    assert torch.equal(best_weight(tmp_path), seen[2])
    assert not torch.equal(seen[2], seen[6])
    assert f"best: step 2 with eval/accuracy 0.75: {tmp_path / 'best' / 'model'}" in capsys.readouterr().err


def test_the_best_model_is_linked_and_not_copied(tiny: Qwen, data: Any, tmp_path: Path) -> None:
    train(tiny, data, tmp_path, config=replace(CONFIG, keep=9))
    [weights] = (tmp_path / "checkpoints" / "step-000002" / "model").glob("*.safetensors")
    assert weights.samefile(tmp_path / "best" / "model" / weights.name)


class Killed(Exception):
    pass


def train_until(step: int, qwen: Qwen, data: Any, run_dir: Path) -> dict[int, torch.Tensor]:
    """Train until the process dies, when a step was recorded and not yet checkpointed."""
    seen = {}

    def evaluate(number: int) -> dict[str, float]:
        seen[number] = qwen.model.lm_head.weight.detach().clone()
        return {"accuracy": ACCURACIES[number]}

    def kill(report: Any) -> None:
        if report.step == step:
            raise Killed

    with pytest.raises(Killed):
        train_sft(
            CONFIG,
            qwen.model,
            qwen.tokenizer,
            data,
            run_dir=run_dir,
            evaluate=evaluate,
            eval_every=1,
            on_step=kill,
        )
    return seen


@pytest.mark.parametrize(("killed", "resumed"), [(2, 1), (5, 3)])
def test_a_run_that_was_killed_keeps_the_same_best(
    tiny: Qwen, data: Any, tmp_path: Path, killed: int, resumed: int
) -> None:
    """Also when its best step was recorded already, but not yet checkpointed."""
    train_until(killed, tiny, data, tmp_path)
    assert latest_checkpoint(tmp_path).name == f"step-{resumed:06d}"
    seen = train(tiny, data, tmp_path, resume=latest_checkpoint(tmp_path))
    assert sorted(seen) == list(range(resumed + 1, 7))
    assert json.loads((tmp_path / "best" / "best.json").read_text())["step"] == 2


def test_a_best_that_was_not_made_in_time_is_made_at_the_resume(
    tiny: Qwen, data: Any, tmp_path: Path
) -> None:
    """Before the next checkpoint removes the one that it is made from."""
    seen = train_until(3, tiny, data, tmp_path)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000002"]
    shutil.rmtree(tmp_path / "best")
    train(tiny, data, tmp_path, resume=latest_checkpoint(tmp_path))
    assert torch.equal(best_weight(tmp_path), seen[2])


def test_a_best_of_steps_that_were_taken_back_stays_until_there_is_a_new_one(tmp_path: Path) -> None:
    """Resumed from an older checkpoint, whose best model is gone: it may be the only good one."""
    for step in (3, 4):
        (tmp_path / "checkpoints" / f"step-{step:06d}" / "model").mkdir(parents=True)
    assert keep_best(tmp_path, Best(4, 0.5)) == tmp_path / "best" / "model"
    for best in (Best(2, 0.4), None):
        assert keep_best(tmp_path, best) is None
        assert json.loads((tmp_path / "best" / "best.json").read_text()) == {"step": 4, "accuracy": 0.5}
    assert keep_best(tmp_path, Best(3, 0.45)) == tmp_path / "best" / "model"
    assert json.loads((tmp_path / "best" / "best.json").read_text()) == {"step": 3, "accuracy": 0.45}


def test_a_run_taken_back_keeps_what_it_writes(
    tiny: Qwen, data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoints of the steps that are given up go, those of the new ones stay, and so does a best."""
    config = replace(CONFIG, save_every=1, keep=3)
    train(tiny, data, tmp_path, config=config)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000004", "step-000005", "step-000006"]
    best = json.loads((tmp_path / "best" / "best.json").read_text())
    seen: list[list[str]] = []

    def evaluate(step: int) -> dict[str, float]:
        seen.append([path.name for path in checkpoints(tmp_path)])
        return {"accuracy": 0.1}

    train_sft(
        replace(config, keep=1),
        tiny.model,
        tiny.tokenizer,
        data,
        run_dir=tmp_path,
        resume=checkpoints(tmp_path)[0],
        evaluate=evaluate,
        eval_every=1,
    )
    assert seen == [["step-000004"], ["step-000005"]]
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000006"]
    assert json.loads((tmp_path / "best" / "best.json").read_text()) == best


def test_a_checkpoint_that_cannot_be_resumed_takes_nothing_back(
    tiny: Qwen, data: Any, tmp_path: Path
) -> None:
    config = replace(CONFIG, save_every=1, keep=3)
    train(tiny, data, tmp_path, config=config)
    before = checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match="other settings"):
        train(tiny, data, tmp_path, config=replace(config, batch_size=1), resume=before[0])
    assert checkpoints(tmp_path) == before


def test_a_full_disk_leaves_the_best_before(tmp_path: Path) -> None:
    for step in (1, 2):
        (tmp_path / "checkpoints" / f"step-{step:06d}" / "model").mkdir(parents=True)
    keep_best(tmp_path, Best(1, 0.5))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        with pytest.raises(CheckpointError, match="checkpoint of step 2"):
            keep_best(tmp_path, Best(2, 0.75))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert json.loads((tmp_path / "best" / "best.json").read_text())["step"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "checkpoints"]


@pytest.mark.parametrize(("failed", "counts"), [(0, True), (1, True), (2, False), (100, False)])
def test_an_evaluation_that_the_infrastructure_spoiled_does_not_count(failed: int, counts: bool) -> None:
    row = {"eval/accuracy": 1.0, "eval/infra_failures": failed, "eval/episodes": 100}
    assert (spoiled(row) is None) is counts
    history = [row, {"eval/accuracy": 0.5, "eval/infra_failures": 0, "eval/episodes": 100}]
    assert best_step(history) == (Best(1, 1.0) if counts else Best(2, 0.5))


def test_one_failure_of_few_episodes_is_too_many() -> None:
    assert spoiled({"eval/accuracy": 1.0, "eval/infra_failures": 1, "eval/episodes": 40}) is not None


def test_a_spoiled_evaluation_is_told(
    tiny: Qwen, data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluate(step: int) -> dict[str, float]:
        failed = 3.0 if step == 2 else 0.0
        return {"accuracy": ACCURACIES[step], "infra_failures": failed, "episodes": 4.0}

    config = replace(CONFIG, epochs=3)
    train_sft(config, tiny.model, tiny.tokenizer, data, run_dir=tmp_path, evaluate=evaluate, eval_every=1)
    assert json.loads((tmp_path / "best" / "best.json").read_text())["step"] == 3
    told = capsys.readouterr().err
    assert "step 2: its evaluation does not count for the best: the infrastructure ended 3 of 4" in told
    assert "step 3: its evaluation" not in told


def test_without_an_evaluation_there_is_no_best(tiny: Qwen, data: Any, tmp_path: Path) -> None:
    train_sft(CONFIG, tiny.model, tiny.tokenizer, data, run_dir=tmp_path)
    assert not (tmp_path / "best").exists()


@given(st.lists(st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.integers(0, 9))
def test_the_best_is_the_first_of_the_highest(accuracies: list[float | None], before: int) -> None:
    history = [{} if a is None else {"eval/accuracy": a} for a in accuracies]
    known = [(a, -step) for step, a in enumerate(accuracies, start=before + 1) if a is not None]
    expected = max(known, default=None)
    assert best_step(history, before) == (expected and Best(-expected[1], expected[0]))
