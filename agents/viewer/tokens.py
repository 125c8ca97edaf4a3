"""The token strip: every token of a trajectory with its mask and log-probability, as compact JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from agents.trajectory import Trajectory, Turn


class Decoder(Protocol):
    """The one thing the viewer needs of a tokenizer (any Hugging Face tokenizer has it)."""

    def decode(self, token_ids: Sequence[int], /) -> str:
        """The text of some tokens."""
        ...


def strip(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory's tokens for the page's script.

    Args:
        trajectory: A finished episode.

    Returns:
        `ids`: token ids, where an image's run of placeholders is one entry: minus the length of the run.
        `turns`: per turn `[position of its first token, log-probabilities of its tokens]`; all other tokens
        are masked. `scored`: whether any log-probability was recorded (a demonstration has none).
    """
    ids: list[int] = []
    position = 0
    for span in trajectory.image_spans:
        ids += trajectory.input_ids[position : span.start].tolist()
        ids.append(-span.length)
        position = span.start + span.length
    ids += trajectory.input_ids[position:].tolist()
    turns = [[turn.start, _logprobs(trajectory, turn)] for turn in trajectory.turns]
    return {"ids": ids, "turns": turns, "scored": bool(trajectory.logprobs.any())}


def vocabulary(trajectories: Iterable[Trajectory], tokenizer: Decoder | None) -> dict[int, str]:
    """The text of every token id that occurs; empty without a tokenizer.

    Args:
        trajectories: The page's trajectories.
        tokenizer: What decodes them, or None.
    """
    if tokenizer is None:
        return {}
    used = sorted(set().union(*(one.input_ids.tolist() for one in trajectories)))
    return {token: tokenizer.decode([token]) for token in used}


def _logprobs(trajectory: Trajectory, turn: Turn) -> list[float]:
    return [round(value, 4) for value in trajectory.logprobs[turn.start : turn.end].tolist()]
