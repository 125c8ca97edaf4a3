"""What spaces sample they contain, survives JSON, and repeats with its seed."""

import json

import numpy as np
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from deepeyes_env.env import observation_space
from deepeyes_env.protocol import InvalidCall, Malformed, parse_turn
from deepeyes_env.spaces import FreeText, RGBImage, TurnText

SPACES = st.sampled_from([FreeText, TurnText, RGBImage, observation_space])


@given(SPACES, st.integers(0, 2**31))
@settings(max_examples=60)
def test_samples_are_contained_repeat_and_survive_json(make: type[spaces.Space], seed: int) -> None:
    space, twin = make(), make()
    space.seed(seed)
    twin.seed(seed)
    samples = [space.sample() for _ in range(3)]
    assert all(sample in space for sample in samples)
    assert space == twin
    restored = space.from_jsonable(json.loads(json.dumps(space.to_jsonable(samples))))
    for sample, again, back in zip(samples, [twin.sample() for _ in range(3)], restored, strict=True):
        np.testing.assert_equal(again, sample)
        np.testing.assert_equal(back, sample)


@given(st.text(st.characters()))
def test_any_text_is_an_action(text: str) -> None:
    assert text in TurnText()


@given(st.integers(0, 2**31))
def test_sampled_actions_are_grammatical(seed: int) -> None:
    assert not isinstance(parse_turn(TurnText(seed=seed).sample()), InvalidCall | Malformed)


def test_what_is_no_image_is_not_contained() -> None:
    space = RGBImage(max_pixels=100)
    assert np.zeros((10, 10, 3), np.uint8) in space
    for array in (np.zeros((11, 10, 3), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), "x"):
        assert array not in space
    assert np.zeros((0, 2, 3), np.uint8) not in space
    assert 5 not in FreeText()
    assert "abc" not in FreeText(max_length=2)
    assert FreeText() != TurnText()
