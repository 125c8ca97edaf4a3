"""How many answers are right: by our verdict and by the suite's own metric, by skill and by category."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.report.draws import by_draw
from benchmarks.result import Result
from benchmarks.statistics.estimate import Estimate, estimate
from benchmarks.statistics.repeated import Repeats, repeats
from deepeyes_env.task import Skill

INTEGRATION = "integration"
"""Items that need all three skills (RealX-Bench; paper section 4)."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracy of one suite in one mode.

    Attributes:
        ours: Mean of our verdicts over all scored draws; over seeds and samples this is pass@1.
        official: Mean of the suite's own metric.
        by_skill: Skill -> ours, of the items that need it among others; `integration` needs all three.
        by_category: The release's category -> ours.
        repeats: Where items were drawn several times, else None.
    """

    ours: Estimate
    official: Estimate
    by_skill: dict[str, Estimate]
    by_category: dict[str, Estimate]
    repeats: Repeats | None


def accuracy(results: Sequence[Result]) -> Accuracy:
    """The accuracy of draws of one suite in one mode."""
    return Accuracy(
        ours(results),
        estimate_of(by_draw((one, one.official) for one in results)),
        {skill: ours(some) for skill, some in by_skill(results).items()},
        {category: ours(some) for category, some in by_category(results).items()},
        repeated(results),
    )


def ours(results: Iterable[Result]) -> Estimate:
    """Share of right ones among the draws that have a verdict."""
    return estimate_of(by_draw((one, one.correct) for one in results))


def estimate_of(scored: Sequence[tuple[float | None, str]]) -> Estimate:
    """The mean of the scores that are there, by cluster."""
    there = [(float(score), cluster) for score, cluster in scored if score is not None]
    return estimate([score for score, _ in there], [cluster for _, cluster in there])


def by_skill(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Draws by each skill that their item needs, alphabetically, and last those that need all three."""
    groups: defaultdict[str, list[Result]] = defaultdict(list)
    for one in results:
        names = [*one.skills, INTEGRATION] if len(one.skills) == len(Skill) else one.skills
        for name in names:
            groups[name].append(one)
    return {name: groups[name] for name in sorted(groups, key=lambda name: (name == INTEGRATION, name))}


def by_category(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Draws by the release's category, alphabetically; those without one are left out."""
    groups: defaultdict[str, list[Result]] = defaultdict(list)
    for one in results:
        if one.category:
            groups[one.category].append(one)
    return dict(sorted(groups.items()))


def repeated(results: Sequence[Result]) -> Repeats | None:
    """Figures of items drawn several times; k is the commonest number of draws.

    None where an item was asked in several orders of its options: they are one draw, and no repetition.
    """
    if _in_several_orders(results):
        return None
    drawn = Counter(one.item for one in results)
    if not drawn or (k := Counter(drawn.values()).most_common(1)[0][0]) < 2:
        return None
    verdicts: defaultdict[str, list[bool]] = defaultdict(list)
    seeds: defaultdict[int, list[Result]] = defaultdict(list)
    clusters = {one.item: one.cluster for one in results}
    for one in results:
        if one.correct is not None:
            verdicts[one.item].append(one.correct)
            seeds[one.seed].append(one)
    by_seed = {str(seed): ours(some) for seed, some in sorted(seeds.items())}
    return repeats([(clusters[item], some) for item, some in verdicts.items()], k, by_seed)


def _in_several_orders(results: Iterable[Result]) -> bool:
    """Whether one seed asked an item in more than one order of its options."""
    orders: defaultdict[tuple[str, int], set[tuple[tuple[str, str], ...]]] = defaultdict(set)
    for one in results:
        orders[one.item, one.seed].add(tuple(sorted(one.option_order.items())))
    return any(len(some) > 1 for some in orders.values())
