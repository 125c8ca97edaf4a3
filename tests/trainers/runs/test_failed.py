"""What fails between two steps costs none that is finished."""

from __future__ import annotations

import copy
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.policy import GenerationRequest, PolicyError, Sample, SamplingParams
from agents.qwen import Qwen
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.async_env import DeepEyesAsyncEnv
from trainers.config import DapoConfig, SftConfig
from trainers.dapo.group_rollout import NothingScored
from trainers.dapo.train import train_dapo
from trainers.runs.checkpoint import CheckpointError, checkpoint_path, checkpoints, latest_checkpoint
from trainers.runs.metrics import Metrics, StepReport, read_metrics
from trainers.sft.train import train_sft

CONFIG = DapoConfig(
    steps=4,
    prompts_per_step=3,
    group_size=3,
    minibatches=1,
    micro_batch_size=9,
    learning_rate=1e-3,
    max_rounds=2,
    max_turn_tokens=40,
    save_every=100,
    eval_every=1,
    progress=False,
)


class Failing(TransformersPolicy):
    """Fails with an error from a step on, from 0."""

    step = 2
    error: Exception = PolicyError("the server at http://gpu1:8000 is down")

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        if int(request.conversation.split("step=")[1].split(",")[0]) >= self.step:
            self.about_to_fail()
            raise self.error
        return await super().generate(request, params)

    def about_to_fail(self) -> None:
        pass


def copied(qwen: Qwen) -> Qwen:
    return Qwen(copy.deepcopy(qwen.model), qwen.tokenizer)


def train(qwen: Qwen, env: DeepEyesAsyncEnv, config: DapoConfig = CONFIG, **kwargs: Any) -> list[Metrics]:
    return train_dapo(config, qwen.model, qwen.tokenizer, env, **kwargs)


def assert_same_weights(one: Qwen, other: Qwen) -> None:
    left, right = one.model.state_dict(), other.model.state_dict()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


@pytest.mark.parametrize(
    ("error", "raised"), [(Failing.error, NothingScored), (ValueError("no such token"), ValueError)]
)
def test_sampling(
    guesser: Qwen,
    guess_env: DeepEyesAsyncEnv,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    raised: type[Exception],
) -> None:
    """Infrastructure, or the program itself; the resumed run is the one that never failed."""
    whole, broken, resumed = copied(guesser), copied(guesser), copied(guesser)
    history = train(whole, guess_env)
    policy = Failing(broken.model, broken.tokenizer)
    policy.error = error
    with pytest.raises(raised):
        train(broken, guess_env, policy=policy, run_dir=tmp_path)
    assert checkpoints(tmp_path) == [checkpoint_path(tmp_path, 2)]
    assert f"the state after step 2 is saved in {latest_checkpoint(tmp_path)}" in capsys.readouterr().err
    assert train(resumed, guess_env, run_dir=tmp_path, resume=latest_checkpoint(tmp_path)) == history
    assert_same_weights(resumed, whole)


def test_the_first_step_leaves_nothing(guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path) -> None:
    """So that the same command, and not one with --resume, is what begins anew."""
    policy = Failing(guesser.model, guesser.tokenizer)
    policy.step = 0
    with pytest.raises(NothingScored):
        train(guesser, guess_env, policy=policy, run_dir=tmp_path)
    assert checkpoints(tmp_path) == []


@pytest.mark.parametrize("staleness", [0, 1])
def test_evaluating(guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path, staleness: int) -> None:
    config = replace(CONFIG, staleness=staleness)
    whole, broken, resumed = copied(guesser), copied(guesser), copied(guesser)
    history = train(whole, guess_env, config)

    def evaluate(step: int) -> dict[str, float]:
        if step == 3:
            raise ValueError("no such benchmark")
        return {"figure": step}

    with pytest.raises(ValueError, match="no such benchmark"):
        train(broken, guess_env, config, evaluate=evaluate, run_dir=tmp_path)
    assert checkpoints(tmp_path) == [checkpoint_path(tmp_path, 3)]
    assert [row.pop("eval/figure", None) for row in read_metrics(tmp_path, 9)] == [1, 2, None]
    found = train(
        resumed, guess_env, config, evaluate=evaluate, run_dir=tmp_path, resume=latest_checkpoint(tmp_path)
    )
    assert [row.pop("eval/figure", None) for row in found] == [1, 2, None, 4]
    assert found == history
    assert_same_weights(resumed, whole)


def test_metrics_that_cannot_be_written(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    """A step without its metrics is not saved, and the message says why."""

    def fill_the_disk(report: StepReport) -> None:
        if report.step == 2:
            (tmp_path / "metrics.jsonl").unlink()
            (tmp_path / "metrics.jsonl").symlink_to("/dev/full")

    config = SftConfig(epochs=4, batch_size=1, save_every=1, progress=False)
    data = [make_trajectory(0)]
    with pytest.raises(CheckpointError, match=r"could not write step 3 .*\.jsonl.*Make room on the disk"):
        train_sft(config, tiny.model, tiny.tokenizer, data, run_dir=tmp_path, on_step=fill_the_disk)
    assert checkpoints(tmp_path)[-1] == checkpoint_path(tmp_path, 2)


@pytest.fixture
def room() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("room")
def test_what_cannot_be_saved_is_told_and_hides_nothing(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class OnAFullDisk(Failing):
        def about_to_fail(self) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    with pytest.raises(NothingScored):
        train(guesser, guess_env, policy=OnAFullDisk(guesser.model, guesser.tokenizer), run_dir=tmp_path)
    told = capsys.readouterr().err
    assert "the state after step 2 is not saved" in told
    assert "Make room on the disk" in told
