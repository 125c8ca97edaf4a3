"""Calculations over what a picture shows: one formula gives the true answer and is the oracle's program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

BUILTINS: dict[str, Callable[..., object]] = {
    "abs": abs,
    "len": len,
    "max": max,
    "min": min,
    "range": range,
    "round": round,
    "sorted": sorted,
    "sum": sum,
    "zip": zip,
}
"""What a formula may call."""


@dataclass(frozen=True, slots=True)
class Calculation:
    """What is asked.

    Attributes:
        question: The question's text.
        formula: Python expression over `values`, whatever they are in the family.
        unit: Unit of its value, or None for a plain number.
    """

    question: str
    formula: str
    unit: str | None = None

    def result(self, values: object) -> float:
        """The formula's value for the true values."""
        # Formulas are written in this package; no text from outside gets here.
        found: float = eval(_compiled(self.formula), {"__builtins__": BUILTINS, "values": values})
        return found


@lru_cache(maxsize=64)
def _compiled(formula: str) -> CodeType:
    # Kept, for the search for a twin works one formula out hundreds of times.
    return compile(formula, "<formula>", "eval")


def shown(value: float, places: int = 1) -> str:
    """A result as an answer: rounded, and without a fraction where there is none."""
    rounded = round(value, places)
    return str(int(rounded)) if float(rounded).is_integer() else str(rounded)


def apart(first: float, second: float, tolerance: float) -> bool:
    """Whether two results are too far apart for one, measured a little wrongly, to pass as the other."""
    return abs(first - second) > 1.5 * tolerance * max(abs(first), abs(second))
