from __future__ import annotations

import pytest
import torch

from trainers.quickstart.muon import Muon, orthogonalised

SHAPES = [(8, 24), (24, 8), (16, 16)]


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ orthogonalised(matrix) @ right.T
    values = inner.diagonal()
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(inner, torch.diag(values), atol=1e-4, rtol=0)


def test_it_updates_as_torchs_own_does() -> None:
    generator = torch.Generator().manual_seed(0)
    mine = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    theirs = [torch.nn.Parameter(one.detach().clone()) for one in mine]
    start = [one.detach().clone() for one in mine]
    ours, reference = Muon(mine, lr=0.02), torch.optim.Muon(theirs, lr=0.02, weight_decay=0.0)
    for _ in range(5):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        ours.step()
        reference.step()
    for one, other, before in zip(mine, theirs, start, strict=True):
        # As far as bfloat16 goes: about three digits of every update.
        error = (one - other).norm() / (other - before).norm()
        assert error < 0.02


def test_a_matrix_without_a_gradient_stays() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    Muon([parameter], lr=0.1).step()
    assert (parameter == 1).all()
