"""Sampling ahead: with the right weights, really at the same time, and with nothing lost at any end."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import threading
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
from deepeyes_env.config import ConfigError
from trainers.config import DapoConfig
from trainers.dapo.group_rollout import NothingScored
from trainers.dapo.own_policy import own_policy
from trainers.dapo.sampling_ahead import check_ahead
from trainers.dapo.train import train_dapo
from trainers.lora import plain
from trainers.runs.checkpoint import checkpoint_path, checkpoints, latest_checkpoint
from trainers.runs.interrupt import Interrupted
from trainers.runs.metrics import StepReport

CONFIG = DapoConfig(
    steps=5,
    prompts_per_step=3,
    group_size=3,
    minibatches=1,
    micro_batch_size=9,
    learning_rate=1e-3,
    max_rounds=2,
    max_turn_tokens=40,
    save_every=1,
    keep=9,
    staleness=1,
    progress=False,
)

WAIT = 60
"""Seconds after which a test gives up; nothing is measured."""


class Observed:
    """A policy that notes with which weights each step is sampled, and may be disturbed."""

    def __init__(self, qwen: Qwen) -> None:
        self.policy = TransformersPolicy(copy.deepcopy(qwen.model), qwen.tokenizer)
        self.vocabulary = self.policy.vocabulary
        self.weights: list[float] = []
        self.fails_with: dict[int, Exception] = {}
        self.failed = threading.Event()

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        step = int(request.conversation.split("step=")[1].split(",")[0])
        if step in self.fails_with:
            self.failed.set()
            raise self.fails_with[step]
        if step == len(self.weights):
            self.weights.append(mark(self.policy.model))
        return await self.policy.generate(request, params)

    async def update_weights(self, model: Any) -> None:
        await self.policy.update_weights(model)

    async def close(self) -> None:
        await self.policy.close()


def mark(model: Any) -> float:
    """A number that tells one set of weights from another."""
    with torch.no_grad():
        return float(sum(parameter.double().sum() for parameter in model.parameters()))


def copied(qwen: Qwen) -> Qwen:
    return Qwen(copy.deepcopy(qwen.model), qwen.tokenizer)


def train(qwen: Qwen, env: DeepEyesAsyncEnv, config: DapoConfig = CONFIG, **kwargs: Any) -> Any:
    return train_dapo(config, qwen.model, qwen.tokenizer, env, **kwargs)


def assert_same_weights(one: Qwen, other: Qwen) -> None:
    left, right = one.model.state_dict(), other.model.state_dict()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    yield
    assert [t.name for t in threading.enumerate() if t.name == "sampling-ahead"] == []


@pytest.mark.parametrize("staleness", [0, 1, 2])
def test_a_step_is_sampled_with_the_weights_of_so_many_steps_ago(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, staleness: int
) -> None:
    policy = Observed(guesser)
    trained = [mark(guesser.model)]

    def on_step(report: StepReport) -> None:
        trained.append(mark(guesser.model))

    config = replace(CONFIG, staleness=staleness)
    history = train(guesser, guess_env, config, policy=policy, on_step=on_step)
    assert len(set(trained)) == config.steps + 1 - sum(row["steps_skipped"] for row in history)
    assert policy.weights == [trained[max(0, step - staleness)] for step in range(config.steps)]
    for step, row in enumerate(history):
        carried_before = step > 0 and history[step - 1]["groups_carried"]
        oldest = max(0, step - 1 - staleness) if carried_before else max(0, step - staleness)
        assert row["staleness_max"] == step - oldest
        assert max(0, row["staleness_max"] - 1) <= row["staleness_mean"] <= row["staleness_max"]


@pytest.mark.parametrize("staleness", [1, 2])
def test_adapters_sample_ahead_as_if_the_weights_themselves_were_trained(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, staleness: int
) -> None:
    policy = Observed(guesser)
    trained = [mark(guesser.model)]

    def on_step(report: StepReport) -> None:
        with plain(guesser.model):
            trained.append(mark(guesser.model))

    config = replace(CONFIG, staleness=staleness, lora_rank=2, learning_rate=1e-2)
    train(guesser, guess_env, config, policy=policy, on_step=on_step)
    assert len(set(trained)) > 2
    assert policy.weights == [trained[max(0, step - staleness)] for step in range(config.steps)]


def test_the_policy_samples_the_next_step_while_the_trainer_updates(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv
) -> None:
    """The first update waits for a turn of the second step; taking turns, it would wait for ever."""
    sampling = threading.Event()
    overlapped = []

    class Telling(Observed):
        async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
            sample = await super().generate(request, params)
            if "step=1" in request.conversation:
                sampling.set()
            return sample

    def wait(*_: Any) -> None:
        if torch.is_grad_enabled() and not overlapped:
            overlapped.append(sampling.wait(WAIT))

    policy = Telling(guesser)
    hook = guesser.model.model.language_model.register_forward_pre_hook(wait)
    train(guesser, guess_env, replace(CONFIG, steps=2), policy=policy)
    hook.remove()
    assert overlapped == [True]


@pytest.mark.parametrize("staleness", [1, 2])
def test_a_run_repeats_and_goes_on_from_any_checkpoint(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path, staleness: int
) -> None:
    """Steps in flight come back from the replay store, to the bit."""
    config = replace(CONFIG, staleness=staleness)
    whole, again = copied(guesser), copied(guesser)
    history = train(whole, guess_env, config, run_dir=tmp_path)
    assert train(again, guess_env, config) == history
    assert_same_weights(again, whole)
    for step in (1, 3):
        resumed = copied(guesser)
        rest = train(resumed, guess_env, config, resume=checkpoint_path(tmp_path, step))
        assert without_health(rest) == without_health(history[step:])
        assert_same_weights(resumed, whole)


def without_health(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Resumed without a directory, a run has no memory of its past for its health."""
    return [{k: v for k, v in row.items() if not k.startswith("health/")} for row in history]


@pytest.mark.parametrize("moment", ["sampling", "updating", "between steps"])
def test_ctrl_c_loses_nothing_that_is_in_flight(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path, moment: str
) -> None:
    whole, stopped = copied(guesser), copied(guesser)
    history = train(whole, guess_env, run_dir=tmp_path / "whole")
    rare = replace(CONFIG, save_every=100)
    run_dir = tmp_path / "parts"
    hook: Any = None

    class Interrupting(Observed):
        async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
            if moment == "sampling" and "step=3" in request.conversation and not sent:
                sent.append(True)
                os.kill(os.getpid(), signal.SIGINT)  # to the main thread, as the terminal does
            return await super().generate(request, params)

    sent: list[bool] = []

    def stop(*_: Any) -> None:
        hook.remove()
        signal.raise_signal(signal.SIGINT)

    def on_step(report: StepReport) -> None:
        nonlocal hook
        if report.step == 2 and moment == "updating":
            hook = stopped.model.model.language_model.register_forward_pre_hook(stop)
        if report.step == 3 and moment == "between steps":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        train(
            stopped,
            guess_env,
            rare,
            run_dir=tmp_path / "parts",
            on_step=on_step,
            policy=Interrupting(stopped),
        )
    assert caught.value.step in (2, 3)
    resumed = copied(guesser)
    rest = train(resumed, guess_env, rare, run_dir=run_dir, resume=caught.value.checkpoint)
    assert rest == history
    assert_same_weights(resumed, whole)
    files = [(tmp_path / part / "metrics.jsonl").read_text() for part in ("whole", "parts")]
    assert files[0] == files[1]


def test_ctrl_c_at_the_first_step_does_not_wait_for_it(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    """Its weights are those of the trainer, so it can be sampled again."""
    policy = Observed(guesser)
    seen = 0

    def stop(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            os.kill(os.getpid(), signal.SIGINT)

    hook = policy.policy.model.model.language_model.register_forward_pre_hook(stop)
    with pytest.raises(Interrupted) as caught:
        train(guesser, guess_env, policy=policy, run_dir=tmp_path)
    hook.remove()
    assert caught.value.checkpoint == checkpoint_path(tmp_path, 0)
    assert len(policy.weights) == 1, "the second step was never begun"


@pytest.mark.parametrize("staleness", [1, 3])
def test_what_fails_in_the_background_fails_in_the_trainer(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path, staleness: int
) -> None:
    """As soon as it is known, however far ahead it failed; then nothing runs on."""
    policy = Observed(guesser)
    policy.fails_with[3] = ValueError("no more paper")
    trained = []

    def on_step(report: StepReport) -> None:
        trained.append(report.step)
        if report.step == 4 - staleness:
            assert policy.failed.wait(WAIT)

    config = replace(CONFIG, staleness=staleness, save_every=100)
    with pytest.raises(ValueError, match="no more paper"):
        train(guesser, guess_env, config, policy=policy, run_dir=tmp_path, on_step=on_step)
    # One more, if the step began in the very moment of the failure.
    assert len(trained) in (4 - staleness, 5 - staleness)
    assert checkpoints(tmp_path) == [checkpoint_path(tmp_path, len(trained))], "and no finished step is lost"
    policy.fails_with.clear()
    [saved] = checkpoints(tmp_path)
    history = train(guesser, guess_env, config, policy=policy, run_dir=tmp_path, resume=saved)
    assert len(history) == config.steps


def test_a_failing_update_gives_up_what_is_being_sampled(guesser: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    """Without waiting for its end: here it has none."""
    started = threading.Event()

    class Endless(Observed):
        async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
            if "step=1" in request.conversation:
                started.set()
                await asyncio.Event().wait()
            return await super().generate(request, params)

    def fail(*_: Any) -> None:
        if torch.is_grad_enabled():
            assert started.wait(WAIT)
            raise MemoryError("out of memory")

    hook = guesser.model.model.language_model.register_forward_pre_hook(fail)
    with pytest.raises(MemoryError):
        train(guesser, guess_env, policy=Endless(guesser))
    hook.remove()


def test_evaluations_see_the_newest_weights_and_change_no_number(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv
) -> None:
    plain = train(copied(guesser), guess_env)
    policy = Observed(guesser)

    def evaluate(step: int) -> dict[str, float]:
        return {"same": float(mark(policy.policy.model) == mark(guesser.model))}

    history = train(guesser, guess_env, replace(CONFIG, eval_every=1), policy=policy, evaluate=evaluate)
    assert [row.pop("eval/same") for row in history] == [1.0] * CONFIG.steps
    assert history == plain


def test_an_outage_ahead_is_not_stored(guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path) -> None:
    """Stored, it would meet every resume again, long after it was mended."""
    whole = train(copied(guesser), guess_env)
    policy = Observed(guesser)
    policy.fails_with[3] = PolicyError("the server is gone")
    with pytest.raises(NothingScored):
        train(copied(guesser), guess_env, policy=policy, run_dir=tmp_path)
    assert latest_checkpoint(tmp_path).name == "step-000003"
    resumed = train(
        copied(guesser),
        guess_env,
        policy=Observed(guesser),
        run_dir=tmp_path,
        resume=latest_checkpoint(tmp_path),
    )
    assert resumed[:3] == whole[:3]
    assert len(resumed) == len(whole)
    assert resumed[3]["staleness_max"] <= 1, "sampled anew, with the weights of the checkpoint"


def test_the_model_in_training_cannot_sample_ahead(guesser: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    with pytest.raises(ConfigError, match=r"staleness = 1: .* weights of its own"):
        train(guesser, guess_env, policy=TransformersPolicy(guesser.model, guesser.tokenizer))
    assert own_policy(CONFIG, guesser.model, guesser.tokenizer).model is not guesser.model
    apart = own_policy(CONFIG, guesser.model, guesser.tokenizer)
    check_ahead(CONFIG, guesser.model, apart, processes=2)
    with pytest.raises(ConfigError, match="2 training processes sample one step ahead at most"):
        check_ahead(replace(CONFIG, staleness=2), guesser.model, apart, processes=2)
    together = own_policy(replace(CONFIG, staleness=0), guesser.model, guesser.tokenizer)
    assert together.model is guesser.model
