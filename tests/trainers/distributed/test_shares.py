"""Shares of work, and blank pictures: what holds for any number of processes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.batch import token_logprobs
from agents.pixels import PixelCache
from agents.qwen import Qwen
from agents.sampling import banned_mask
from agents.trajectory import check_tokens, check_trajectory
from agents.vocabulary import Vocabulary
from trainers.distributed.blank import with_blank_picture
from trainers.distributed.idle import idle_loss
from trainers.distributed.shares import balanced
from trainers.scoring import Scorer


@given(st.lists(st.integers(1, 30_000), max_size=40), st.integers(1, 9))
def test_shares_are_a_partition_of_nearly_equal_weight(weights: list[int], parts: int) -> None:
    shares = balanced(weights, parts)
    assert len(shares) == parts
    assert sorted(index for share in shares for index in share) == list(range(len(weights)))
    heaviest = max(sum(weights[i] for i in share) for share in shares)
    # Whoever has most had least before the last item came.
    assert heaviest <= sum(weights) / parts + max(weights, default=0)


def test_one_process_has_everything_in_order() -> None:
    assert balanced([3, 1, 2], 1) == [[0, 1, 2]]


def scorer_for(qwen: Qwen, *, always_pictures: bool = False) -> Scorer:
    vocabulary = Vocabulary(qwen.tokenizer)
    banned = banned_mask(vocabulary, qwen.model.config.text_config.vocab_size)
    return Scorer(vocabulary, PixelCache(), banned, torch.device("cpu"), always_pictures)


@pytest.mark.parametrize("tool", [False, True])
def test_a_blank_picture_behind_the_end_changes_nothing(tiny: Qwen, make_trajectory: Any, tool: bool) -> None:
    scorer = scorer_for(tiny)
    one = make_trajectory(3, tool=tool, picture=False)
    longer = with_blank_picture(one, scorer.vocabulary)
    check_trajectory(longer)
    check_tokens(longer, scorer.vocabulary)
    found, expected = (
        token_logprobs(tiny.model, scorer.batch([t]), scorer.banned).sum() for t in (longer, one)
    )
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    tiny.model.zero_grad()
    found.backward()
    seen = [p.grad for p in tiny.model.model.visual.parameters()]
    assert all(grad is not None for grad in seen), "the vision tower took part"
    assert tool or not any(grad.any() for grad in seen)


def test_a_batch_without_pictures_gets_one_where_all_have_to_look(tiny: Qwen, make_trajectory: Any) -> None:
    texts = [make_trajectory(number, tool=False, picture=False) for number in (1, 2)]
    assert scorer_for(tiny).batch(texts).pixel_values is None
    always = scorer_for(tiny, always_pictures=True)
    assert always.batch(texts).image_grid_thw.tolist() == [[1, 2, 2]]
    assert len(always.batch([texts[0], make_trajectory(3, tool=False)]).image_grid_thw) == 1


def test_an_idle_pass_has_a_gradient_of_zero_for_everything(tiny: Qwen) -> None:
    tiny.model.zero_grad()
    loss = idle_loss(tiny.model, scorer_for(tiny))
    assert float(loss.detach()) == 0
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in tiny.model.parameters())
