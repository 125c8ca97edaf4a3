"""Random conversations, written in every format and read back: texts, observations and images stay."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from agents.convert.formats import FORMATS
from agents.convert.importer import Importer
from agents.convert.rl_parquet import to_task
from agents.corpus import quickstart_corpus
from agents.store import TrajectoryReader, TrajectoryWriter, read_trajectories, seal
from agents.store.parquet import from_row, read_rows
from agents.tiny import build_tokenizer
from agents.trajectory import SeedLineage, Trajectory, check_trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.prompts import user_prompt
from deepeyes_env.protocol import Finish, neutralise, parse_turn
from deepeyes_env.rewards.base import Reward
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from deepeyes_env.testing import grammatical_turns

FILES = {
    "sft": "sft.json",
    "openai": "messages.jsonl",
    "openai-files": "messages.jsonl",
    "llama-factory": "dataset_info.json",
    "trl": "train-00000.parquet",
}


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(build_tokenizer(quickstart_corpus()))


@cache
def image(columns: int, rows: int, shade: int) -> EncodedImage:
    return EncodedImage.from_pil(Image.new("RGB", (28 * columns, 28 * rows), (shade, 0, 255 - shade)))


IMAGES = st.builds(image, st.integers(2, 4), st.integers(2, 4), st.integers(0, 255))
WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
QUESTIONS = WORDS.map(lambda text: neutralise(text).strip() or "?")
TURNS = st.one_of(grammatical_turns(), WORDS)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    images = draw(st.lists(IMAGES, max_size=2))
    texts = [neutralise(draw(WORDS)) for _ in range(len(images) + 1)]
    text = "<image>".join(texts)
    return Observation(text, tuple(images)) if text.count("<image>") == len(images) else Observation("x")


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    """A conversation whose prompt is the environment's, with given `<think>` or without."""
    question, images = draw(QUESTIONS), tuple(draw(st.lists(IMAGES, max_size=2)))
    config = EnvConfig(
        prompt=draw(st.sampled_from(["full", "code_only", "search_only", "direct", "minimal"]))
    )
    prefill = draw(st.booleans())
    transcript = Transcript(vocabulary(), name="random", think_prefill=prefill)
    transcript.start(draw(WORDS.map(neutralise)), Observation(user_prompt(question, images, config), images))
    turns = draw(st.lists(TURNS, min_size=1, max_size=3))
    for number, turn in enumerate(turns):
        if number:
            transcript.append_observation(draw(observations()))
        given_think = "<think>" if prefill and number and not turn.startswith("<think>") else ""
        transcript.append_text(given_think + turn)
    last = parse_turn(transcript.turns[-1].text)
    return transcript.to_trajectory(
        family="f",
        skills=draw(st.sets(st.sampled_from(["perception", "reasoning", "search"]))),
        question=question,
        reference=draw(WORDS),
        answer=last.answer if isinstance(last, Finish) else None,
        reward=Reward(1.0, 0.0, 0.8),
        outcome=Outcome.ANSWERED if isinstance(last, Finish) else Outcome.TRUNCATED,
        lineage=SeedLineage(draw(st.integers(0, 2**62)), 1, 2, 3),
        versions=draw(st.dictionaries(WORDS, WORDS, max_size=2)),
    )


def there_and_back(name: str, several: list[Trajectory]) -> list[Trajectory]:
    with tempfile.TemporaryDirectory() as directory:
        form = FORMATS[name]
        form.write(several, Path(directory))
        records = form.read(Path(directory) / FILES[name], Path(directory))
        importer = Importer(vocabulary())
        return [importer(record.read(), record.origin) for record in records]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=30)
@given(st.lists(trajectories(), max_size=3))
def test_chats_come_back(name, several):
    several = [one for one in several if FORMATS[name].obstacle(one) is None]
    back = there_and_back(name, several)
    assert len(back) == len(several)
    for one, other in zip(several, back, strict=True):
        check_trajectory(other)
        assert other.system_prompt == one.system_prompt
        assert (other.prompt, other.question) == (one.prompt, one.question)
        assert [turn.text for turn in other.turns] == [turn.text for turn in one.turns]
        assert [turn.observation for turn in other.turns] == [turn.observation for turn in one.turns]
        assert [image.sha256 for image in other.images] == [image.sha256 for image in one.images]
        assert other.answer == one.answer


@settings(max_examples=30)
@given(st.lists(trajectories(), max_size=3))
def test_rl_rows_come_back_as_tasks(several):
    kept = [one for one in several if FORMATS["rl"].obstacle(one) is None][:1]
    with tempfile.TemporaryDirectory() as directory:
        FORMATS["rl"].write(kept, Path(directory))
        source = open_source(DeepEyesV2Config(train=(f"{directory}/train-00000.parquet",)))
        assert source.size("train") == len(kept)
        for number, one in enumerate(kept):
            task, wanted = source.task(number), to_task(one)
            assert task.question == wanted.question
            assert task.images == wanted.images
            assert task.answer.text == wanted.answer.text.strip()
            assert task.system_prompt == wanted.system_prompt


@settings(max_examples=30)
@given(st.lists(trajectories(), max_size=4), st.integers(1, 3))
def test_sealed_runs_hold_the_journal(several, shard_records):
    with tempfile.TemporaryDirectory() as directory:
        with TrajectoryWriter(directory) as writer:
            for one in several:
                writer.append(one)
        shards = seal(directory, shard_records)
        rows = [from_row(row) for shard in shards for row in read_rows(shard)]
        with TrajectoryReader(directory) as reader:
            for one, summary in zip(several, reader.summaries(), strict=True):
                assert (summary.question, summary.reference) == (one.question, one.reference)
                assert (summary.answer, summary.tokens) == (one.answer, one.loss_mask.sum())
        for one, other in zip(read_trajectories(directory), rows, strict=True):
            for field in Trajectory.__dataclass_fields__:
                mine, theirs = getattr(one, field), getattr(other, field)
                if isinstance(mine, np.ndarray):
                    assert (mine.tobytes(), mine.dtype) == (theirs.tobytes(), theirs.dtype)
                else:
                    assert mine == theirs, field
