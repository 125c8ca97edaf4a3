"""The token strip: every token of a trajectory with its mask and log-probability, as compact JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol, TypedDict

from agents.trajectory import Trajectory, Turn


class Decoder(Protocol):
    """The one thing the viewer needs of a tokenizer (any Hugging Face tokenizer has it)."""

    def decode(self, token_ids: Sequence[int], /) -> str:
        """The text of some tokens."""
        ...


class Strip(TypedDict):
    """A trajectory's tokens for the page's script.

    Attributes:
        ids: Token ids, where an image's run of placeholders is one entry: minus the length of the run.
        turns: Per turn `[position of its first token, log-probabilities of its tokens]`; all other tokens are
            masked.
        scored: Whether any log-probability was recorded (a demonstration has none).
    """

    ids: list[int]
    turns: list[tuple[int, list[float]]]
    scored: bool


class Words:
    """The texts of token ids; each is decoded once. Safe to use from many threads.

    Args:
        find: Gives what decodes them, or None as long as there is nothing: then there are no texts, and the
            page shows ids. Asked until it gives something, by one thread at a time.
    """

    def __init__(self, find: Callable[[], Decoder | None]) -> None:
        self._find = find
        self._decoder: Decoder | None = None
        self._known: dict[int, str] = {}
        self._lock = threading.Lock()

    def of(self, trajectories: Iterable[Trajectory]) -> dict[int, str]:
        """The text of every token id that occurs in `trajectories` and that the tokenizer knows."""
        with self._lock:
            if self._decoder is None:
                self._decoder = self._find()
            if self._decoder is None:
                return {}
            used = sorted(set().union(*(one.input_ids.tolist() for one in trajectories)))
            for token in used:
                if token not in self._known:
                    # Another model's tokenizer may lack ids, which the page then shows as numbers.
                    with suppress(IndexError, OverflowError):
                        self._known[token] = self._decoder.decode([token])
            return {token: self._known[token] for token in used if token in self._known}


def strip(trajectory: Trajectory) -> Strip:
    """A trajectory's tokens, masks and log-probabilities.

    Args:
        trajectory: A finished episode.
    """
    ids: list[int] = []
    position = 0
    for span in trajectory.image_spans:
        ids += trajectory.input_ids[position : span.start].tolist()
        ids.append(-span.length)
        position = span.start + span.length
    ids += trajectory.input_ids[position:].tolist()
    turns = [(turn.start, _logprobs(trajectory, turn)) for turn in trajectory.turns]
    return {"ids": ids, "turns": turns, "scored": bool(trajectory.logprobs.any())}


def _logprobs(trajectory: Trajectory, turn: Turn) -> list[float]:
    return [round(value, 4) for value in trajectory.logprobs[turn.start : turn.end].tolist()]
