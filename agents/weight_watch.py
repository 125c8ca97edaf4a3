"""Whether a model's weights have changed, as keys and values kept from older ones would be wrong then.

Operations in place count up a tensor's version, all but the fused optimisers', which count no versions (torch
2.13): steps of any optimiser in the process are counted beside them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook


class WeightWatch:
    """Compares a model's weights with those at the last look.

    It reads no values, so it is cheap, and it may say that weights changed which did not: when an optimiser
    of another model made a step. Writing through `Tensor.data` leaves no trace.

    Args:
        model: The model; its weights count as changed at the first look.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._steps = _optimizer_steps()
        self._seen: tuple[Any, ...] = ()

    def changed(self) -> bool:
        """Whether the weights have changed since the last call."""
        versions = [(parameter.data_ptr(), parameter._version) for parameter in self._model.parameters()]
        before, self._seen = self._seen, (self._steps[0], versions)
        return before != self._seen


@cache
def _optimizer_steps() -> list[int]:
    """One number that goes up with every step of any optimiser from here on."""
    steps = [0]

    def count(*_: Any) -> None:
        steps[0] += 1

    register_optimizer_step_post_hook(count)
    return steps
