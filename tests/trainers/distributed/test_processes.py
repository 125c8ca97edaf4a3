"""Two processes do what one does: the same losses, gradients, groups and weights, up to rounding.

They are started once and go through all scenes of `process.py`; every test here looks at one of them. Sums
of float32 gradients in another order differ by about 1e-6 of their size. Adam divides a gradient by its own
size, so where that is near the rounding, a weight may move the other way: weights are compared by how far
they have moved in all.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import process
import pytest
import torch
from process import SCENES
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from deepeyes_env.errors import ConfigError
from trainers.dapo import command as dapo_command
from trainers.distributed.engine import accelerator
from trainers.runs.checkpoint import latest_checkpoint

pytestmark = pytest.mark.timeout(600)
"""Under the load of other tests; alone on two cores all of it takes a minute."""

ROUNDING = 1e-4
"""Relative difference of a loss after some updates; single sums differ by 1e-6."""

ASTRAY = 0.02
"""Share of their way by which weights may end elsewhere; measured: below 0.002."""


@pytest.fixture(scope="module")
def directory(guesser_weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one process, and then two, have gone through everything."""
    directory = tmp_path_factory.mktemp("processes")
    torch.save(guesser_weights, directory / "guesser.pt")
    (directory / "one.json").write_text(
        json.dumps(
            {
                "sft": process.sft(directory, "sft-one"),
                "frozen": process.sft(directory, "sft-one-frozen", process.FROZEN),
                "dapo": process.dapo(directory, "dapo-one", evaluate=lambda _: {"rank": 0.0}),
                "ahead": process.dapo(directory, "dapo-one-ahead", process.AHEAD),
            }
        )
    )
    for kind in ("sft", "dapo"):
        begin(directory / f"{kind}-one", directory / f"{kind}-begun", step=2)
    names = [scene.__name__ for scene in SCENES]
    cut = names.index("shard")
    run_two(directory, names[:cut])
    run_two(directory, [*names[cut:], "gradient", "not_finite"])
    return directory


def begin(run: Path, copy: Path, step: int) -> None:
    """Copy a run as it was after `step` steps."""
    name = f"step-{step:06d}"
    shutil.copytree(run / "checkpoints" / name, copy / "checkpoints" / name)
    shutil.copy(run / "metrics.jsonl", copy)


def run_two(directory: Path, names: list[str]) -> None:
    """Start two processes that go through the scenes of these names."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    here = Path(process.__file__)
    shared = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "ACCELERATE_USE_CPU": "true",
    }
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(here.parents[2])}
    started = [
        subprocess.Popen(
            [sys.executable, str(here), str(directory), *names],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [one.communicate(timeout=240)[1] for one in started]
    finally:
        for one in started:
            one.kill()
    assert [one.returncode for one in started] == [0, 0], "\n".join(errors)


def results(directory: Path, scene: str) -> list[Any]:
    return [json.loads((directory / f"{scene}-{rank}.json").read_text()) for rank in (0, 1)]


def alone(directory: Path, kind: str) -> list[dict[str, float]]:
    """The metrics of the run of one process."""
    return json.loads((directory / "one.json").read_text())[kind]


def assert_same_metrics(history: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    assert len(history) == len(expected)
    for step, wanted in zip(history, expected, strict=True):
        assert step == pytest.approx(wanted, rel=ROUNDING, abs=1e-6)


def weights(run: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForImageTextToText.from_pretrained(latest_checkpoint(run) / "model")
    return model.state_dict()


def assert_same_weights(run: Path, expected: Path, start: dict[str, torch.Tensor]) -> None:
    one, other = weights(run), weights(expected)
    way = sum(float((other[name] - start[name]).square().sum()) for name in other) ** 0.5
    apart = sum(float((other[name] - one[name]).square().sum()) for name in other) ** 0.5
    assert way > 0.01
    assert apart < ASTRAY * way, apart / way


def untrained() -> dict[str, torch.Tensor]:
    return process.fresh().model.state_dict()


def test_they_talk(directory: Path) -> None:
    first, second = results(directory, "talk")
    assert (first["first"], second["first"]) == (True, False)
    dealt = [[*a, *b] for a, b in zip(first["dealt"], second["dealt"], strict=True)]
    assert dealt == [[], [0], [0, 1, 2, 3, 4]]
    assert first["gathered"] == second["gathered"] == ["", "ab"]
    assert (first["exchanged"], second["exchanged"]) == (["", ""], ["0>1", "1>1"])
    assert first["total"] == second["total"] == [3.0, 1.0]
    assert first["any"] == second["any"] == [False, True]


def test_what_fails_in_one_fails_in_both_by_name(directory: Path) -> None:
    first, second = (result["failures"] for result in results(directory, "talk"))
    assert first == ["PeerFailed: process 1 of 2 failed while testing: ValueError: fault of 1", *first[1:]]
    assert second[0] == "ValueError: fault of 1"
    assert (first[1], second[1]) == ("ValueError: fault of 0", "ValueError: fault of 1")
    assert first[2] == second[2] == ""


def test_arrays_come_back_in_order(directory: Path) -> None:
    expected = [[[0, 0, 0], [1], [2, 2]], [[0, 0]], []]
    assert results(directory, "rows") == [expected, expected]


def test_pictures_come_only_where_they_are_wanted(directory: Path) -> None:
    first, second = results(directory, "pictures")
    held = [a != b for a, b in zip(first["light"], second["light"], strict=True)]
    assert all(held), "each picture is in exactly one process"
    assert (len(first["same"]), len(second["same"])) == (7, 0)
    assert all(first["same"])
    assert all(first["wanted"])
    assert all(second["wanted"])


@pytest.mark.parametrize("layout", ["replicated", "fsdp2"])
@pytest.mark.parametrize("name", ["pictures", "text"])
def test_the_gradient_is_the_sum_of_the_shares(directory: Path, name: str, layout: str) -> None:
    """In both processes; a weight that no share uses has none, as the vision tower without pictures."""
    qwen = process.fresh()
    process.scored(qwen, process.data(qwen)[slice(None) if name == "pictures" else slice(6, None)])
    expected = {n: p.grad for n, p in qwen.model.named_parameters() if p.grad is not None}
    assert any("visual" in n for n in expected) == (name == "pictures")
    for rank in (0, 1):
        found = load_file(directory / f"gradient-{layout}-{name}-{rank}.safetensors")
        if layout == "fsdp2":  # every pass goes through all of the model, so nothing is left out
            assert {n for n, gradient in found.items() if gradient.any()} <= expected.keys() <= found.keys()
        else:
            assert found.keys() == expected.keys()
        for parameter, gradient in expected.items():
            torch.testing.assert_close(found[parameter], gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("layout", ["replicated", "fsdp2"])
def test_a_gradient_that_is_no_number_in_one_process_moves_no_weight_in_any(
    directory: Path, layout: str
) -> None:
    paths = [directory / f"not-finite-{layout}-{rank}.json" for rank in (0, 1)]
    first, second = (json.loads(path.read_text()) for path in paths)
    assert first == second
    assert first["skipped"] == [True, False]
    before, left, moved = first["weights"]
    assert left == before
    assert moved != before
    assert math.isfinite(moved)


@pytest.mark.parametrize("scene", ["sft_whole", "sft_goes_on", "sft_in_parts"])
def test_sft(directory: Path, scene: str) -> None:
    """Whole, from a checkpoint of one process, and stopped by a signal to one of two."""
    both = results(directory, scene)
    assert both[0] == both[1]
    history = both[0]["history"] if scene == "sft_in_parts" else both[0]
    assert_same_metrics(history, alone(directory, "sft"))
    run = {"sft_whole": "sft-two", "sft_goes_on": "sft-begun", "sft_in_parts": "sft-parts"}[scene]
    assert_same_weights(directory / run, directory / "sft-one", untrained())
    rows = [json.loads(line) for line in (directory / run / "metrics.jsonl").read_text().splitlines()]
    assert rows[len(rows) - len(history) :] == [{"step": i + 1, **row} for i, row in enumerate(history)]


def test_a_signal_to_one_stops_both_after_the_same_step(directory: Path) -> None:
    assert [result["stopped"] for result in results(directory, "sft_in_parts")] == [1, 1]


def test_dapo(directory: Path) -> None:
    """The same groups are sampled and trained; what is told of evaluation is the first process's."""
    first, second = results(directory, "dapo_whole")
    assert first["history"] == second["history"]
    assert_same_metrics(first["history"], alone(directory, "dapo"))
    assert sum(step["updates"] for step in first["history"]) > 2
    start = torch.load(directory / "guesser.pt", weights_only=True)
    assert_same_weights(directory / "dapo-two", directory / "dapo-one", start)


def test_the_first_process_is_shown_all_rollouts_with_their_pictures(directory: Path) -> None:
    first, second = results(directory, "dapo_whole")
    assert [len(step) for step in first["shown"]] == [step["episodes"] for step in first["history"]]
    assert all(map(all, first["shown"]))
    assert second["shown"] == []
    assert first["evaluated"] == second["evaluated"] == [1, 2, 3]


@pytest.mark.parametrize(("scene", "run"), [("dapo_in_parts", "dapo-parts"), ("dapo_goes_on", "dapo-begun")])
def test_dapo_resumes(directory: Path, scene: str, run: str) -> None:
    """Begun by two processes, or by one."""
    both = results(directory, scene)
    assert both[0] == both[1]
    expected = [
        {key: value for key, value in step.items() if not key.startswith("eval/")}
        for step in alone(directory, "dapo")
    ]
    found = [{k: v for k, v in step.items() if not k.startswith("eval/")} for step in both[0]]
    assert_same_metrics(found, expected)
    start = torch.load(directory / "guesser.pt", weights_only=True)
    assert_same_weights(directory / run, directory / "dapo-one", start)


def test_two_processes_resume_to_the_bit(directory: Path) -> None:
    whole, parts = (weights(directory / run) for run in ("dapo-two", "dapo-parts"))
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_two_processes_sample_ahead_as_one_does(directory: Path) -> None:
    """In one go, and stopped by a signal to the first alone and resumed."""
    both = results(directory, "dapo_ahead")
    assert both[0] == both[1]
    assert_same_metrics(both[0]["whole"], alone(directory, "ahead"))
    assert max(row["staleness_max"] for row in both[0]["whole"]) >= 1
    assert (both[0]["stopped"], both[0]["parts"]) == (1, both[0]["whole"])
    start = torch.load(directory / "guesser.pt", weights_only=True)
    assert_same_weights(directory / "dapo-two-ahead", directory / "dapo-one-ahead", start)


def test_a_failure_ahead_in_one_process_ends_both_with_its_message(directory: Path) -> None:
    first, second = results(directory, "one_cannot_sample_ahead")
    assert second["error"] == "OSError: the disk is gone"
    assert first["error"] == "PeerFailed: process 1 of 2 failed while rolling out: OSError: the disk is gone"


def test_a_failure_in_one_process_costs_no_finished_step(directory: Path) -> None:
    for found in results(directory, "one_cannot_sample_ahead"):
        assert (found["saved"], found["resumed"]) == ("step-000001", process.AHEAD.steps)


def test_a_failure_in_one_process_ends_both_with_its_message(directory: Path) -> None:
    first, second = results(directory, "one_cannot_sample")
    assert second == "OSError: the disk is gone"
    assert first == "PeerFailed: process 1 of 2 failed while rolling out: OSError: the disk is gone"


def test_a_process_that_dies_is_noticed(directory: Path) -> None:
    told = json.loads((directory / "one_dies-0.json").read_text())
    assert "process 0 of 2 lost the others" in told


def test_plain_transformers_loads_what_two_processes_wrote(directory: Path) -> None:
    expected = process.fresh().model.state_dict()
    found = weights(directory / "dapo-two")
    assert {name: value.shape for name, value in found.items()} == {n: v.shape for n, v in expected.items()}


def test_sharded_sft(directory: Path) -> None:
    """The losses of one process, in one go and resumed; with a frozen vision tower too."""
    assert results(directory, "shard") == [True, True]
    both = results(directory, "sharded_sft")
    assert both[0] == both[1]
    assert_same_metrics(both[0]["whole"], alone(directory, "sft"))
    assert both[0]["parts"] == both[0]["whole"]
    assert_same_metrics(both[0]["frozen"], alone(directory, "frozen"))
    for run in ("sft-sharded", "sft-sharded-parts"):
        assert_same_weights(directory / run, directory / "sft-one", untrained())


def test_what_a_sharded_run_wrote_is_a_plain_model(directory: Path) -> None:
    saved = latest_checkpoint(directory / "sft-sharded") / "model"
    plain = latest_checkpoint(directory / "sft-one") / "model"
    assert load_file(saved / "model.safetensors").keys() == load_file(plain / "model.safetensors").keys()
    model = AutoModelForImageTextToText.from_pretrained(saved)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_what_a_sharded_model_cannot_do_is_refused(directory: Path) -> None:
    for sampling, other_layout in results(directory, "sharded_refusals"):
        assert "--backend vllm --urls" in sampling
        assert "holds the optimiser of a replicated model, this run's is fsdp2" in other_layout


def test_servers_get_a_sharded_model_in_one_piece(directory: Path) -> None:
    first, second = results(directory, "sharded_hand_over")
    assert (first["told"], second["told"]) == (["given True"], ["adopts True"])
    assert all(first["same"])


def test_processes_that_do_not_find_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without GPUs each would train alone, and all of them write into one directory."""
    if torch.cuda.is_available():
        pytest.skip("here they find together on a GPU")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"2 processes were launched.*ACCELERATE_USE_CPU=true"):
        accelerator(process.SFT, None)


def test_an_engine_in_every_process_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit, match="name them with --urls"):
        dapo_command.main(["--model", "m", "--run-dir", str(tmp_path / "run"), "--backend", "vllm"])
