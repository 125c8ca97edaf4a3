"""Log-probabilities straight from the last hidden states, a chunk of tokens after the other.

The logits of a sequence never exist at once: 24,576 tokens over Qwen2.5's vocabulary of 152,064 would be 15
GB in float32, and backward needs them several times over. A chunk's logits are dropped after its forward pass
and computed again in its backward pass.

A trainer holds the model as accelerate wrapped it, and only a call of the wrapper gathers sharded weights,
casts and synchronises gradients. So nothing is called behind its back: the whole model runs, and meanwhile
its output layer answers with log-probabilities instead of logits. Whatever the output layer is (sharded,
quantised, with an adapter), its own forward computes every chunk. Liger's fused kernels would need a GPU, and
neither give an entropy nor leave out banned tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from agents.sampling import policy_logprobs

CHUNK_ENTRIES = 2**27
"""Largest number of entries of a chunk's logits: 512 MiB in float32, of which backward holds about four. Over
Qwen2.5's vocabulary these are 882 tokens, enough to keep a GPU's matrix units busy: the gradient of the
output layer is added up once a chunk."""

Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Which tokens are to be scored.

    Attributes:
        positions: bool `[B, C]` over the columns that the output layer sees; `N` of them True.
        targets: int64 `[N]`, the token that was drawn at each.
        banned: bool `[V]`, the ids that are never sampled.
        entropy: Whether the entropy is wanted too.
    """

    positions: torch.Tensor
    targets: torch.Tensor
    banned: torch.Tensor
    entropy: bool


@contextmanager
def scoring(model: Any, wanted: Wanted, chunk_entries: int = CHUNK_ENTRIES) -> Iterator[None]:
    """Within the block a call of `model` gives scores in the place of logits; see `unpack`.

    Not for two threads at once on one model.

    Args:
        model: The model, or what accelerate wrapped around it.
        wanted: The tokens.
        chunk_entries: Largest number of entries of a chunk's logits; one token's are computed in any case.
    """
    head = _output_layer(model)
    forward: Forward = head.forward
    own = vars(head).get("forward")
    head.forward = lambda hidden: _scores(forward, hidden[wanted.positions], wanted, chunk_entries)
    try:
        yield
    finally:
        del head.forward
        if own is not None:
            head.forward = own


def unpack(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities, with gradient, and entropies in nats, without; float32 `[N]` each.

    Args:
        scores: complex64 `[N]`, what the model gave within `scoring`.
    """
    return scores.real, scores.imag.detach()


def _output_layer(model: Any) -> torch.nn.Module:
    inner = next(module for module in model.modules() if isinstance(module, PreTrainedModel))
    head: torch.nn.Module = inner.get_output_embeddings()
    return head


def _scores(forward: Forward, hidden: torch.Tensor, wanted: Wanted, chunk_entries: int) -> torch.Tensor:
    banned = wanted.banned.to(hidden.device)
    size = max(1, chunk_entries // banned.numel())
    parts = list(zip(hidden.split(size), wanted.targets.split(size), strict=True))
    if len(parts) == 1:  # What a chunk may hold can as well be kept until backward.
        return _score(forward, *parts[0], banned, wanted.entropy)
    return torch.cat(
        [checkpoint(_score, forward, *part, banned, wanted.entropy, use_reentrant=False) for part in parts]
    )


def _score(
    forward: Forward, hidden: torch.Tensor, targets: torch.Tensor, banned: torch.Tensor, entropy: bool
) -> torch.Tensor:
    """Scores of one chunk, complex64 `[n]`: log-probability and entropy as a pair of float32.

    Complex, because wrappers round what is real: accelerate's FSDP2 casts a model's float outputs to
    bfloat16, which leaves a log-probability two or three digits.
    """
    logprobs = policy_logprobs(forward(hidden), banned)
    chosen = logprobs.gather(1, targets[:, None]).squeeze(1)
    # Last, because recomputation ends with what backward needs.
    return torch.complex(chosen, _entropy(logprobs, banned) if entropy else torch.zeros_like(chosen))


@torch.no_grad()
def _entropy(logprobs: torch.Tensor, banned: torch.Tensor) -> torch.Tensor:
    terms = logprobs.exp().mul_(logprobs.masked_fill(banned, 0.0))
    return -terms.sum(dim=-1)
