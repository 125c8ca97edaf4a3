"""Portraits, plates, vessels and products: painted alike every time, and inside their frame."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deepeyes_env.tasks.worlds.drawing.artefact import companion_of, draw_vessel_facts, paint_exhibit
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas
from deepeyes_env.tasks.worlds.drawing.portrait import (
    ASPECT,
    draw_portrait_facts,
    paint_portrait,
    sibling_of,
)
from deepeyes_env.tasks.worlds.drawing.product import PAINTERS, draw_product_facts, paint_product
from deepeyes_env.tasks.worlds.drawing.specimen import draw_specimen_facts, paint_specimen, related

Paint = Callable[[Canvas, random.Random], None]

SIDE = 160

PAINTS: dict[str, tuple[float, Paint]] = {
    "portrait": (
        ASPECT,
        lambda canvas, rng: paint_portrait(
            canvas, draw_portrait_facts(rng, rng.random() < 0.5), canvas.width / 2, canvas.height / 2, SIDE
        ),
    ),
    "specimen": (
        1.0,
        lambda canvas, rng: paint_specimen(
            canvas, draw_specimen_facts(rng), canvas.width / 2, canvas.height / 2, SIDE
        ),
    ),
    "exhibit": (
        1.0,
        lambda canvas, rng: paint_exhibit(
            canvas, draw_vessel_facts(rng), canvas.width / 2, canvas.height / 2, SIDE
        ),
    ),
    "product": (
        1.0,
        lambda canvas, rng: paint_product(
            canvas,
            draw_product_facts(rng, rng.choice(list(PAINTERS))),
            canvas.width / 2,
            canvas.height / 2,
            SIDE,
        ),
    ),
}
"""Kind -> height over width, and what paints a random one in the middle of a canvas."""


@given(st.sampled_from(list(PAINTS)), st.integers(0, 10**6))
@hypothesis_settings(max_examples=40, deadline=None)
def test_a_painting_fills_its_frame_and_nothing_else(kind: str, seed: int) -> None:
    aspect, paint = PAINTS[kind]
    width, height = 2 * SIDE, round(2 * SIDE * aspect)
    canvas = Canvas(width, height, "#ff00ff")
    paint(canvas, random.Random(seed))
    bare = (np.asarray(canvas.finish()) == (255, 0, 255)).all(axis=2)
    rows = slice(round(height / 4) + 2, round(3 * height / 4) - 2)
    columns = slice(width // 4 + 2, 3 * width // 4 - 2)
    assert not bare[rows, columns].any()
    outside = np.ones_like(bare)
    outside[round(height / 4) - 5 : round(3 * height / 4) + 5, width // 4 - 5 : 3 * width // 4 + 5] = False
    assert bare[outside].all()


@pytest.mark.parametrize("kind", PAINTS)
def test_the_same_look_is_painted_the_same(kind: str) -> None:
    pictures = []
    for seed in (3, 3, 4):
        canvas = Canvas(SIDE, round(SIDE * PAINTS[kind][0]))
        PAINTS[kind][1](canvas, random.Random(seed))
        pictures.append(canvas.finish().tobytes())
    assert pictures[0] == pictures[1] != pictures[2]


@given(st.integers(0, 10**6))
def test_near_duplicates_are_alike_and_never_the_same(seed: int) -> None:
    rng = random.Random(seed)
    face = draw_portrait_facts(rng, rng.random() < 0.5)
    sibling = sibling_of(face, rng)
    assert face != sibling
    assert (face.skin, face.hair, face.width, face.nose) == (
        sibling.skin,
        sibling.hair,
        sibling.width,
        sibling.nose,
    )
    plate = draw_specimen_facts(rng)
    assert related(plate, rng) != plate
    vessel = draw_vessel_facts(rng)
    companion = companion_of(vessel, rng)
    assert companion != vessel
    assert (companion.kind, companion.clay) == (vessel.kind, vessel.clay)
