"""The card families: what their pictures show at a glance and close up, and that only the glyph tells."""

import random
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.perception import cards

VIEW, CLOSE = 112, 56


def picture(*, large: bool, seed: int = 0) -> cards.CardPicture:
    return cards.random_picture(random.Random(seed), large=large)


def with_digit(shown: cards.CardPicture, digit: int) -> cards.CardPicture:
    return cards.CardPicture(digit, shown.colour, shown.scale, shown.left, shown.top, shown.decoration)


def view(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((VIEW, VIEW), Image.Resampling.BICUBIC), dtype=np.int16)


def close_up(shown: cards.CardPicture) -> np.ndarray:
    crop = cards.paint(shown).crop(shown.look_box)
    return np.asarray(crop.resize((CLOSE, CLOSE), Image.Resampling.BICUBIC), dtype=np.int16)


@pytest.mark.parametrize("large", [False, True])
def test_a_picture_is_painted_the_same_every_time(large):
    shown = picture(large=large)
    assert cards.paint(shown).tobytes() == cards.paint(shown).tobytes()
    assert cards.paint(shown).size == (cards.CANVAS, cards.CANVAS)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_only_the_glyph_tells_the_digit(large, seed):
    shown = picture(large=large, seed=seed)
    left, top, side = shown.left, shown.top, cards.CARD * shown.scale
    reference = np.asarray(cards.paint(with_digit(shown, 0)))
    for digit in range(1, 10):
        changed = (np.asarray(cards.paint(with_digit(shown, digit))) != reference).any(axis=-1)
        rows, columns = np.nonzero(changed)
        assert len(rows)
        assert rows.min() >= top + side // 4
        assert rows.max() < top + side * 3 // 4
        assert columns.min() >= left + side // 4
        assert columns.max() < left + side * 3 // 4


def test_a_small_cards_digit_is_a_smudge_in_the_view_and_clear_in_the_close_up():
    shown = picture(large=False)
    for a in range(10):
        for b in range(a):
            pair = with_digit(shown, a), with_digit(shown, b)
            far = [view(cards.paint(one)) for one in pair]
            assert (np.abs(far[0] - far[1]).max(axis=-1) > 0).sum() <= 36
            near = [close_up(one) for one in pair]
            assert (np.abs(near[0] - near[1]).max(axis=-1) > 64).sum() >= 8


def test_a_large_card_is_readable_in_the_view_and_bare_where_the_teacher_looks():
    shown = picture(large=True)
    for digit in range(1, 10):
        other = with_digit(shown, digit)
        assert (np.abs(view(cards.paint(shown)) - view(cards.paint(other))).max(axis=-1) > 64).sum() >= 8 or (
            digit == shown.digit
        )
        assert np.array_equal(close_up(shown), close_up(other))


def test_cards_lie_on_the_token_grid_and_inside_the_canvas():
    for seed in range(200):
        small, large = picture(large=False, seed=seed), picture(large=True, seed=seed)
        left, top, right, bottom = small.look_box
        assert (right - left, bottom - top) == (cards.CARD, cards.CARD)
        assert (left + right) // 2 % cards.CELL == cards.CELL // 2
        assert large.left % cards.CELL == large.top % cards.CELL == 0
        assert max(large.left, large.top) + cards.CARD * cards.LARGE <= cards.CANVAS


def test_digit_colour_and_place_are_drawn_evenly_and_independently():
    rng = random.Random(0)
    drawn = [cards.random_picture(rng, large=False) for _ in range(4000)]
    assert min(Counter(one.digit for one in drawn).values()) > 300
    assert len({(one.left, one.top) for one in drawn}) == cards.CELLS**2
    by_place = Counter((one.left, one.top, one.digit) for one in drawn)
    assert len(by_place) == 10 * cards.CELLS**2


def test_no_picture_is_in_two_splits():
    world = FictionalWorld(seed=0, families=("closer-look", "at-a-glance"))
    hashes = {
        split: {world.task(index, split).images[0].sha256 for index in range(20)}
        for split in ("train", "validation", "test")
    }
    assert len(set.union(*hashes.values())) == 60


def test_both_families_ask_the_same_question():
    world = FictionalWorld(seed=0, families=("closer-look", "at-a-glance"))
    questions = [{world.task(index).question for index in range(first, 80, 2)} for first in (0, 1)]
    assert questions[0] == questions[1] == {cards.question(colour) for colour in cards.COLOURS}
