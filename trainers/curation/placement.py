"""Where every task ends: each in exactly one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trainers.curation.attempts import Tally
from trainers.curation.cards import Card
from trainers.curation.decontaminate import Contamination
from trainers.curation.demonstrations import Flaw
from trainers.curation.recipe import Recipe


class Place(StrEnum):
    """Where a task may end, in the order of the filters."""

    DUPLICATE = "duplicate"
    BENCHMARK = "in a benchmark"
    EASY = "too easy"
    RL = "RL set"
    RL_SURPLUS = "too many for the RL set"
    COLD_START = "cold start"
    COLD_SURPLUS = "too many for the cold start"
    UNDEMONSTRATED = "not demonstrated"
    UNSCORED = "infrastructure failed"


@dataclass(frozen=True, slots=True)
class Placement:
    """A task's end.

    Attributes:
        digest: The task.
        place: Where.
        detail: Why, in words.
    """

    digest: str
    place: Place
    detail: str = ""


@dataclass(slots=True)
class Findings:
    """What the stages have found, by the tasks' digests; filled as they go.

    Attributes:
        cards: All tasks.
        duplicates: Task -> the one that it repeats.
        contaminations: Task -> what it has in common with a benchmark.
        difficulty: Task -> its attempts without tools.
        benefit: Task -> its attempts with tools.
        flaws: Task -> attempt of the teacher -> why it is left out; None if it is kept.
        rl_surplus: Task -> the limit that is full.
        cold_surplus: (task, attempt of the teacher) -> the limit that is full.
    """

    cards: Mapping[str, Card]
    duplicates: Mapping[str, str] = field(default_factory=dict)
    contaminations: Mapping[str, Contamination] = field(default_factory=dict)
    difficulty: Mapping[str, Tally] = field(default_factory=dict)
    benefit: Mapping[str, Tally] = field(default_factory=dict)
    flaws: Mapping[str, Mapping[int, Flaw | None]] = field(default_factory=dict)
    rl_surplus: Mapping[str, str] = field(default_factory=dict)
    cold_surplus: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def demonstrations(self, digest: str) -> list[int]:
        """The teacher's attempts at a task that are kept, before balancing."""
        return [number for number, flaw in self.flaws.get(digest, {}).items() if flaw is None]

    def chosen(self, digest: str) -> list[int]:
        """The teacher's attempts at a task that are in the cold start's set."""
        return [one for one in self.demonstrations(digest) if (digest, one) not in self.cold_surplus]


def place(digest: str, found: Findings, recipe: Recipe) -> Placement:
    """Where a task ends.

    Args:
        digest: The task.
        found: What all stages have found.
        recipe: The thresholds.
    """
    if digest in found.duplicates:
        return Placement(digest, Place.DUPLICATE, f"of {found.cards[found.duplicates[digest]].id}")
    if (taken := found.contaminations.get(digest)) is not None:
        return Placement(
            digest, Place.BENCHMARK, f"{taken.rule}: {taken.benchmark}, {taken.place}: {taken.detail}"
        )
    alone = found.difficulty[digest]
    hard = alone.at_most(recipe.difficulty.most_right)
    if hard is None:
        return Placement(digest, Place.UNSCORED, f"without tools: {_spoiled(alone)}")
    if not hard:
        return Placement(digest, Place.EASY, f"{_right(alone)} without tools")
    helped = found.benefit[digest]
    solvable = helped.at_least(recipe.benefit.least_right)
    if solvable is None:
        return Placement(digest, Place.UNSCORED, f"with tools: {_spoiled(helped)}")
    told = f"{_right(alone)} without tools, {_right(helped)} with"
    if solvable:
        full = found.rl_surplus.get(digest)
        return (
            Placement(digest, Place.RL_SURPLUS, f"{told}; limit: {full}")
            if full
            else Placement(digest, Place.RL, told)
        )
    return _cold(digest, found, recipe, told)


def placements(found: Findings, recipe: Recipe) -> list[Placement]:
    """Where all tasks end, in the order of the source."""
    ordered = sorted(found.cards.values(), key=lambda card: card.index)
    return [place(card.digest, found, recipe) for card in ordered]


def only(places: Iterable[Placement], wanted: Place) -> list[str]:
    """The tasks in one place, in order."""
    return [one.digest for one in places if one.place is wanted]


def _cold(digest: str, found: Findings, recipe: Recipe, told: str) -> Placement:
    tried = found.flaws.get(digest, {})
    if kept := found.chosen(digest):
        return Placement(digest, Place.COLD_START, f"{told}; {len(kept)} of {len(tried)} demonstrations kept")
    if left := found.demonstrations(digest):
        return Placement(digest, Place.COLD_SURPLUS, f"{told}; limit: {found.cold_surplus[digest, left[0]]}")
    if len(tried) < recipe.synthesis.attempts:
        missing = recipe.synthesis.attempts - len(tried)
        return Placement(digest, Place.UNSCORED, f"{missing} of {recipe.synthesis.attempts} demonstrations")
    why = ", ".join(f"{list(tried.values()).count(flaw)} {flaw}" for flaw in Flaw if flaw in tried.values())
    return Placement(digest, Place.UNDEMONSTRATED, f"{told}; {why}")


def _right(tally: Tally) -> str:
    return f"{tally.right} of {tally.scored} right"


def _spoiled(tally: Tally) -> str:
    return f"{tally.missing} of {tally.wanted} answers, {tally.right} of the others right"
