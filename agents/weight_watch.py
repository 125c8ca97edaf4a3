"""Whether a model's weights have changed, as keys and values kept from older ones would be wrong then.

Operations in place count up a tensor's version, all but the fused optimisers', which count no versions (torch
2.13): steps of the optimisers of the model's weights are counted beside them.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook


class WeightWatch:
    """Compares a model's weights with those at the last look.

    It reads no values, so it is cheap. Writing through `Tensor.data` leaves no trace.

    Args:
        model: The model; its weights count as changed at the first look.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._steps = 0
        self._seen: tuple[Any, ...] = ()
        watch = weakref.ref(self)

        def count(optimizer: Optimizer, *_: Any) -> None:
            if (alive := watch()) is not None:
                alive._count(optimizer)

        # Torch keeps its hooks for ever, so this one must not keep the model.
        weakref.finalize(self, register_optimizer_step_post_hook(count).remove)

    def changed(self) -> bool:
        """Whether the weights have changed since the last call."""
        versions = [(parameter.data_ptr(), parameter._version) for parameter in self._model.parameters()]
        before, self._seen = self._seen, (self._steps, versions)
        return before != self._seen

    def _count(self, optimizer: Optimizer) -> None:
        # Another model's, a copy's above all, change nothing here: what is kept of this one stays good.
        own = {id(parameter) for parameter in self._model.parameters()}
        self._steps += any(id(p) in own for group in optimizer.param_groups for p in group["params"])
