"""How a total came from its parts: the first known combination of rewards that gives it."""

from __future__ import annotations

import math
from dataclasses import replace

from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.combine import (
    ACCURACY_WEIGHT,
    COMBINATIONS,
    EFFICIENCY_WEIGHT,
    FORMAT_WEIGHT,
    SEARCH_FACTOR,
    TOOL_BONUS,
    Earned,
)

_ACCURACY = f"{ACCURACY_WEIGHT} × accuracy"
_FORMAT = f"{FORMAT_WEIGHT} × format"
_PLAIN = f"{_ACCURACY} + {_FORMAT}"
_V1 = f"{_ACCURACY} + {FORMAT_WEIGHT} × (format - 1)"
MOST_CALLS = 9
"""Calls up to which `efficient` is recognised (reference 1.5: 9 turns)."""


def formula(reward: Reward) -> str:
    """Say how `reward.total` was combined.

    Args:
        reward: A scored reward.

    Returns:
        The right-hand side of `total =`; "" where all is 0 or no combination of this project gives the total.
        Where several do, the first of them.
    """
    if reward.accuracy == reward.format == reward.total == 0:
        return ""
    for name, made, text in _WAYS:
        earned = replace(made, accuracy=reward.accuracy, format=reward.format)
        if math.isclose(COMBINATIONS[name](earned), reward.total, abs_tol=1e-6):
            return text
    return ""


_NOTHING = Earned(0.0, 0.0)
_WAYS: tuple[tuple[str, Earned, str], ...] = (
    ("deepeyesv2", _NOTHING, _PLAIN),
    (
        "deepeyesv2",
        replace(_NOTHING, paid_for_search=True),
        f"{_ACCURACY} × {SEARCH_FACTOR} (searched) + {_FORMAT}",
    ),
    ("paper", _NOTHING, "accuracy + format"),
    ("deepeyes_v1", _NOTHING, _V1),
    ("deepeyes_v1", replace(_NOTHING, images=1), f"{_V1} + {TOOL_BONUS} (looked)"),
    ("call_bonus", replace(_NOTHING, calls=1), f"{_PLAIN} + {TOOL_BONUS} (called)"),
    *(
        (
            "efficient",
            replace(_NOTHING, calls=calls),
            f"{_PLAIN} + {EFFICIENCY_WEIGHT} × accuracy / {1 + calls} ({calls} calls)",
        )
        for calls in range(MOST_CALLS + 1)
    ),
)
"""Combination, what was done, and how that is told; the usual ones first."""
