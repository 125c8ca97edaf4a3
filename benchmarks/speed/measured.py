"""What a benchmark measured, as data: the targets with their verdicts, and all figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.speed.record import Row
from benchmarks.speed.targets import Verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """What `machine.write_json` writes of a benchmark that has nothing else to say.

    Attributes:
        targets: Ratios and guides.
        figures: Everything, by measure and contender.
    """

    targets: Sequence[Verdict]
    figures: Sequence[Row]
