"""Long chains of thought as text, chosen from files of conversations and encoded for SFT."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agents.convert.chat import bare_question
from agents.convert.formats import FORMATS
from agents.convert.importer import Importer, Record
from agents.trajectory import Trajectory
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.combine import Earned, deepeyesv2
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.sft_json import Conversation
from trainers.curation.decontaminate import Decontaminator
from trainers.curation.keys import rank
from trainers.curation.words import same_text

FORMATS_BY_SUFFIX = {".json": "sft", ".jsonl": "openai"}

FAMILY = "long-thought"
"""The family of their trajectories."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a conversation.

    Attributes:
        place: File and number.
        reason: Why it was left out; empty if it was taken.
        detail: More about it.
    """

    place: str
    reason: str = ""
    detail: str = ""


def wanted(demonstrations: int, share: float, count: int | None) -> int:
    """How many conversations are to be mixed in.

    Args:
        demonstrations: Trajectories that they are mixed with.
        share: Share of the whole set that they are to be.
        count: How many, instead.
    """
    return round(demonstrations * share / (1 - share)) if count is None else count


def check_files(files: Sequence[str]) -> list[Path]:
    """The files, if all can be read by their names.

    Raises:
        ConfigError: One is missing, or of another format.
    """
    for name in files:
        if Path(name).suffix not in FORMATS_BY_SUFFIX or not Path(name).is_file():
            raise ConfigError(
                f"thought.files = {name!r}: must be a file of DeepEyesV2's SFT JSON (.json) or OpenAI's "
                "messages (.jsonl)"
            )
    return [Path(name) for name in files]


def choose(
    files: Sequence[Path], count: int, importer: Importer, decontaminator: Decontaminator, seed: int
) -> Iterator[tuple[Verdict, Trajectory | None]]:
    """Choose conversations.

    Args:
        files: Where they are.
        count: How many are wanted.
        importer: Encodes them; those above its `max_tokens` are left out.
        decontaminator: Finds those whose question a benchmark asks too.
        seed: Draws which ones, of those that can be used.

    Yields:
        What became of each, and the trajectory of each that was taken.
    """
    usable: list[tuple[bytes, str, Record]] = []
    seen: set[str] = set()
    for record in (record for file in files for record in _records(file)):
        place = f"{record.origin.file.name}:{record.origin.row}"
        try:
            conversation = _read(record)
        except DatasetError as error:
            yield Verdict(place, "unusable", str(error)), None
            continue
        name = _digest(conversation)
        verdict = _verdict(place, conversation, name in seen, decontaminator)
        seen.add(name)
        if verdict.reason:
            yield verdict, None
        else:
            usable.append((rank(seed, name), place, record))
    taken = 0
    for _, place, record in sorted(usable, key=lambda one: one[0]):
        if taken == count:
            yield Verdict(place, "more than wanted"), None
            continue
        try:
            trajectory = _trajectory(importer(_read(record), record.origin))
        except DatasetError as error:
            yield Verdict(place, "unusable", str(error)), None
            continue
        if len(trajectory.input_ids) > importer.max_tokens:  # it has checked all but the last turn
            yield Verdict(place, "too long", f"{len(trajectory.input_ids)} tokens"), None
            continue
        taken += 1
        yield Verdict(place), trajectory


def _records(file: Path) -> Iterator[Record]:
    read = FORMATS[FORMATS_BY_SUFFIX[file.suffix]].read
    assert read is not None, "both formats hold turns"
    return read(file, file.parent)


def _read(record: Record) -> Conversation:
    conversation = record.read()
    assert isinstance(conversation, Conversation), "both formats hold conversations"
    return conversation


def _verdict(
    place: str, conversation: Conversation, repeated: bool, decontaminator: Decontaminator
) -> Verdict:
    if any(message.images for message in conversation.messages):
        return Verdict(place, "shows pictures")
    if repeated:
        return Verdict(place, "duplicate")
    asked = next((message.text for message in conversation.messages if message.role == "user"), "")
    if (found := decontaminator.check(bare_question(asked))) is not None:
        return Verdict(place, "benchmark", f"{found.benchmark} {found.place}: {found.detail}")
    return Verdict(place)


def _digest(conversation: Conversation) -> str:
    said = "\0".join(f"{message.role}\1{same_text(message.text)}" for message in conversation.messages)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _trajectory(one: Trajectory) -> Trajectory:
    """A demonstration: it was kept because it is right, whether or not its answer has our tags."""
    form = one.reward.format
    reward = Reward(1.0, form, deepeyesv2(Earned(1.0, form)))
    return replace(one, family=FAMILY, outcome=Outcome.ANSWERED, reward=reward)
