"""The same question about the same pictures, once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations

from scipy.cluster.hierarchy import DisjointSet

from trainers.curation.cards import Card
from trainers.curation.pictures import all_near
from trainers.curation.words import same_text


def duplicates(cards: Iterable[Card], near_bits: int | None = None) -> dict[str, str]:
    """Which tasks repeat another one.

    Two tasks are the same if they ask the same question, but for case and white space, about the same pixels
    in the same order: whatever their answers say, and of two that contradict each other at most one is right.
    With `near_bits` they also are if question and answer are the same and the pictures look the same, one by
    one; and if a third is the same as both. Of tasks that are the same the first in the source stays.

    Args:
        cards: The tasks, in any order.
        near_bits: See `recipe.Deduplication`.

    Returns:
        Digest of each task that is to go -> digest of the one that stays.
    """
    ordered = sorted(cards, key=lambda card: (card.index, card.digest))
    same = DisjointSet(range(len(ordered)))
    for group in _groups(ordered, _exact):
        for place in group[1:]:
            same.merge(group[0], place)
    if near_bits is not None:
        for group in _groups(ordered, _wording):
            for a, b in combinations(group, 2):
                if all_near(ordered[a].looks, ordered[b].looks, near_bits):
                    same.merge(a, b)
    return {
        ordered[place].digest: ordered[min(members)].digest
        for members in same.subsets()
        for place in sorted(members)
        if place != min(members)
    }


def _exact(card: Card) -> Hashable:
    return same_text(card.question), tuple(one.pixels for one in card.looks)


def _wording(card: Card) -> Hashable:
    return same_text(card.question), same_text(card.answer)


def _groups(cards: Sequence[Card], key: Callable[[Card], Hashable]) -> list[list[int]]:
    """Places of cards with equal keys."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, card in enumerate(cards):
        groups[key(card)].append(place)
    return list(groups.values())
