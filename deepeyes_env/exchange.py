"""A running or finished episode as a list of exchanges, for everything that shows episodes to people."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepeyes_env.episode import Episode, Observation
from deepeyes_env.protocol import (
    IMAGE_MARKER,
    Action,
    Finish,
    InvalidCall,
    Malformed,
    RunCode,
    SearchImage,
    SearchText,
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks that turn the direction of writing, and lone surrogates (not encodable)."""
_IMAGE_HIT = re.compile(rf"^(\d+)\. {IMAGE_MARKER}\n\[(.*)\] $", re.MULTILINE)
_TEXT_HIT = re.compile(r"^(\d+)\. \[(.*)\]\((.*)\)$", re.MULTILINE)
_CODE_RESULT = re.compile(
    r"\ACode execution result:\nstdout:\n```\n(.*)\n```\n\nstderr:\n```\n(.*?)\n```", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One turn and what came back.

    Attributes:
        number: Counts from 1.
        thought: The reasoning, without tags.
        action: What the turn asked for.
        observation: What came back, or None if nothing did.
    """

    number: int
    thought: str
    action: Action
    observation: Observation | None

    @property
    def title(self) -> str:
        """What the policy did, in a word or two."""
        match self.action:
            case RunCode():
                return "Code"
            case SearchText():
                return "Search"
            case SearchImage():
                return "Image search"
            case Finish():
                return "Answer"
            case InvalidCall():
                return "Invalid call"
            case Malformed():
                return "Malformed turn"

    @property
    def body(self) -> str:
        """The code, query, answer or fault."""
        match self.action:
            case RunCode(code):
                return code
            case SearchText(query):
                return query
            case SearchImage(image, region):
                name = image or "the question's first image"
                return f"{name}, {' '.join(f'{edge:g}' for edge in region)}" if region else name
            case Finish(answer):
                return answer
            case InvalidCall(message):
                return message
            case Malformed(reason):
                return reason


def exchanges(episode: Episode) -> list[Exchange]:
    """The exchanges of an episode so far."""
    shown = list(episode.observations[1:])
    return [
        Exchange(
            number,
            thought(turn),
            action,
            shown[number - 1] if number <= len(shown) else None,
        )
        for number, (turn, action) in enumerate(zip(episode.turns, episode.actions, strict=True), 1)
    ]


def code_output(text: str) -> tuple[str, str]:
    """Standard output and standard error of a code observation; any other observation is all output."""
    match = _CODE_RESULT.match(text)
    return (match[1].strip("\n"), match[2].strip("\n")) if match else (text, "")


def readable_hits(text: str) -> str:
    """A search observation for people: without tags, markers, Markdown and blank lines."""
    text = (
        text.replace("<tool_response>\n", "").replace("\n</tool_response>", "").replace("## Web Results", "")
    )
    text = _IMAGE_HIT.sub(r"\1. \2", text)
    text = _TEXT_HIT.sub(r"\1. \2  —  \3", text)
    return "\n".join(line for line in text.splitlines() if line.strip())


def printable(text: str) -> str:
    """Text without what a terminal cannot show: tool output and turns must not steer it or stop it."""
    return _CONTROL.sub("", text.replace("\t", "    "))


def thought(turn: str) -> str:
    """The reasoning of a turn, without tags."""
    reasoning, closed, _ = turn.rpartition("</think>")
    without_tags = reasoning.replace("<think>", "").replace("</think>", "").strip()
    return printable(without_tags) if closed else ""
