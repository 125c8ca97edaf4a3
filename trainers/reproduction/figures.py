"""Numbers from records: shares with Wilson intervals over tasks, means with t intervals over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import t

from trainers.mcnemar import mcnemar
from trainers.proportion import CONFIDENCE, Proportion, proportion
from trainers.reproduction.record import Answered, Record, Way, in_families
from trainers.reproduction.tasks import FAMILIES

Results = Mapping[str, Mapping[int, Record]]
"""Records by arm and seed; an arm or seed that was not run is missing."""

ALL = tuple(family for families in FAMILIES.values() for family in families)
"""All families."""

LAST = 5
"""Training steps whose mean stands for the end of a training."""

Hit = Callable[[Answered], bool]


def right(one: Answered) -> bool:
    """Whether the answer was right."""
    return one.right


def called(one: Answered) -> bool:
    """Whether a tool was called."""
    return one.calls > 0


@dataclass(frozen=True, slots=True)
class OverSeeds:
    """A figure of every seed.

    Attributes:
        values: By seed.
        mean: Their mean.
        margin: Half the width of the t interval; None for a single seed, which has none.
    """

    values: tuple[float, ...]
    mean: float
    margin: float | None

    def __str__(self) -> str:
        return f"{self.mean:.3g}" if self.margin is None else f"{self.mean:.3g} ± {self.margin:.2g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms on the same tasks.

    Attributes:
        differences: Accuracy of the first less that of the second, by seed.
        gained: Tasks of all seeds that only the first arm solved.
        lost: Tasks that only the second solved.
        p_value: Exact McNemar test over them.
    """

    differences: tuple[float, ...]
    gained: int
    lost: int
    p_value: float

    def __str__(self) -> str:
        seeds = ", ".join(f"{100 * each:+.1f}" for each in self.differences)
        return f"{seeds} points by seed; {self.gained} tasks gained, {self.lost} lost, p = {self.p_value:.2g}"


def over_seeds(values: Iterable[float]) -> OverSeeds:
    """Mean and t interval."""
    found = tuple(values)
    if len(found) < 2:
        return OverSeeds(found, fmean(found), None)
    margin = float(t.ppf((1 + CONFIDENCE) / 2, len(found) - 1)) * stdev(found) / len(found) ** 0.5
    return OverSeeds(found, fmean(found), margin)


def share(
    records: Iterable[Record], families: Sequence[str] = ALL, hit: Hit = right, way: Way = "sampled"
) -> Proportion:
    """The share of hits in the exams of some records together."""
    return proportion(hit(one) for record in records for one in in_families(record.exam[way], families))


def by_seed(
    results: Results, arm: str, families: Sequence[str] = ALL, hit: Hit = right, way: Way = "sampled"
) -> dict[int, float]:
    """The share of hits of every seed of an arm."""
    return {seed: share([record], families, hit, way).value for seed, record in sorted(results[arm].items())}


def at_end(record: Record, name: str) -> float:
    """A metric's mean over the last steps of a training, 0 where no step has it."""
    values = [step[name] for step in record.curve[-LAST:] if name in step]
    return fmean(values) if values else 0.0


def compare(
    results: Results, first: str, second: str, families: Sequence[str] = ALL, way: Way = "sampled"
) -> Comparison:
    """Compare two arms in the seeds that both have."""
    seeds = sorted(results[first].keys() & results[second].keys())
    pairs = [
        list(_pairs(results[first][seed].exam[way], results[second][seed].exam[way], families))
        for seed in seeds
    ]
    differences = tuple(fmean(a - b for a, b in each) for each in pairs)
    everything = [pair for each in pairs for pair in each]
    gained, lost = sum(a > b for a, b in everything), sum(a < b for a, b in everything)
    return Comparison(differences, gained, lost, mcnemar(gained, lost).p_value)


def gain_and_harm(record: Record, families: Sequence[str] = ALL) -> tuple[float, float]:
    """Shares of tasks solved only with tools, and only without (greedy answers)."""
    pairs = list(_pairs(record.exam["greedy"], record.exam["toolless"], families))
    return (
        sum(a > b for a, b in pairs) / max(len(pairs), 1),
        sum(a < b for a, b in pairs) / max(len(pairs), 1),
    )


def _pairs(
    first: Sequence[Answered], second: Sequence[Answered], families: Sequence[str]
) -> Iterable[tuple[int, int]]:
    """Whether each solved a task, for tasks that both could try."""
    for a, b in zip(first, second, strict=True):
        if a.task != b.task:
            raise ValueError(f"{a.task} is compared with {b.task}: not the same exam")
        if a.scored and b.scored and a.family in families:
            yield int(a.right), int(b.right)
