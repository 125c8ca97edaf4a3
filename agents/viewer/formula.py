"""How a total came from its parts: the first known combination of rewards that gives it."""

from __future__ import annotations

import math

from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.combine import (
    ACCURACY_WEIGHT,
    FORMAT_WEIGHT,
    SEARCH_FACTOR,
    deepeyesv2,
    paper,
)

_ACCURACY = f"{ACCURACY_WEIGHT} × accuracy"
_FORMAT = f"{FORMAT_WEIGHT} × format"


def formula(reward: Reward) -> str:
    """Say how `reward.total` was combined.

    Args:
        reward: A scored reward.

    Returns:
        The right-hand side of `total =`; "" where all is 0 or no combination of this project gives the total.
    """
    if reward.accuracy == reward.format == reward.total == 0:
        return ""
    parts = (reward.accuracy, reward.format)
    known = (
        (deepeyesv2(*parts, paid_for_search=False), f"{_ACCURACY} + {_FORMAT}"),
        (deepeyesv2(*parts, paid_for_search=True), f"{_ACCURACY} × {SEARCH_FACTOR} (searched) + {_FORMAT}"),
        (paper(*parts, paid_for_search=False), "accuracy + format"),
    )
    return next((text for total, text in known if math.isclose(total, reward.total, abs_tol=1e-6)), "")
