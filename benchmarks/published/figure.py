"""A published number with what is known of how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["percent", "points", "of 1000"]
"""`points`: a difference of percentages. `of 1000`: OCRBench's count of right answers."""

TOOLS = ("code", "crop", "image_search", "text_search", "harness", "unstated")
"""What a model may have had: `crop` is a zoom without code, `harness` others' agent around it."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a table was measured, `unstated` where its authors do not say.

    Attributes:
        harness: Program.
        prompt: Prompt.
        judge: Who judged what rules did not decide.
        split: Which items.
        decoding: Greedy or how else.
    """

    harness: str
    prompt: str
    judge: str
    split: str
    decoding: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of a published table.

    Attributes:
        table: Name of its file.
        source: Paper and table.
        checked: How the transcription was checked.
        protocol: How it was measured.
        suite: The benchmark.
        subset: Skill or category, empty for all items.
        items: Number of items, or None where it is not known.
        model: Whose.
        tools: What it could call, sorted; empty for none.
        value: As printed.
        unit: Of `value`.
        note: What is odd about it, or empty.
    """

    table: str
    source: str
    checked: str
    protocol: Protocol
    suite: str
    subset: str
    items: int | None
    model: str
    tools: tuple[str, ...]
    value: float
    unit: Unit = "percent"
    note: str = ""

    @property
    def share(self) -> float | None:
        """In [0, 1]; None for a difference."""
        return {"percent": self.value / 100, "of 1000": self.value / 1000}.get(self.unit)
