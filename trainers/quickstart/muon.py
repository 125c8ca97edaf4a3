"""Muon in float32: an optimiser for weight matrices that makes every update orthogonal.

`torch.optim.Muon` multiplies in bfloat16, which processors without AVX-512 do slowly: there it took three
quarters of the visual pre-training. In float32 it is the same update, more exactly (`test_muon.py` compares).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration (Keller Jordan, "Muon", 2024; the defaults of `torch.optim.Muon`)."""

ITERATIONS = 5
"""Steps of it (same source)."""

MOMENTUM = 0.95
"""Of the gradient's running mean, looked ahead as Nesterov does (same source)."""

EPSILON = 1e-7
"""Least norm that a gradient is divided by (same source)."""


class Muon(Optimizer):
    """Momentum, orthogonalised.

    Args:
        parameters: Matrices.
        lr: Learning rate; a matrix with more rows than columns gets `sqrt(rows / columns)` times as much.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"])

    def _update(self, parameter: torch.Tensor, grad: torch.Tensor, rate: float) -> None:
        state = self.state[parameter]
        mean = state.setdefault("mean", torch.zeros_like(grad)).lerp_(grad, 1 - MOMENTUM)
        rows, columns = parameter.shape
        scale = math.sqrt(max(1.0, rows / columns))
        parameter.add_(orthogonalised(grad.lerp(mean, MOMENTUM)), alpha=-rate * scale)


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Bring all singular values near 1 (0.7 to 1.2) and leave the singular vectors.

    Args:
        matrix: `[rows, columns]`.

    Returns:
        The same shape.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
