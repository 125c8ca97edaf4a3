"""Integration pictures hold all that is read from them, nothing hides it, and a twin changes one fact."""

import itertools
import math
import random
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pytest

from deepeyes_env.tasks.worlds.drawing import delivery_note
from deepeyes_env.tasks.worlds.drawing.canvas import text_width
from deepeyes_env.tasks.worlds.drawing.delivery_note import HEAD_BOX, SIGNATURE_BOX, Note, paint_note
from deepeyes_env.tasks.worlds.drawing.emblem import visible
from deepeyes_env.tasks.worlds.drawing.framed import FRAME_SHARE, STICKERS, hang
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.fictional.world import make_world
from deepeyes_env.tasks.worlds.integration import (
    FAMILIES,
    chart_per_head,
    pinned_towns,
    specimen_scale,
    stranger_emblem,
)
from deepeyes_env.tasks.worlds.integration.dated_note import full_years

SEEN = 24
"""Difference of grey levels that a person sees; what JPEG spreads about a change stays below it."""


def changed(one: npt.NDArray[np.int_], other: npt.NDArray[np.int_]) -> npt.NDArray[np.intp]:
    """Places (row, column) where two pictures differ visibly."""
    return np.argwhere(np.abs(one - other).max(-1) > SEEN)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_twin_differs_in_one_place_only(name: str) -> None:
    source = FictionalWorld(3, (name,))
    task, twin = source.task(0), source.twin(0, "train")
    assert twin.question == task.question
    assert twin.answer.text != task.answer.text
    pictures = [np.asarray(each.images[0].decode(), dtype=int) for each in (task, twin)]
    places = changed(*pictures)
    assert len(places)
    high, wide = np.ptp(places, axis=0) + 1
    assert high * wide < 0.16 * pictures[0].shape[0] * pictures[0].shape[1]


def test_a_note_keeps_date_and_signature_where_the_oracle_enlarges() -> None:
    note = Note("Ash Lamps", "lamps", "Vellmouth", "1 May 1801", "Ada Ash", ((2, "Kettles", 3),))
    longest = replace(note, date="28 September 1888", signed="Rosalind Corvsworthworth")
    for seed in range(6):
        drawn = [
            np.asarray(paint_note(each, 15, 0.8, random.Random(seed)).finish(), dtype=int)
            for each in (note, longest)
        ]
        rows, columns = (changed(*drawn) / (delivery_note.HEIGHT, delivery_note.WIDTH)).T
        held = np.zeros(len(rows), dtype=bool)
        for left, top, right, bottom in (HEAD_BOX, SIGNATURE_BOX):
            held |= (left < columns) & (columns < right) & (top < rows) & (rows < bottom)
        assert len(rows) > 100
        assert held.all()


def test_a_birthday_counts_on_the_day_and_not_before() -> None:
    assert full_years(date(1820, 3, 14), date(1850, 3, 13)) == 29
    assert full_years(date(1820, 3, 14), date(1850, 3, 14)) == 30


@pytest.mark.parametrize("seed", range(4))
def test_every_name_fits_beside_its_pin_and_its_bar(seed: int) -> None:
    world = make_world(seed)
    letters = pinned_towns.PINNED_TOWNS.knobs["letters"].easy
    assert max(text_width(town.name, letters, "serif") for town in world.towns) < (
        pinned_towns.LABEL_ROOM[0] - 32
    )
    letters = chart_per_head.CHART_PER_HEAD.knobs["letters"].easy
    names = [thing.name for thing in (*world.towns, *world.companies)]
    for font in ("serif", "sans"):
        assert max(text_width(name, letters, font) for name in names) < chart_per_head.LEFT - 14


def test_no_town_stands_on_the_name_of_another() -> None:
    world = make_world(0)
    wide, high = pinned_towns.LABEL_ROOM
    for seed in range(20):
        for one, other in itertools.combinations(pinned_towns.lay_out(random.Random(seed), world, 15), 2):
            apart = abs(pinned_towns.name_middle(one.x) - pinned_towns.name_middle(other.x))
            assert apart > wide or abs(one.y - other.y) > high


@pytest.mark.parametrize("count", [3, 5, 8])
def test_cards_on_a_wall_keep_clear_of_plates_and_of_each_other(count: int) -> None:
    knob = specimen_scale.SPECIMEN_SCALE.knobs["width"]
    plates = specimen_scale.SPECIMEN_SCALE.knobs["plates"]
    width = knob.at((count - plates.easy) / (plates.hard - plates.easy))
    below = specimen_scale.CARD_DROP + specimen_scale.CARD[1]
    for seed in range(30):
        hung = hang(
            random.Random(seed),
            (width, width),
            [next(iter(STICKERS))] * count,
            specimen_scale.ROOM,
            (specimen_scale.CARD[0], below + 6),
        )
        edge = width * (0.5 + FRAME_SHARE)
        for one, other in itertools.combinations(hung, 2):
            beside = abs(one.x - other.x) > max(specimen_scale.CARD[0], 2 * edge)
            lower, upper = max(one.y, other.y), min(one.y, other.y)
            assert beside or lower - edge > upper + edge + below
        assert max(each.y for each in hung) + edge + below < specimen_scale.SKIRTING


def test_a_quarter_of_strange_emblems_has_no_answer_and_none_looks_like_a_known_one() -> None:
    world, rng = make_world(1), random.Random(0)
    drawn = [stranger_emblem.draw_bearer(rng, world, []) for _ in range(400)]
    answers = [bearer.answer for bearer in drawn]
    for kind in stranger_emblem.ALIASES:
        assert 0.07 < answers.count(kind) / len(answers) < 0.18
    known = {company.emblem for company in world.companies}
    assert all((bearer.emblem in known) == (bearer.company is not None) for bearer in drawn)
    strangers = [visible(bearer.emblem) for bearer in drawn if bearer.company is None]
    for stranger, company in itertools.product(strangers, world.companies):
        theirs = visible(company.emblem)
        fields = {stranger.field, stranger.second} != {theirs.field, theirs.second}
        parts = ("outline", "division", "charge", "tincture", "count")
        assert fields + sum(getattr(stranger, part) != getattr(theirs, part) for part in parts) >= 3


def test_no_company_makes_plates_after_it_is_closed() -> None:
    source, companies = FictionalWorld(1, ("enamel-plate",)), make_world(1).companies
    closed = {f"company/{company.name}": company.closed for company in companies}
    for index in range(200):
        for plan in (source.plan(index, "train"), source.twin_plan(index, "train")):
            assert plan.metadata["year"] <= (closed[plan.key] or math.inf)
