"""Prompts that are too long are passed over and counted, and the run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from guess_source import GuessSource
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agents.qwen import Qwen
from agents.transcript import Transcript
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import ConfigError
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Split, Task
from trainers.batching import prompt_index
from trainers.config import DapoConfig
from trainers.dapo import group_rollout
from trainers.dapo.command import DapoOptions, Validation
from trainers.dapo.group_rollout import Sampler, accuracy_varies
from trainers.dapo.prompts import PromptLimit, prompt_limit
from trainers.dapo.train import train_dapo
from trainers.runs.checkpoint import checkpoint_path
from trainers.runs.interrupt import StopRequest
from trainers.runs.metrics import StepReport

CONFIG = DapoConfig(
    steps=3,
    prompts_per_step=2,
    group_size=2,
    minibatches=1,
    max_rounds=1,
    max_prompt_tokens=300,
    max_turn_tokens=4,
    save_every=1,
    keep=9,
    progress=False,
)


def is_long(index: int) -> bool:
    return index % 3 == 0


class LongAndShort(GuessSource):
    """A third of its questions have some 400 tokens more than the others."""

    def task(self, index: int, split: Split = "train") -> Task:
        task = super().task(index, split)
        return replace(task, question=task.question + " digit" * 400) if is_long(index) else task


@pytest.fixture
def env() -> Iterator[DeepEyesAsyncEnv]:
    env = DeepEyesAsyncEnv(num_envs=4, tasks=LongAndShort(), prompt="minimal")
    yield env
    env.close()


def test_a_prompt_is_measured_as_the_transcript_lays_it_down(tiny: Qwen, env: DeepEyesAsyncEnv) -> None:
    vocabulary = TransformersPolicy(tiny.model, tiny.tokenizer).vocabulary
    alone = DeepEyesEnv(tasks=env.tasks, prompt="minimal")
    for index in (0, 1):
        alone.reset(seed=0, options={"index": index, "split": "train"})
        transcript = Transcript(vocabulary)
        length = len(transcript.start(alone.episode.system_prompt, alone.episode.observations[0]))
        assert PromptLimit(env, vocabulary, length).fits(index, "train")
        assert not PromptLimit(env, vocabulary, length - 1).fits(index, "train")
    alone.close()


def test_what_nobody_can_look_at_does_not_fit(tiny: Qwen) -> None:
    class Odd(GuessSource):
        def task(self, index: int, split: Split = "train") -> Task:
            task = super().task(index, split)
            narrow = EncodedImage.from_pil(Image.new("RGB", (3000, 4)))
            return replace(task, images=(task.images * 3, (narrow,), task.images)[index])

    vocabulary = TransformersPolicy(tiny.model, tiny.tokenizer).vocabulary
    env = DeepEyesAsyncEnv(tasks=Odd(), prompt="minimal", max_images=2)
    limit = prompt_limit(CONFIG, env, vocabulary)
    assert [limit.fits(index, "train") for index in range(3)] == [False, False, True]
    env.close()


def test_no_prompt_is_longer_than_a_conversation(tiny: Qwen, env: DeepEyesAsyncEnv) -> None:
    vocabulary = TransformersPolicy(tiny.model, tiny.tokenizer).vocabulary
    assert prompt_limit(CONFIG, env, vocabulary).tokens == 300
    assert prompt_limit(replace(CONFIG, max_tokens=200), env, vocabulary).tokens == 200


def test_long_prompts_are_passed_over_and_counted(tiny: Qwen, env: DeepEyesAsyncEnv, tmp_path: Path) -> None:
    """In one run and in a resumed one; without it `ContextFull` would end every one of them."""
    config = replace(CONFIG, max_tokens=300)
    drawn: list[int] = []

    def on_step(report: StepReport) -> None:
        drawn.extend(dict.fromkeys(one.lineage.prompt for one in report.trajectories))

    def train(**kwargs: Any) -> list[dict[str, float]]:
        return train_dapo(config, tiny.model, tiny.tokenizer, env, **kwargs)

    history = train(run_dir=tmp_path, on_step=on_step)
    fitting = [draw for draw in range(99) if not is_long(prompt_index(config.seed, draw, None))]
    assert drawn == fitting[:6]
    passed_over = [row["prompts_too_long"] for row in history]
    assert sum(passed_over) == drawn[-1] + 1 - 6 > 0
    resumed = train(resume=checkpoint_path(tmp_path, 1))
    assert [row["prompts_too_long"] for row in resumed] == passed_over[1:]


class Fake:
    """One of several processes, which knows what the others will say."""

    def __init__(self, rank: int, size: int, long: Sequence[bool]) -> None:
        self.rank, self.size, self.long = rank, size, long
        self.looked: Sequence[int] = ()

    def deal(self, items: Sequence[int]) -> Sequence[int]:
        self.looked = items
        return self._part(self.rank)

    def _part(self, rank: int) -> Sequence[int]:
        begin, end = (len(self.looked) * number // self.size for number in (rank, rank + 1))
        return self.looked[begin:end]

    def tell(self, own: list[bool]) -> list[list[bool]]:
        told = [[not self.long[draw] for draw in self._part(rank)] for rank in range(self.size)]
        assert told[self.rank] == own
        return told

    def together(self, doing: str) -> Any:
        from contextlib import nullcontext

        return nullcontext()


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 9), st.integers(1, 5), st.integers(1, 4))
def test_the_draws_are_the_same_in_any_number_of_processes(
    long: list[bool], first: int, count: int, size: int
) -> None:
    """The next ones that fit, and nothing behind the last of them is lost."""
    long = [*long, *[False] * (first + count)]
    wanted = [draw for draw in range(first, len(long)) if not long[draw]][:count]

    class Measured:
        def fits(self, index: int, split: Split) -> bool:
            return not long[index]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_rollout, "prompt_limit", lambda *_: Measured())
        patch.setattr(Sampler, "_task", lambda self, draw: draw)
        for rank in range(size):
            sampler = sampler_of(CONFIG, Fake(rank, size, long))
            assert sampler._draws(first, count) == wanted


def sampler_of(config: DapoConfig, ranks: Any, policy: Any = None, env: Any = None) -> Sampler:
    class Nobody:
        vocabulary = None

    return Sampler(config, policy or Nobody(), env, lambda _: None, StopRequest(), ranks, accuracy_varies)


def test_a_source_of_long_prompts_alone_ends_with_a_reason(
    tiny: Qwen, env: DeepEyesAsyncEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_rollout, "MOST_PASSED_OVER", 20)
    with pytest.raises(
        ConfigError, match=r"max_prompt_tokens = 9: 20 prompts in a row have more than 9 tokens"
    ):
        train_dapo(replace(CONFIG, max_prompt_tokens=9), tiny.model, tiny.tokenizer, env)


def test_an_evaluation_passes_over_them_too(tiny: Qwen, env: DeepEyesAsyncEnv) -> None:
    options = DapoOptions("m", Path("r"), eval_tasks=4, train=CONFIG)
    found = Validation(options, TransformersPolicy(tiny.model, tiny.tokenizer), env)(1)
    assert (found["episodes"], found["prompts_too_long"]) == (2, 2)
