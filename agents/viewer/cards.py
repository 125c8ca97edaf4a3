"""What the page shows of a trajectory, worked out before any HTML is written."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.metrics import tools_used
from agents.trajectory import Trajectory, Turn
from agents.viewer.segments import Segment, split_turn
from agents.viewer.tokens import strip
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER

_BLANK_EDGES = re.compile(r"\A(?:[ \t]*\n)+|\s+\Z")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image where it is shown: `label` says which one the policy knows it as."""

    image: EncodedImage
    label: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A run of observation text, then the pictures that follow it."""

    text: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class TurnCard:
    """One turn: what the policy wrote and what came back.

    Attributes:
        number: From 1.
        turn: The record.
        segments: The policy's text, cut into blocks.
        observation: The tool's answer, pictures in place; empty when nothing came back.
        tokens: Sampled tokens.
    """

    number: int
    turn: Turn
    segments: tuple[Segment, ...]
    observation: tuple[Shown, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Card:
    """One trajectory.

    Attributes:
        number: Its place on the page, from 0.
        trajectory: The record.
        verdict: `right`, `wrong`, or `unscored` after an infrastructure failure.
        tools: Tool kind -> calls.
        pictures: The question's images.
        turns: Its turns.
        tokens: The token strip (see `tokens.strip`).
        sampled: Number of sampled tokens.
        siblings: Places of the samples of the same task drawn together, this one included.
        needle: What the search box looks in, lower case.
    """

    number: int
    trajectory: Trajectory
    verdict: str
    tools: dict[str, int]
    pictures: tuple[Picture, ...]
    turns: tuple[TurnCard, ...]
    tokens: dict[str, Any]
    sampled: int
    siblings: tuple[int, ...]
    needle: str


def cards(trajectories: Sequence[Trajectory]) -> list[Card]:
    """Lay out every trajectory of a page."""
    groups: dict[tuple[str, int, int, int], list[int]] = defaultdict(list)
    for number, one in enumerate(trajectories):
        groups[_group(one)].append(number)
    return [_card(number, one, tuple(groups[_group(one)])) for number, one in enumerate(trajectories)]


def _group(one: Trajectory) -> tuple[str, int, int, int]:
    return one.task_id, one.lineage.run_seed, one.lineage.step, one.lineage.prompt


def _card(number: int, one: Trajectory, siblings: tuple[int, ...]) -> Card:
    pictures = [
        Picture(image, f"image {place}", span.length)
        for place, (image, span) in enumerate(zip(one.images, one.image_spans, strict=True), start=1)
    ]
    starts = [turn.start for turn in one.turns] + [len(one.input_ids)]
    # An image belongs to the observation of the last turn that began before it; before any turn it is the
    # question's.
    owned = [
        [picture for picture, span in zip(pictures, one.image_spans, strict=True) if low <= span.start < high]
        for low, high in zip([0, *starts], starts, strict=False)
    ]
    words = (one.task_id, one.family, one.question, one.reference, one.answer or "")
    return Card(
        number=number,
        trajectory=one,
        verdict=_verdict(one),
        tools=dict(tools_used(one)),
        pictures=tuple(owned[0]),
        turns=tuple(_turn(one, place, turn, owned[place]) for place, turn in enumerate(one.turns, start=1)),
        tokens=strip(one),
        sampled=int(one.loss_mask.sum()),
        siblings=siblings,
        needle=" ".join(words).lower(),
    )


def _verdict(one: Trajectory) -> str:
    if one.outcome is Outcome.INFRA_FAILED:
        return "unscored"
    return "right" if one.reward.accuracy >= 1.0 else "wrong"


def _turn(one: Trajectory, number: int, turn: Turn, pictures: list[Picture]) -> TurnCard:
    sampled = int(one.loss_mask[turn.start : turn.end].sum())
    return TurnCard(number, turn, split_turn(turn.text), _observation(turn.observation, pictures), sampled)


def _observation(text: str, pictures: list[Picture]) -> tuple[Shown, ...]:
    """Put each picture where its marker stands; adjacent markers make one row of pictures.

    Pictures without a marker come last: a record that breaks the rule is still shown whole.
    """
    waiting = list(pictures)
    shown = []
    for words, markers in re.findall(rf"(.*?)((?:{IMAGE_MARKER}\s*)+|\Z)", text, flags=re.DOTALL):
        count = markers.count(IMAGE_MARKER)
        shown.append(Shown(_BLANK_EDGES.sub("", words), tuple(waiting[:count])))
        del waiting[:count]
    shown.append(Shown("", tuple(waiting)))
    return tuple(one for one in shown if one.text.strip() or one.pictures)
