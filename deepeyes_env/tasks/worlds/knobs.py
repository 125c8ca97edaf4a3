"""Difficulty: every family names its knobs, and how far each goes from easy to hard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepeyes_env.errors import ConfigError, nearest

Knobs = Mapping[str, float]
"""Knob -> its setting. A knob whose both ends are whole numbers is set to whole numbers."""

DEFAULT_DIFFICULTY = 0.5
"""Where knobs stand that nobody has set, from 0 (easy) to 1 (hard)."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One thing that makes a family's tasks harder.

    Attributes:
        easy: Its setting at difficulty 0.
        hard: Its setting at difficulty 1; may be the smaller number (a letter's height).
        what: What it sets, with its unit.
    """

    easy: float
    hard: float
    what: str

    def at(self, difficulty: float) -> float:
        """The setting at a difficulty from 0 to 1."""
        value = self.easy + (self.hard - self.easy) * difficulty
        return round(value) if self.is_whole else value

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are settings."""
        return float(self.easy).is_integer() and float(self.hard).is_integer()


def settings(knobs: Mapping[str, Knob], difficulty: float, chosen: Knobs, family: str) -> dict[str, float]:
    """The settings of all knobs of a family.

    Args:
        knobs: The family's knobs.
        difficulty: From 0 to 1, for every knob that is not among `chosen`.
        chosen: Settings by name.
        family: Name of the family, for messages.

    Raises:
        ConfigError: There is no such knob, or it does not go so far.
    """
    for name, value in chosen.items():
        if name not in knobs:
            hint = nearest(name, knobs) if knobs else "the family has none"
            raise ConfigError(f"knobs.{family}.{name}: no such knob; {hint}")
        knob = knobs[name]
        low, high = sorted((knob.easy, knob.hard))
        if not low <= value <= high or (knob.is_whole and not float(value).is_integer()):
            kind = "a whole number" if knob.is_whole else "a number"
            raise ConfigError(f"knobs.{family}.{name} = {value!r}: must be {kind} from {low} to {high}")
    return {name: chosen.get(name, knob.at(difficulty)) for name, knob in knobs.items()}
