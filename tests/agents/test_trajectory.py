from dataclasses import replace

import numpy as np
import pytest
from talk import noise_image, scripted

from agents.trajectory import ImageSpan, TrajectoryError, check_trajectory
from deepeyes_env.images import EncodedImage
from deepeyes_env.rewards.base import Reward


def changed(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


def broken():
    good = scripted()
    first, second = good.image_spans
    turns = good.turns
    inside, outside = turns[0].start, turns[0].start - 1
    forged = EncodedImage(b"other", good.images[0].width, good.images[0].height, good.images[0].sha256)
    yield "shape", replace(good, logprobs=good.logprobs[:-1])
    yield "type", replace(good, input_ids=good.input_ids.astype(np.int32))
    yield "type", replace(good, loss_mask=good.loss_mask.astype(np.int64))
    yield "one dimension", replace(good, input_ids=good.input_ids[None])
    yield "negative id", replace(good, input_ids=changed(good.input_ids, 0, -1))
    yield "not finite", replace(good, logprobs=changed(good.logprobs, inside, np.nan))
    yield "above 0", replace(good, logprobs=changed(good.logprobs, inside, 0.1))
    yield "has a log-probability", replace(good, logprobs=changed(good.logprobs, outside, -1))
    yield "union of the turns", replace(good, loss_mask=changed(good.loss_mask, outside, True))
    yield "union of the turns", replace(good, loss_mask=changed(good.loss_mask, inside, False))
    yield "out of order", replace(good, turns=(turns[0], replace(turns[1], start=turns[0].end)))
    yield "empty", replace(good, turns=(turns[0], replace(turns[1], end=turns[1].start)))
    yield "out of range", replace(good, turns=(turns[0], replace(turns[1], end=len(good.input_ids) + 1)))
    yield "finished by", replace(good, turns=(turns[0], replace(turns[1], finish_reason="eos")))
    yield "1 spans for 2 images", replace(good, image_spans=(first,))
    yield "the grid", replace(good, image_spans=(first, replace(second, grid=(1, 3, 4))))
    yield "placeholders for the grid", replace(good, image_spans=(first, replace(second, length=7)))
    yield "its grid's size", replace(good, images=(good.images[0], noise_image(1, 4, 2)))
    yield "out of order", replace(good, image_spans=(second, first), images=(good.images[1], good.images[0]))
    yield "out of range", replace(good, image_spans=(first, replace(second, start=len(good.input_ids))))
    yield "its hash", replace(good, images=(forged, good.images[1]))
    yield "disagree", replace(good, image_spans=(replace(first, start=first.start + 1), second))
    yield "disagree", replace(good, input_ids=changed(good.input_ids, inside, good.input_ids[first.start]))
    yield (
        "counts as sampled",
        replace(good, image_spans=(first, ImageSpan(turns[1].start, second.length, second.grid))),
    )
    yield (
        "observation marks 2",
        replace(good, turns=(replace(turns[0], observation="<image><image>"), turns[1])),
    )
    yield "accuracy is 2", replace(good, reward=Reward(2.0, 0.0, 0.0))
    yield "the reward is nan", replace(good, reward=Reward(1.0, 0.0, float("nan")))


def test_a_sound_trajectory_passes():
    check_trajectory(scripted())


@pytest.mark.parametrize(("message", "bad"), list(broken()), ids=lambda value: str(value)[:30])
def test_every_broken_invariant_is_named(message, bad):
    with pytest.raises(TrajectoryError, match=message) as caught:
        check_trajectory(bad)
    assert "'t'" in str(caught.value)


def test_a_trajectory_without_turns_and_images_passes():
    good = scripted()
    nothing = np.zeros(3, np.bool_)
    check_trajectory(
        replace(
            good,
            input_ids=np.arange(3),
            loss_mask=nothing,
            logprobs=np.zeros(3, np.float32),
            turns=(),
            images=(),
            image_spans=(),
            prompt="",
        )
    )
