"""Prompts that are too long are passed over and counted, and the run goes on."""

from __future__ import annotations

import json
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
from deepeyes_env.config import ConfigError, EnvConfig
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Split, Task
from deepeyes_env.tasks import JsonlConfig
from trainers.batching import prompt_index
from trainers.config import DapoConfig
from trainers.dapo import group_rollout
from trainers.dapo.command import DapoOptions, Validation
from trainers.dapo.group_rollout import Sampler, accuracy_varies
from trainers.dapo.prompts import Look, PromptLimit, prompt_limit
from trainers.dapo.train import train_dapo
from trainers.runs.checkpoint import checkpoint_path, latest_checkpoint
from trainers.runs.interrupt import StopRequest
from trainers.runs.metrics import Metrics, StepReport

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
        assert PromptLimit(env, vocabulary, length).look(index, "train") == (True, "")
        assert PromptLimit(env, vocabulary, length - 1).look(index, "train") == (False, "")
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
    looks = [limit.look(index, "train") for index in range(3)]
    assert [look.fits for look in looks] == [False, False, True]
    assert [bool(look.unusable) for look in looks] == [False, True, False]
    assert "guess/train/1" in looks[1].unusable
    env.close()


@pytest.fixture
def broken_rows(tmp_path: Path) -> Iterator[DeepEyesAsyncEnv]:
    """Six rows of each split, of which one has a picture that does not decode and one has no answer."""
    for split in ("train", "validation"):
        rows = []
        for row in range(6):
            Image.new("RGB", (56, 56), (row * 20, 0, len(split))).save(tmp_path / f"{split}-{row}.png")
            rows.append({"question": f"Which {row}?", "image": f"{split}-{row}.png", "answer": "1"})
        del rows[4]["answer"]
        (tmp_path / f"{split}-1.png").write_bytes((tmp_path / f"{split}-1.png").read_bytes()[:40])
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = JsonlConfig(train=str(tmp_path / "train.jsonl"), validation=str(tmp_path / "validation.jsonl"))
    env = DeepEyesAsyncEnv(2, EnvConfig(source=source, prompt="minimal"))
    yield env
    env.close()


def test_rows_that_cannot_be_used_end_no_run(
    tiny: Qwen, broken_rows: DeepEyesAsyncEnv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are counted in every step, told once by file and row, and a run is resumed with them."""
    config = replace(
        CONFIG, steps=6, prompts_per_step=2, max_rounds=1, staleness=1, max_prompt_tokens=4096, save_every=1
    )

    def train(steps: int, **more: Any) -> list[Metrics]:
        only = replace(config, steps=steps)
        return train_dapo(only, tiny.model, tiny.tokenizer, broken_rows, run_dir=tmp_path / "run", **more)

    train(3)
    history = train(6, resume=latest_checkpoint(tmp_path / "run"))
    assert [row["prompts_too_long"] for row in history] == [0] * 6
    assert [row["groups_drawn"] for row in history] == [2] * 6
    # Twelve draws that could be used are three epochs, in each of which two could not; the last may be left.
    assert 4 <= sum(row["prompts_unusable"] for row in history) <= 6
    told = capsys.readouterr().err
    for row, problem in ((1, "train-1.png"), (4, "there is no answer")):
        place = f"passed over: file '{tmp_path / 'train.jsonl'}', row {row}"
        assert 1 <= told.count(place) <= 2, "once in each of the two runs"
        assert problem in told


def test_an_evaluation_passes_over_rows_that_cannot_be_used(
    tiny: Qwen, broken_rows: DeepEyesAsyncEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DapoOptions("m", Path("r"), eval_tasks=6, train=CONFIG)
    validation = Validation(options, TransformersPolicy(tiny.model, tiny.tokenizer), broken_rows)
    for step in (1, 2):
        found = validation(step)
        assert (found["episodes"], found["prompts_too_long"], found["prompts_unusable"]) == (4, 0, 2)
    told = capsys.readouterr().err
    assert told.count("validation.jsonl', row 1") == told.count("validation.jsonl', row 4") == 1


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

    def tell(self, own: list[Look]) -> list[list[Look]]:
        told = [[Look(not self.long[draw]) for draw in self._part(rank)] for rank in range(self.size)]
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
        def look(self, index: int, split: Split) -> Look:
            return Look(not long[index])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_rollout, "prompt_limit", lambda *_: Measured())
        patch.setattr(Sampler, "_task", lambda self, draw: draw)
        for rank in range(size):
            sampler = sampler_of(CONFIG, Fake(rank, size, long))
            assert sampler._draws(first, count) == (wanted, 0)


def sampler_of(config: DapoConfig, ranks: Any, policy: Any = None, env: Any = None) -> Sampler:
    class Nobody:
        vocabulary = None

    def say(text: str) -> None:
        pass

    return Sampler(config, policy or Nobody(), env, say, say, StopRequest(), ranks, accuracy_varies)


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
