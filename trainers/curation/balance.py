"""A set with the wanted mixture of skills: the same one whatever the order in which its items come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from trainers.curation.keys import rank
from trainers.curation.recipe import Quota


def surplus(items: Mapping[str, str], quota: Quota, seed: int) -> dict[str, str]:
    """Which items are too many.

    Args:
        items: Name -> combination of skills (`recipe.combination`).
        quota: How many of each there may be.
        seed: Draws who stays.

    Returns:
        Name of each item that is to go -> the limit that is full.
    """
    limits = dict(quota.caps) | _sizes(items, quota)
    taken: Counter[str] = Counter()
    gone = {}
    for name in sorted(items, key=lambda name: rank(seed, name)):
        counted = [limit for limit in limits if _counts(limit, items[name])]
        full = next((limit for limit in counted if taken[limit] >= limits[limit]), None)
        if full is not None:
            gone[name] = full
        elif quota.shares and items[name] not in quota.shares:
            gone[name] = "no share"
        else:
            taken.update(counted)
    return gone


def _sizes(items: Mapping[str, str], quota: Quota) -> dict[str, int]:
    """The size of each combination that has a share: all together as large as the scarcest allows."""
    if not quota.shares:
        return {}
    there = Counter(items.values())
    most = {name: min(there[name], quota.caps.get(name, there[name])) for name in quota.shares}
    whole = min(most[name] / share for name, share in quota.shares.items())
    return {name: round(share * whole) for name, share in quota.shares.items()}


def _counts(limit: str, combination: str) -> bool:
    """Whether a limit is about a combination; `search*` is about all that hold search."""
    if not limit.endswith("*"):
        return limit == combination
    return set(limit.removesuffix("*").split("+")) <= set(combination.split("+"))
