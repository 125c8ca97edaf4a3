"""A trajectory as the page shows it: everything that is not in its row, as JSON."""

from __future__ import annotations

import re
from typing import TypedDict

from agents.trajectory import Trajectory, Turn
from agents.viewer.formula import formula
from agents.viewer.segments import split_turn
from agents.viewer.tokens import Strip, strip
from deepeyes_env.protocol import IMAGE_MARKER

_BLANK_LINES_FIRST = re.compile(r"\A(?:[ \t]*\n)+")
_PARTS = re.compile(rf"(.*?)((?:{IMAGE_MARKER}\s*)+|\Z)", re.DOTALL)


class Picture(TypedDict):
    """An image where it is shown; `label` says which one the policy knows it as, `tokens` what it costs."""

    sha256: str
    width: int
    height: int
    label: str
    tokens: int


class Shown(TypedDict):
    """A run of observation text, then the pictures that follow it."""

    text: str
    pictures: list[Picture]


class Piece(TypedDict):
    """A block of a turn; see `Segment`."""

    kind: str
    text: str


class TurnDetail(TypedDict):
    """One turn: what the policy wrote and what came back.

    Attributes:
        action: What the environment made of it.
        tool_ok: Whether the tool ran without error; None when no tool ran.
        finish_reason: `stop` or `length`.
        tokens: Sampled tokens.
        pieces: The policy's text, cut into blocks.
        observation: The tool's answer, pictures in place; empty when nothing came back.
    """

    action: str
    tool_ok: bool | None
    finish_reason: str
    tokens: int
    pieces: list[Piece]
    observation: list[Shown]


class Detail(TypedDict):
    """One trajectory.

    Attributes:
        question: The whole question.
        reference: The whole reference answer.
        answer: The whole answer, or None.
        system_prompt: Text of the system message.
        prompt: Text of the first observation.
        pictures: The question's images.
        turns: Its turns.
        formula: How the total came from its parts, or "".
        token_exact: Whether ids and log-probabilities are those that a policy sampled.
        versions: What produced it.
        strip: Its tokens.
    """

    question: str
    reference: str
    answer: str | None
    system_prompt: str
    prompt: str
    pictures: list[Picture]
    turns: list[TurnDetail]
    formula: str
    token_exact: bool
    versions: dict[str, str]
    strip: Strip


def detail(one: Trajectory) -> Detail:
    """Lay out a trajectory.

    Args:
        one: The trajectory; its images' bytes are not looked at.
    """
    pictures = _owned(one)
    return {
        "question": one.question,
        "reference": one.reference,
        "answer": one.answer,
        "system_prompt": one.system_prompt,
        "prompt": one.prompt,
        "pictures": pictures[0],
        "turns": [_turn(turn, seen) for turn, seen in zip(one.turns, pictures[1:], strict=True)],
        "formula": formula(one.reward),
        "token_exact": one.token_exact,
        "versions": dict(one.versions),
        "strip": strip(one),
    }


def _owned(one: Trajectory) -> list[list[Picture]]:
    """The question's pictures, then every turn's.

    An image belongs to the observation of the last turn that began before it; before any turn it is the
    question's.
    """
    starts = [turn.start for turn in one.turns] + [len(one.input_ids)]
    numbered = list(enumerate(zip(one.images, one.image_spans, strict=True), start=1))
    return [
        [
            Picture(
                sha256=image.sha256,
                width=image.width,
                height=image.height,
                label=f"image {place}",
                tokens=span.length,
            )
            for place, (image, span) in numbered
            if low <= span.start < high
        ]
        for low, high in zip([0, *starts], starts, strict=False)
    ]


def _turn(turn: Turn, pictures: list[Picture]) -> TurnDetail:
    return {
        "action": turn.action,
        "tool_ok": turn.tool_ok,
        "finish_reason": turn.finish_reason,
        "tokens": turn.end - turn.start,
        "pieces": [{"kind": piece.kind, "text": piece.text} for piece in split_turn(turn.text)],
        "observation": _observation(turn.observation, pictures),
    }


def _observation(text: str, pictures: list[Picture]) -> list[Shown]:
    """Put each picture where its marker stands; adjacent markers make one row of pictures.

    Pictures without a marker come last: a record that breaks the rule is still shown whole.
    """
    waiting = list(pictures)
    shown: list[Shown] = []
    for words, markers in _PARTS.findall(text):
        count = markers.count(IMAGE_MARKER)
        shown.append({"text": _BLANK_LINES_FIRST.sub("", words).rstrip(), "pictures": waiting[:count]})
        del waiting[:count]
    shown.append({"text": "", "pictures": waiting})
    return [one for one in shown if one["text"].strip() or one["pictures"]]
