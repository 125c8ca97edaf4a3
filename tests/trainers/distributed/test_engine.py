"""A gradient that is not finite costs its update and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.qwen import Qwen
from deepeyes_env.async_env import DeepEyesAsyncEnv
from trainers.config import DapoConfig, SftConfig
from trainers.dapo.train import train_dapo
from trainers.distributed.engine import MOST_SKIPPED, Engine, accelerator
from trainers.distributed.layouts.base import NotFinite
from trainers.runs.checkpoint import checkpoints
from trainers.sft.train import train_sft

SFT = SftConfig(
    epochs=4,
    batch_size=2,
    micro_batch_size=2,
    learning_rate=1e-2,
    freeze_vision=False,
    save_every=1,
    progress=False,
)
DAPO = DapoConfig(
    steps=3,
    prompts_per_step=4,
    group_size=4,
    minibatches=2,
    micro_batch_size=16,
    learning_rate=3e-4,
    max_rounds=3,
    max_turn_tokens=40,
    save_every=1,
    progress=False,
)


def engine(qwen: Qwen) -> Engine:
    optimizer = torch.optim.AdamW(qwen.model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    return Engine(accelerator(SFT, None), qwen.model, optimizer, schedule, max_grad_norm=1.0)


def backward(one: Engine, factor: float = 1.0) -> None:
    one.backward(factor * sum(parameter.square().sum() for parameter in one.model.parameters()))


@contextmanager
def spoiled(qwen: Qwen, passes: set[int]) -> Iterator[None]:
    """The gradients of these backward passes, from 1, are no numbers."""
    seen = 0

    def spoil(gradient: Tensor) -> Tensor:
        nonlocal seen
        seen += 1
        return gradient * float("nan") if seen in passes else gradient

    hook = qwen.model.model.language_model.norm.weight.register_hook(spoil)
    yield
    hook.remove()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_skipped_update_leaves_no_trace(tiny: Qwen, value: float) -> None:
    """The next one is what it would have been without it: weights, averages and rate."""
    other = Qwen(copy.deepcopy(tiny.model), tiny.tokenizer)
    disturbed, plain = engine(tiny), engine(other)
    for one in (disturbed, plain):
        backward(one)
        one.update()
    before = {name: weight.clone() for name, weight in tiny.model.state_dict().items()}
    backward(disturbed, value)
    assert disturbed.update().skipped
    assert all(torch.equal(weight, before[name]) for name, weight in tiny.model.state_dict().items())
    for one in (disturbed, plain):
        backward(one)
    assert disturbed.update() == plain.update()
    weights = other.model.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in tiny.model.state_dict().items())


def test_gradients_are_not_divided_by_accelerates_steps(tiny: Qwen, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    for steps in (None, "4"):
        if steps is not None:
            monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", steps)
        one = engine(Qwen(copy.deepcopy(tiny.model), tiny.tokenizer))
        backward(one)
        norms.append(one.update().grad_norm)
    assert norms[0] == norms[1]


def test_many_in_a_row_end_the_run(tiny: Qwen) -> None:
    one = engine(tiny)
    for _ in range(2):  # a sound one between them, and nothing ends
        for _ in range(MOST_SKIPPED - 1):
            backward(one, float("nan"))
            assert one.update().skipped
        backward(one)
        assert not one.update().skipped
    for _ in range(MOST_SKIPPED - 1):
        backward(one, float("nan"))
        one.update()
    backward(one, float("nan"))
    with pytest.raises(NotFinite, match=f"{MOST_SKIPPED} updates in a row"):
        one.update()


def test_sft_counts_and_tells_it(
    tiny: Qwen, make_trajectory: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [make_trajectory(0), make_trajectory(1)]
    with spoiled(tiny, {2}):
        history = train_sft(SFT, tiny.model, tiny.tokenizer, data)
    assert [row["updates_skipped"] for row in history] == [0, 1, 0, 0]
    assert ["loss" in row and "grad_norm" in row for row in history] == [True, False, True, True]
    assert history[3]["loss"] < history[0]["loss"]
    assert capsys.readouterr().err.count("sft: step 2: update skipped") == 1


def test_dapo_counts_it_and_its_metrics_are_those_of_the_other_updates(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    with spoiled(guesser, {1, 3, 4}):
        history = train_dapo(DAPO, guesser.model, guesser.tokenizer, guess_env)
    assert [(row["updates"], row["updates_skipped"]) for row in history] == [(1, 1), (0, 2), (2, 0)]
    assert [row["health/skipped_updates"] for row in history] == [1, 1, 1]
    assert all(value == value for row in history for value in row.values()), "none is NaN"
    assert ["loss" in row for row in history] == [True, False, True]
    assert all(parameter.isfinite().all() for parameter in guesser.model.parameters())
    assert capsys.readouterr().err.count("1 of 2 updates were skipped") == 1


def test_the_wreck_is_never_checkpointed(guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path) -> None:
    """A run whose every gradient is no number ends, and leaves checkpoints of sound weights."""
    before = {name: weight.clone() for name, weight in guesser.model.state_dict().items()}
    config = replace(DAPO, steps=9)
    with spoiled(guesser, set(range(1, 99))), pytest.raises(NotFinite):
        train_dapo(config, guesser.model, guesser.tokenizer, guess_env, run_dir=tmp_path)
    assert checkpoints(tmp_path)
    assert all(torch.equal(weight, before[name]) for name, weight in guesser.model.state_dict().items())
