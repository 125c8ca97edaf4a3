"""Texts and pictures in arrays of a fixed shape."""

import subprocess
import sys

import numpy as np
import pytest
from env_parts import answer, code, make_source
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env import ConfigError, DeepEyesEnv
from deepeyes_env.testing import hostile_texts
from deepeyes_env.wrappers.box_observations import BoxObservations
from deepeyes_env.wrappers.text_boxes import TextBytes, WordCounts


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), st.integers(1, 200))
def test_bytes_can_be_read_again(text: str, length: int) -> None:
    box = TextBytes(length)
    array = box.encode(text)
    assert box.space.contains(array)
    fits = len(text.encode()) <= length
    assert box.decode(array) == text if fits else text.startswith(box.decode(array))


@given(hostile_texts(), st.integers(1, 64))
def test_counts_have_a_shape_and_know_no_order(text: str, buckets: int) -> None:
    box = WordCounts(buckets)
    array = box.encode(text)
    assert box.space.contains(array)
    assert np.array_equal(array, box.encode(" ".join(reversed(text.split()))) if "\n" not in text else array)
    assert TextBytes(buckets).space.contains(TextBytes(buckets).encode(text))


def test_counts_are_counts() -> None:
    once, thrice = WordCounts(64).encode("zoom"), WordCounts(64).encode("Zoom, zoom; ZOOM")
    assert once.max() == pytest.approx(np.log(2))
    assert thrice.max() == pytest.approx(np.log(4))
    assert once.argmax() == thrice.argmax()
    assert WordCounts(64).encode("stdout 17").argmax() != once.argmax()


@pytest.mark.parametrize("box", [WordCounts, TextBytes])
def test_a_box_of_no_numbers_is_refused(box):
    with pytest.raises(ConfigError, match="= 0: must be at least 1"):
        box(0)


def test_counts_are_the_same_in_every_process() -> None:
    program = (
        "from deepeyes_env.wrappers.text_boxes import WordCounts\n"
        "print(WordCounts(64).encode('where is the red card').nonzero()[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(WordCounts(64).encode("where is the red card").nonzero()[0].tolist())


def test_the_picture_seen_last_stays() -> None:
    env = BoxObservations(DeepEyesEnv(tasks=make_source(), prompt="minimal"), side=16, text=WordCounts(32))
    observation, _ = env.reset(options={"index": 5, "split": "test"})
    question = observation["image"].copy()
    assert env.observation_space.contains(observation)
    assert (question == (0, 0, 255)).all()
    observation, *_ = env.step(code("image_1.crop((0, 0, 20, 20)).convert('L').point(lambda v: 77)"))
    assert (observation["image"] == 77).all()
    observation, *_ = env.step(code("print(1)"))
    assert (observation["image"] == 77).all()
    assert observation["text"].any()
    observation, *_ = env.step(answer(5))
    assert (observation["image"] == 77).all()
    assert not observation["text"].any()
    observation, _ = env.reset(options={"index": 5, "split": "test"})
    assert np.array_equal(observation["image"], question)
    env.close()


def test_without_text_the_picture_is_the_observation() -> None:
    env = BoxObservations(DeepEyesEnv(tasks=make_source()), side=8)
    observation, _ = env.reset()
    assert env.observation_space.shape == observation.shape == (8, 8, 3)
    with pytest.raises(ConfigError, match="side = 0: must be at least 1"):
        BoxObservations(DeepEyesEnv(tasks=make_source()), side=0)


def test_a_scaled_picture_has_the_same_levels() -> None:
    made = {"tasks": make_source(), "prompt": "minimal"}
    levels, scaled = (BoxObservations(DeepEyesEnv(**made), side=8, scaled=each) for each in (False, True))
    level, scale = (env.reset(options={"index": 1})[0] for env in (levels, scaled))
    assert scale.dtype == np.float32
    assert scaled.observation_space.contains(scale)
    np.testing.assert_allclose(scale * 255, level, atol=1e-4)
