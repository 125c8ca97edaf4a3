"""Packed trajectories have the losses and gradients that they have alone; cut ones stay sound."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from agents.batch import collate, token_logprobs
from agents.cut import cut_at_turn
from agents.packed_batch import collate_packed
from agents.pixels import PixelCache
from agents.qwen import Qwen
from agents.sampling import banned_mask
from agents.tiny import TinyShape, build_tiny
from agents.trajectory import SeedLineage, Trajectory, check_tokens, check_trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from trainers.sft.packing import packed_rows


@cache
def tiny() -> Qwen:
    torch.set_num_threads(1)
    # Two layers: in the first one alone a token sees of others only what they are, not what they have seen.
    return build_tiny(shape=TinyShape(hidden=32, layers=2, vision_layers=1))


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(tiny().tokenizer)


@cache
def image(columns: int, rows: int, shade: int) -> EncodedImage:
    return EncodedImage.from_pil(Image.new("RGB", (28 * columns, 28 * rows), (shade, 0, 255 - shade)))


IMAGES = st.builds(image, st.integers(2, 3), st.integers(2, 3), st.integers(0, 255))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    images = draw(st.lists(IMAGES, max_size=2))
    words = draw(st.text(alphabet="abc xyz0129", max_size=12))
    return Observation("<image>" * len(images) + words, tuple(images))


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    """One to three turns, no image or several before each."""
    transcript = Transcript(vocabulary(), name="test", think_prefill=False)
    transcript.start("Look.", draw(observations()))
    for number in range(draw(st.integers(1, 3))):
        if number:
            transcript.append_observation(draw(observations()))
        transcript.append_text(draw(st.text(alphabet="abc <>0129", min_size=1, max_size=12)))
        transcript.annotate("malformed")
    return transcript.to_trajectory(
        family="test",
        question="",
        reference="",
        answer=None,
        reward=Reward(0.0, 0.0, 0.0),
        outcome=Outcome.MALFORMED,
        lineage=SeedLineage(0),
    )


def losses_and_gradients(batches: list) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probabilities of all sampled tokens, sorted by batch and place, and the gradient of their sum."""
    model = tiny().model
    banned = banned_mask(vocabulary(), model.config.text_config.vocab_size)
    model.zero_grad(set_to_none=True)
    scored = []
    for batch in batches:
        logprobs = token_logprobs(model, batch, banned)[batch.loss_mask[:, 1:]]
        logprobs.sum().backward()
        scored.append(logprobs.detach())
    return torch.cat(scored), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@settings(max_examples=15)
@given(st.lists(trajectories(), min_size=1, max_size=4))
def test_packed_trajectories_do_not_see_each_other(members: list[Trajectory]) -> None:
    pixels = PixelCache()
    alone = [collate([member], vocabulary(), pixels) for member in members]
    row = collate_packed(members, vocabulary(), pixels)
    assert row.input_ids.shape == (1, sum(len(member.input_ids) for member in members)), "no padding"
    expected, gradients = losses_and_gradients(alone)
    found, packed_gradients = losses_and_gradients([row])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert packed_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(packed_gradients[name] / scale, gradient / scale, rtol=0, atol=1e-5)


@settings(max_examples=100)
@example([5, 5, 5, 6, 12, 13, 13, 23], 22)  # a row was filled up to the longest sequence's length
@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 60))
def test_every_sequence_is_in_one_row_and_rows_keep_to_the_capacity(
    lengths: list[int], capacity: int
) -> None:
    rows = packed_rows(lengths, capacity)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    loads = [sum(lengths[i] for i in row) for row in rows]
    assert loads == sorted(loads, reverse=True)
    assert all(load <= capacity or len(row) == 1 for row, load in zip(rows, loads, strict=True))
    # First fit leaves no two rows that would have fitted into one.
    if len(rows) > 1 and max(lengths) <= capacity:
        assert len(rows) <= 2 * -(-sum(lengths) // capacity)


@settings(max_examples=40)
@given(trajectories(), st.integers(1, 200))
def test_a_cut_keeps_whole_turns_and_whole_images(whole: Trajectory, limit: int) -> None:
    cut = cut_at_turn(whole, limit)
    if cut is None:
        assert whole.turns[0].end > limit
        return
    assert len(cut.input_ids) <= limit or not len(whole.input_ids) > limit
    check_trajectory(cut)
    check_tokens(cut, vocabulary())
    assert (cut.input_ids == whole.input_ids[: len(cut.input_ids)]).all()
    if cut is not whole:
        assert cut.turns[-1].end == len(cut.input_ids)
        following = whole.turns[len(cut.turns) :]
        assert not following or following[0].end > limit, "the longest beginning that fits"


def test_the_order_in_a_row_does_not_matter_to_any_of_them() -> None:
    """A row in which the second trajectory is another one gives the first the same numbers."""
    one, other = (_said(text) for text in ("abc", "xyz 0129"))
    pixels = PixelCache()
    first = losses_and_gradients([collate_packed([one, other], vocabulary(), pixels)])[0]
    second = losses_and_gradients([collate_packed([other, one], vocabulary(), pixels)])[0]
    count = int(one.loss_mask.sum())
    torch.testing.assert_close(first[:count], second[-count:], rtol=0, atol=1e-5)


def _said(text: str) -> Trajectory:
    transcript = Transcript(vocabulary(), name="test")
    transcript.start("Look.", Observation("<image>What?", (image(2, 2, 9),)))
    transcript.append_text(text)
    transcript.annotate("malformed")
    return transcript.to_trajectory(
        family="test",
        question="",
        reference="",
        answer=None,
        reward=Reward(0.0, 0.0, 0.0),
        outcome=Outcome.MALFORMED,
        lineage=SeedLineage(0),
    )


@pytest.mark.parametrize(
    ("lengths", "capacity", "rows"),
    [
        ([5, 4, 3, 2, 1], 8, [[0, 3, 4], [1, 2]]),
        ([9, 1, 1], 8, [[0], [1, 2]]),
        ([], 8, []),
    ],
)
def test_rows_by_hand(lengths: list[int], capacity: int, rows: list[list[int]]) -> None:
    assert packed_rows(lengths, capacity) == rows
