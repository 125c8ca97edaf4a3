"""Chunks give the numbers of whole logits, in a fraction of their memory, through any wrapper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import tiny
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import ProfilerActivity, profile

from agents.chunked_logprobs import CHUNK_ENTRIES, Wanted, scoring, unpack
from agents.sampling import policy_logprobs
from agents.tiny import TinyShape, build_tiny

VOCABULARY = 576


def wanted(ids: torch.Tensor, share: float, seed: int, entropy: bool = True) -> Wanted:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(ids.shape, generator=generator) < share
    banned = torch.zeros(VOCABULARY, dtype=torch.bool)
    banned[:14] = True
    targets = torch.randint(14, VOCABULARY, (int(positions.sum()),), generator=generator)
    return Wanted(positions, targets, banned, entropy)


def random_ids(rows: int, length: int, seed: int) -> torch.Tensor:
    return torch.randint(14, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


def whole(model: nn.Module, ids: torch.Tensor, tokens: Wanted) -> tuple[torch.Tensor, torch.Tensor]:
    """From the logits of the whole batch."""
    logprobs = policy_logprobs(model(input_ids=ids, use_cache=False).logits, tokens.banned)[tokens.positions]
    own = logprobs.detach()[:, ~tokens.banned]
    entropy = torch.distributions.Categorical(logits=own, validate_args=False).entropy()
    return logprobs.gather(1, tokens.targets[:, None]).squeeze(1), entropy


def chunked(
    model: nn.Module, ids: torch.Tensor, tokens: Wanted, chunk_entries: int = CHUNK_ENTRIES
) -> tuple[torch.Tensor, torch.Tensor]:
    with scoring(model, tokens, chunk_entries):
        return unpack(model(input_ids=ids, use_cache=False).logits)


def gradient(model: nn.Module, logprobs: torch.Tensor) -> torch.Tensor:
    """All parameters' gradients of some function of the log-probabilities, as one vector."""
    model.zero_grad()
    (logprobs * torch.linspace(-1, 1, logprobs.numel())).sum().backward()
    grads = (p.grad for p in model.parameters() if p.grad is not None)
    return torch.cat([(g.full_tensor() if hasattr(g, "full_tensor") else g).flatten() for g in grads])


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 3),
    length=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    tokens_a_chunk=st.integers(0, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_chunk_gives_the_numbers_of_whole_logits(
    rows: int, length: int, share: float, tokens_a_chunk: int, seed: int
) -> None:
    model, ids = tiny().model, random_ids(rows, length, seed)
    tokens = wanted(ids, share, seed)
    expected, entropy = whole(model, ids, tokens)
    logprobs, own_entropy = chunked(model, ids, tokens, tokens_a_chunk * VOCABULARY)
    torch.testing.assert_close(logprobs, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(own_entropy, entropy, rtol=1e-5, atol=1e-5)
    assert not own_entropy.requires_grad
    assert logprobs.requires_grad, "without a token too: the other processes wait for a backward pass"
    own_gradient, theirs = gradient(model, logprobs), gradient(model, expected)
    assert (own_gradient - theirs).norm() <= 1e-5 * theirs.norm() + 1e-6


def test_the_output_layer_answers_with_logits_afterwards_even_after_an_error() -> None:
    model, ids = tiny().model, random_ids(1, 4, 0)
    with pytest.raises(KeyError), scoring(model, wanted(ids, 1.0, 0)):
        raise KeyError
    assert "forward" not in vars(model.lm_head)
    assert model(input_ids=ids).logits.shape == (1, 4, VOCABULARY)


def peak_bytes(model: nn.Module, ids: torch.Tensor, tokens: Wanted, chunk_entries: int | None) -> int:
    """The most memory that a forward and a backward pass add at any moment, as torch's allocator tells."""
    model.zero_grad(set_to_none=False)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        if chunk_entries is None:
            logprobs, _ = whole(model, ids, tokens)
        else:
            logprobs, _ = chunked(model, ids, tokens, chunk_entries)
        logprobs.sum().backward()
    assert watched.profiler is not None
    events = [e for e in watched.profiler.kineto_results.events() if e.name() == "[memory]"]
    used = torch.tensor([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]).cumsum(0)
    return int(used.max())


def test_memory_does_not_grow_with_tokens_times_vocabulary() -> None:
    """A long sequence over a wide vocabulary: the whole takes its logits several times, chunks take a few."""
    length, width = 1024, VOCABULARY
    model = build_tiny(seed=0, shape=TinyShape(hidden=32, layers=1, vision_layers=1)).model
    ids = random_ids(1, length, 0)
    tokens = wanted(ids, 1.0, 0)
    logits = 4 * length * width
    unchunked = peak_bytes(model, ids, tokens, None)
    in_chunks = peak_bytes(model, ids, tokens, width * length // 32)
    assert unchunked > 3 * logits
    # Both hold the same hidden states; 32 chunks leave less than half of one tensor of logits on top.
    assert unchunked - in_chunks > 2.5 * logits
    assert peak_bytes(model, ids, tokens, width * length // 4) - in_chunks > 0.3 * logits


@pytest.fixture
def one_process() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def fresh() -> nn.Module:
    return build_tiny(seed=0, shape=TinyShape(hidden=32, layers=1, vision_layers=1)).model


@pytest.mark.usefixtures("one_process")
def test_ddp_synchronises_the_gradients_of_scores() -> None:
    ids = random_ids(2, 12, 1)
    tokens = wanted(ids, 0.5, 1)
    plain, wrapped = fresh(), DistributedDataParallel(fresh(), find_unused_parameters=True)
    synchronised: list[int] = []

    def count(state, bucket):  # type: ignore[no-untyped-def]  # DDP compares annotations, and ours are strings
        synchronised.append(bucket.buffer().numel())
        done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        done.set_result(bucket.buffer())
        return done

    wrapped.register_comm_hook(None, count)
    small = 3 * VOCABULARY
    expected = gradient(plain, chunked(plain, ids, tokens, small)[0])
    own = gradient(wrapped, chunked(wrapped, ids, tokens, small)[0])
    assert sum(synchronised) == sum(p.numel() for p in plain.parameters())
    torch.testing.assert_close(own[own != 0], expected[expected != 0])


@pytest.mark.usefixtures("one_process")
def test_fsdp2_gathers_weights_and_does_not_round_scores_to_bfloat16() -> None:
    """As accelerate sets it: whatever floats a model gives are cast to bfloat16."""
    ids = random_ids(2, 12, 1)
    tokens = wanted(ids, 0.5, 1)
    plain, sharded = fresh(), fresh()
    fully_shard(
        sharded,
        mesh=dist.device_mesh.init_device_mesh("cpu", (1,)),
        mp_policy=MixedPrecisionPolicy(output_dtype=torch.bfloat16),
    )
    assert sharded(input_ids=ids).logits.dtype == torch.bfloat16
    expected, _ = chunked(plain, ids, tokens, 3 * VOCABULARY)
    logprobs, _ = chunked(sharded, ids, tokens, 3 * VOCABULARY)
    torch.testing.assert_close(logprobs, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient(sharded, logprobs), gradient(plain, expected))
