"""A perception twin differs from its original in one fact, and the pictures show no more than that."""

import numpy as np
import pytest

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.perception import FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_twins_ask_the_same_of_nearly_the_same_pictures(name: str) -> None:
    source = FictionalWorld(1, (name,))
    ours, theirs = source.task(0), source.twin(0, "train")
    assert ours.question == theirs.question
    assert ours.answer.text != theirs.answer.text
    shares = [changed(*pair) for pair in zip(ours.images, theirs.images, strict=True)]
    assert any(shares)
    # The large digit of at-a-glance and the figure of colour-match are the most that may change.
    assert max(shares) < 0.1


def changed(one: EncodedImage, other: EncodedImage) -> float:
    """Share of pixels that differ by more than JPEG's artefacts do far from a change."""
    apart = np.asarray(one.decode(), dtype=int) - np.asarray(other.decode(), dtype=int)
    return float((np.abs(apart).max(-1) > 6).mean())
