"""The samples of a benchmark and what is said about them."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
"""Level of the intervals of ratios."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured.

    Attributes:
        name: As the tables show it.
        unit: Of the shown figures.
        scale: Shown figure of a sample of 1; samples of time are in seconds.
    """

    name: str
    unit: str
    scale: float = 1.0


Sample = tuple[Measure, float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How two contenders compare over the rounds of one run.

    Attributes:
        value: Geometric mean of the rounds' ratios.
        low: Lower end of its 95 % interval, by Student's t on the logarithms; None with one round.
        high: Upper end.
    """

    value: float
    low: float | None
    high: float | None


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """Compare samples that were taken in turns, pair by pair, so that a slow minute slows both.

    Args:
        ours: Samples above 0, one a round.
        peer: Another's, of the same rounds.

    Raises:
        ValueError: There are not as many of both.
    """
    logs = [math.log(a / b) for a, b in zip(ours, peer, strict=True)]
    centre = statistics.fmean(logs)
    if len(logs) == 1:
        return Ratio(math.exp(centre), None, None)
    spread = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = stats.t.ppf(1 - (1 - CONFIDENCE) / 2, len(logs) - 1) * spread
    return Ratio(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one contender, in the measure's unit.

    Attributes:
        measure: The measure's name.
        contender: Who did the work.
        unit: Of the figures.
        n: Number of samples; 0 when there is only a note.
        p50: Median.
        p99: 99th percentile; with fewer than 100 samples close to the largest.
        note: Why there are no figures.
    """

    measure: str
    contender: str
    unit: str
    n: int = 0
    p50: float | None = None
    p99: float | None = None
    note: str = ""


class Record:
    """Samples by measure and contender, in the order of their first appearance."""

    def __init__(self) -> None:
        self._samples: defaultdict[tuple[Measure, str], list[float]] = defaultdict(list)
        self._notes: dict[tuple[Measure, str], str] = {}

    def add(self, measure: Measure, contender: str, sample: float) -> None:
        """Add a sample, not scaled yet."""
        self._samples[measure, contender].append(sample)

    def note(self, measure: Measure, contender: str, text: str) -> None:
        """Say why a contender has no samples of a measure."""
        self._samples[measure, contender].clear()
        self._notes[measure, contender] = text

    def samples(self, measure: Measure, contender: str) -> list[float]:
        """The samples in order, not scaled."""
        return list(self._samples.get((measure, contender), []))

    def median(self, measure: Measure, contender: str) -> float | None:
        """The median in the measure's unit; None without samples."""
        return self.row(measure, contender).p50

    def ratio(self, measure: Measure, ours: str, peer: str) -> Ratio | None:
        """Ours over a peer's, round by round; None without samples of both."""
        pair = self.samples(measure, ours), self.samples(measure, peer)
        return ratio(*pair) if all(pair) else None

    def row(self, measure: Measure, contender: str) -> Row:
        """The figures of one contender."""
        samples = self._samples.get((measure, contender), [])
        if not samples:
            note = self._notes.get((measure, contender), "not measured")
            return Row(measure.name, contender, measure.unit, note=note)
        p50, p99 = np.percentile(np.asarray(samples) * measure.scale, (50, 99))
        return Row(measure.name, contender, measure.unit, len(samples), float(p50), float(p99))

    def rows(self) -> list[Row]:
        """All figures, by measure."""
        measures = dict.fromkeys(measure for measure, _ in self._samples)
        pairs = [pair for measure in measures for pair in self._samples if pair[0] == measure]
        return [self.row(measure, contender) for measure, contender in pairs]


def interleave(rounds: int, work: Mapping[str, Callable[[], Iterable[Sample]]], record: Record) -> None:
    """Let the contenders take turns, so that noise of the machine hits all alike.

    Args:
        rounds: How often each has its turn.
        work: By contender: takes some samples. Who begins changes from round to round.
        record: Takes the samples.
    """
    names = list(work)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            for measure, sample in work[name]():
                record.add(measure, name, sample)
