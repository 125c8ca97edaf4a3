import random

import numpy as np
import pytest
from PIL import Image

from deepeyes_env.tasks.worlds.drawing.canvas import (
    CAPITAL_HEIGHT,
    FONTS,
    Canvas,
    box,
    closed,
    gradient,
    mix,
    regular,
    rgb,
    text_width,
)
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight


def test_origin_is_the_upper_left_corner() -> None:
    canvas = Canvas(40, 30, "white")
    canvas.rectangle(0, 0, 10, 5, "red")
    image = canvas.finish()
    assert image.size == (40, 30)
    assert image.getpixel((2, 2)) == (255, 0, 0)
    assert image.getpixel((2, 28)) == (255, 255, 255)


def test_edges_are_smooth() -> None:
    canvas = Canvas(40, 40, "white")
    canvas.circle(20, 20, 12, "black")
    greys = np.asarray(canvas.finish())[..., 0]
    assert len(np.unique(greys)) > 10


@pytest.mark.parametrize("font", FONTS)
def test_text_stands_where_it_is_put(font: str) -> None:
    canvas = Canvas(400, 100, "white")
    canvas.text(200, 50, "HERE 42", 40, "black", font)
    rows, columns = np.nonzero(np.asarray(canvas.finish())[..., 0] < 128)
    assert abs((rows.min() + rows.max()) / 2 - 50) < 3
    assert abs((columns.min() + columns.max()) / 2 - 200) < 5
    assert abs(np.ptp(rows) - CAPITAL_HEIGHT * 40) < 5
    assert abs(np.ptp(columns) - text_width("HERE 42", 40, font)) < 10


def test_clipping_forgets_the_last_clip() -> None:
    canvas = Canvas(60, 60, "white")
    whole = closed([(0, 0), (60, 0), (60, 60), (0, 60)])
    for left in range(0, 60, 20):
        canvas.clipped(closed([(left, 0), (left + 10, 0), (left + 10, 60), (left, 60)]), whole, "black")
    row = np.asarray(canvas.finish())[30, :, 0]
    assert [int(row[x]) for x in (5, 15, 25, 35, 45, 55)] == [0, 255, 0, 255, 0, 255]


def test_daylight_dims_little_and_depends_on_the_seed_alone() -> None:
    image = Image.new("RGB", (200, 100), (200, 180, 160))
    first, again, other = (daylight(image, random.Random(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert 0.75 < np.asarray(first)[..., :3].mean() / np.asarray(image).mean() < 1.05


def test_small_helpers() -> None:
    assert rgb("#010203") == (1, 2, 3)
    assert mix("black", "white", 0.5) == (128, 128, 128)
    assert gradient(2, "black", "white").tolist() == [[0, 0, 0], [255, 255, 255]]
    assert regular(0, 0, 1, 4)[0] == pytest.approx((0, -1))
    encoded = as_jpeg(Image.new("RGB", (9, 7)), 80)
    assert encoded.decode().size == (9, 7) == (encoded.width, encoded.height)


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (2500, 40), (40, 4300)])
def test_daylight_multiplies_every_channel_alike_on_any_size(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 100, 250))
    lit = np.asarray(daylight(image, random.Random(3), shade=0.3), dtype=float)[..., :3]
    assert lit.shape == (size[1], size[0], 3)
    share = lit / np.array([200.0, 100.0, 250.0])
    assert np.ptp(share, axis=-1).max() < 0.015
    assert share.min() > 0.6
    assert share.max() < 1.0001


def test_many_shapes_in_one_pass_look_like_one_by_one() -> None:
    single, at_once = Canvas(120, 80), Canvas(120, 80)
    single.rectangle(5.3, 10, 40, 60.5, "red")
    single.circle(60, 40, 18.5, "blue")
    single.polygon([(80, 10), (110, 20), (90, 60)], "green")
    at_once.rectangles([(5.3, 10, 40, 60.5)], "red")
    at_once.circles([(60, 40, 18.5)], ["blue"])
    at_once.polygons([[(80, 10), (110, 20), (90, 60)]], ["green"])
    one, other = (np.asarray(canvas.finish(), dtype=int) for canvas in (single, at_once))
    assert np.abs(one - other).max() <= 2


def test_a_shadow_shows_beside_its_thing_only() -> None:
    canvas = Canvas(100, 80)
    canvas.shadows([box(20, 20, 70, 50)], 6, 9, 0.5)
    pixels = np.asarray(canvas.finish())
    assert pixels[35, 45].tolist() == [255, 255, 255]
    assert pixels[56, 50, 0] < 135
    assert pixels[35, 74, 0] < 135
