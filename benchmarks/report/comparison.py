"""Two evaluations compared, as data: what `compare.json` holds and the page is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report.document import Mean
from benchmarks.report.draws import by_draw, compare_draws
from benchmarks.report.pairing import SCORES, Metric, Pair, pair
from benchmarks.run_folder import Run
from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.statistics.clusters import Clusters, by_cluster
from benchmarks.statistics.holm import holm
from benchmarks.statistics.paired import Comparison


@dataclass(frozen=True, slots=True)
class Flip:
    """A draw whose score changed.

    Attributes:
        item: Id of the item.
        seed: Of the draw.
        sample: Of the draw.
        change: Score of the second run less that of the first.
        first_answer: Answer in the first run.
        second_answer: Answer in the second.
        first_trajectory: Number of its trajectory in the first run's store, or None.
        second_trajectory: In the second run's.
    """

    item: str
    seed: int
    sample: int
    change: float
    first_answer: str | None
    second_answer: str | None
    first_trajectory: int | None
    second_trajectory: int | None


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """One suite in one mode.

    Attributes:
        suite: Name of the suite.
        title: In reports.
        mode: Which tools answered.
        result: Difference, interval, test, detectable difference.
        p_holm: p-value after Holm's correction over all suites and modes of all runs compared at once.
        flips: All draws whose score changed, gains first.
    """

    suite: str
    title: str
    mode: str
    result: Comparison
    p_holm: float
    flips: tuple[Flip, ...]


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The second run less the first.

    Attributes:
        first: Policy and folder of the first run.
        second: Of the second.
        metric: What was compared.
        warnings: Where their protocols differ, and what is left out.
        suites: Suite by suite, mode by mode.
        means: Mode -> mean difference over the suites, where there are several.
    """

    first: str
    second: str
    metric: Metric
    warnings: tuple[str, ...]
    suites: tuple[SuiteComparison, ...]
    means: Mapping[str, Mean]


def compare_runs(first: Run, others: Sequence[Run], metric: Metric) -> tuple[RunComparison, ...]:
    """Compare runs with the first, each on the draws that both have scored.

    Raises:
        ConfigError: One has none in common with it.
    """
    common = [pair(first, other, metric) for other in others]
    results = {
        (number, *key): _compared(pairs, metric)
        for number, one in enumerate(common)
        for key, pairs in one.pairs.items()
    }
    # Whoever compares ten runs finds a difference in one of them by chance, as with ten suites.
    corrected = holm({"/".join(map(str, key)): one.p_value for key, one in results.items()})

    def suites(number: int) -> tuple[SuiteComparison, ...]:
        return tuple(
            SuiteComparison(
                suite,
                str(first.card.suites.get(suite, {}).get("title", suite)),
                mode,
                results[number, suite, mode],
                corrected[f"{number}/{suite}/{mode}"],
                _flips(pairs),
            )
            for (suite, mode), pairs in common[number].pairs.items()
        )

    return tuple(
        RunComparison(_name(first), _name(other), metric, one.warnings, suites(number), _means(one.pairs))
        for number, (other, one) in enumerate(zip(others, common, strict=True))
    )


def _compared(pairs: Sequence[Pair], metric: Metric) -> Comparison:
    score = SCORES[metric]
    return compare_draws([(one.first, score(one.first) or 0.0, score(one.second) or 0.0) for one in pairs])


def _flips(pairs: Sequence[Pair]) -> tuple[Flip, ...]:
    flipped = [
        Flip(
            one.first.item,
            one.first.seed,
            one.first.sample,
            one.change,
            one.first.answer,
            one.second.answer,
            one.first.trajectory,
            one.second.trajectory,
        )
        for one in pairs
        if one.change
    ]
    return tuple(sorted(flipped, key=lambda flip: (-flip.change, flip.item, flip.seed, flip.sample)))


def _means(groups: Mapping[tuple[str, str], Sequence[Pair]]) -> dict[str, Mean]:
    found = {}
    for mode in dict.fromkeys(mode for _, mode in groups):
        strata = [_changes(pairs) for (_, other), pairs in groups.items() if other == mode]
        if len(strata) > 1:
            low, high = cluster_bootstrap(strata) or (None, None)
            found[mode] = Mean(len(strata), sum(one.mean for one in strata) / len(strata), low, high)
    return found


def _changes(pairs: Sequence[Pair]) -> Clusters:
    changes = by_draw((one.first, one.change) for one in pairs)
    return by_cluster([change or 0.0 for change, _ in changes], [cluster for _, cluster in changes])


def _name(run: Run) -> str:
    return f"{run.card.policy} ({run.path.name})"
