"""What a curation did, in figures: the funnel, the histograms, the mixture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainers.curation.attempts import Tally
from trainers.curation.benchmarks import find_copy
from trainers.curation.cards import Card
from trainers.curation.placement import Place, only
from trainers.curation.plan import Curated, Plan

PAPER = {"long chains of thought": 0.816, "reasoning": 0.096, "perception": 0.081, "search": 0.007}
"""The mixture of the paper's SFT data (reference 4.1, Fig. 9)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A filter's result.

    Attributes:
        name: What is left.
        count: How many.
        share: Of all tasks.
        note: What decided.
        split: Whether it is one of two ways from the step before.
    """

    name: str
    count: int
    share: float
    note: str
    split: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many tasks had how many right answers.

    Attributes:
        title: Of what.
        bars: Right answers, tasks, height in percent of the highest bar, and whether they are kept.
        note: What the colours say.
    """

    title: str
    bars: Sequence[tuple[int, int, float, bool]]
    note: str


def funnel(plan: Plan, done: Curated) -> list[Step]:
    """What each filter left."""
    difficulty, benefit, synthesis = plan.recipe.difficulty, plan.recipe.benefit, plan.recipe.synthesis
    counts = Counter(one.place for one in done.places)
    unique = len(done.places) - counts[Place.DUPLICATE]
    helped = done.found.benefit.values()
    unsolved = sum(one.at_least(benefit.least_right) is False for one in helped)
    named = ", ".join(find_copy(given).name for given in plan.recipe.decontaminate.against)

    def step(name: str, count: int, note: str, *, split: bool = False) -> Step:
        return Step(name, count, count / max(len(done.places), 1), note, split)

    return [
        step("in the source", len(done.places), f"{len(done.unusable)} more could not be used"),
        step("unique", unique, "another question or other pictures"),
        step("in no benchmark", unique - counts[Place.BENCHMARK], named or "none was named"),
        step(
            "hard",
            len(helped),
            f"at most {difficulty.most_right} of {difficulty.samples} right without tools",
        ),
        step(
            "solved with tools",
            counts[Place.RL] + counts[Place.RL_SURPLUS],
            f"at least {benefit.least_right} of {benefit.samples} right; {_tool_use(helped)}",
            split=True,
        ),
        step("RL set", counts[Place.RL], "after balancing", split=True),
        step("unsolved with tools", unsolved, "for the cold start", split=True),
        step(
            "demonstrated",
            counts[Place.COLD_START] + counts[Place.COLD_SURPLUS],
            f"right, without a code error, in {synthesis.attempts} attempts",
            split=True,
        ),
        step("cold start", counts[Place.COLD_START], "after balancing", split=True),
        step("unscored", counts[Place.UNSCORED], "the infrastructure failed; tried again at the next start"),
    ]


def by(done: Curated, name: str, group: Callable[[Card], str]) -> dict[str, Any]:
    """Where tasks ended, by a property of theirs."""
    rows: defaultdict[str, Counter[Place]] = defaultdict(Counter)
    for one in done.places:
        rows[group(done.found.cards[one.digest])][one.place] += 1
    places = [place for place in Place if any(counts[place] for counts in rows.values())]
    return {"name": name, "places": places, "rows": sorted(rows.items())}


def histograms(plan: Plan, done: Curated) -> list[Histogram]:
    """Right answers per task, without and with tools."""
    difficulty, benefit = plan.recipe.difficulty, plan.recipe.benefit
    return [
        _histogram(
            "without tools",
            done.found.difficulty,
            difficulty.samples,
            lambda right: right <= difficulty.most_right,
            f"up to {difficulty.most_right} right: hard enough",
        ),
        _histogram(
            "with tools, of the hard ones",
            done.found.benefit,
            benefit.samples,
            lambda right: right >= benefit.least_right,
            f"from {benefit.least_right} right: for RL; the others: for cold start",
        ),
    ]


def flaw_counts(done: Curated) -> list[tuple[str, int]]:
    """What became of the teacher's trajectories."""
    found = [flaw for attempts in done.found.flaws.values() for flaw in attempts.values()]
    return Counter("kept" if flaw is None else str(flaw) for flaw in found).most_common()


def mixture(done: Curated) -> list[tuple[str, int, float, float | None]]:
    """What the cold start's set is made of: name, count, share, the paper's share."""
    counts: Counter[str] = Counter()
    for digest in only(done.places, Place.COLD_START):
        counts[done.found.cards[digest].combination] += len(done.found.chosen(digest))
    thoughts = sum(not one.reason for one in done.thoughts)
    counts |= Counter({"long chains of thought": thoughts}) if thoughts else Counter()
    total = max(sum(counts.values()), 1)
    return [(name, count, count / total, PAPER.get(name)) for name, count in counts.most_common()]


def _histogram(
    title: str, tallies: Mapping[str, Tally], samples: int, kept: Callable[[int], bool], note: str
) -> Histogram:
    counts = Counter(one.right for one in tallies.values())
    highest = max(counts.values(), default=1)
    bars = [(n, counts[n], 100 * counts[n] / highest, kept(n)) for n in range(samples + 1)]
    return Histogram(title, bars, note)


def _tool_use(tallies: Collection[Tally]) -> str:
    called = sum(one.tools for one in tallies) / max(sum(one.scored for one in tallies), 1)
    right = sum(one.right_tools for one in tallies) / max(sum(one.right for one in tallies), 1)
    return f"tools were called in {called:.0%} of the answers and in {right:.0%} of the right ones"
