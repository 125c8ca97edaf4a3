"""Gradients are sent in buckets; that their sums are right is seen in `test_processes.py`."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.distributed.layouts import replicated

MIB = 2**20


@given(
    st.lists(
        st.tuples(st.integers(0, 40 * MIB), st.sampled_from([torch.float32, torch.bfloat16])), max_size=12
    )
)
def test_every_gradient_is_in_one_bucket_in_order(drawn: list[tuple[int, torch.dtype]]) -> None:
    gradients = [torch.empty(size // 4, dtype=kind, device="meta") for size, kind in drawn]
    buckets = list(replicated._buckets(gradients))
    assert [id(one) for bucket in buckets for one in bucket] == [id(one) for one in gradients]
    for bucket in buckets:
        assert len({one.dtype for one in bucket}) == 1
        assert len(bucket) == 1 or sum(one.nbytes for one in bucket) <= replicated.BUCKET_BYTES
    for one, following in pairwise(buckets):
        joined = sum(gradient.nbytes for gradient in [*one, following[0]])
        assert joined > replicated.BUCKET_BYTES or one[0].dtype != following[0].dtype
