"""All three skills: measure a specimen by its scale, identify it by its crop, compare with the known span."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.framed import (
    FRAME_SHARE,
    STICKERS,
    Framed,
    hang,
    paint_framed,
    paint_wall,
)
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.specimen import Specimen as PlateLook
from deepeyes_env.tasks.worlds.drawing.specimen import paint_specimen
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.facts import key_of
from deepeyes_env.tasks.worlds.fictional.world import Species, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, recognition, turns
from deepeyes_env.tasks.worlds.oracles.framed_pictures import find_framed

WIDTH, HEIGHT = 1204, 840

SKIRTING = 800
"""Row where the wallpaper ends."""

ROOM = (40.0, 58.0, 1160.0, 790.0)
"""Left, top, right and bottom of the wall that is hung with plates and their cards."""

CARD = (196, 92)
"""Width and height of the card below a plate in pixels."""

CARD_DROP = 40
"""Pixels from the frame to the card: the sticker is between them."""

SPAN_ROW, SCALE_ROW = 30, 69
"""Rows of the two lines on a card, from its upper edge."""

SCALES = (2, 5, 10, 20, 25, 50, 100)
"""Millimetres that a scale line may stand for."""

LONGEST_SCALE = 116
"""Pixels; the longest scale that leaves room for its number."""

SHARES = (0.38, 0.98)
"""Smallest and largest specimen, as a share of the span that the encyclopaedia gives."""

TOLERANCE = 0.035
"""Relative error that counts as right: a pixel at each end of both lines, and the answer's rounding."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """One plate: whose species, and how long its span line and its scale are in pixels and millimetres."""

    species: Species
    share: float
    span: float

    @property
    def per_mm(self) -> float:
        """Pixels per millimetre."""
        return self.span / (self.species.size * self.share)

    @property
    def scale(self) -> int:
        """Millimetres of the scale line: the longest that fits."""
        return max((mm for mm in SCALES if mm * self.per_mm <= LONGEST_SCALE), default=SCALES[0])


def collect(rng: random.Random, world: World, count: int) -> list[Specimen]:
    """Specimens of different species."""
    return [
        Specimen(species, round(rng.uniform(*SHARES), 3), rng.uniform(104, 148))
        for species in rng.sample(world.species, count)
    ]


def paint(specimens: list[Specimen], hung: list[Framed], rng: random.Random) -> EncodedImage:
    """The plates on the wall of a study, each with a card that says how large the animal or blossom was."""
    canvas = paint_wall(WIDTH, HEIGHT, SKIRTING, rng)
    for specimen, framed in zip(specimens, hung, strict=True):
        look = specimen.species.specimen
        paint_framed(canvas, framed, _paint_plate(look, round(framed.width), round(framed.height)))
        _paint_card(canvas, framed, specimen)
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.06, 0.14)), rng.randint(86, 92))


# Kept: the species of a world are few, and hang on wall after wall.
@lru_cache(maxsize=512)
def _paint_plate(look: PlateLook, width: int, height: int) -> Image.Image:
    canvas = Canvas(width, height)
    paint_specimen(canvas, look, width / 2, height / 2, width)
    return canvas.finish()


def _paint_card(canvas: Canvas, framed: Framed, specimen: Specimen) -> None:
    wide, high = CARD
    left = framed.x - wide / 2
    top = framed.y + framed.height / 2 + framed.width * FRAME_SHARE + CARD_DROP
    canvas.rectangle(left + 2, top + 3, left + wide + 3, top + high + 4, "black", alpha=0.25)
    canvas.rectangle(left, top, left + wide, top + high, "#f6f1e2", "#b9ad92", 1)
    ink, grey = "#26221e", "#7a7060"
    canvas.text(left + 14, top + 12, "span", 10, grey, "serif-italic", align="left")
    start, row = framed.x - specimen.span / 2, top + SPAN_ROW
    canvas.rectangle(start, row, start + specimen.span, row + 3, ink)
    for end in (start, start + specimen.span - 2):
        canvas.rectangle(end, row - 5, end + 2, row + 8, ink)
    canvas.text(left + 14, top + SCALE_ROW - 11, "scale", 10, grey, "serif-italic", align="left")
    start, row, length = left + 14, top + SCALE_ROW, specimen.scale * specimen.per_mm
    canvas.rectangle(start, row, start + length, row + 5, ink)
    canvas.text(
        start + length + 8,
        row + 2.5,
        f"{specimen.scale} mm",
        12,
        mix(ink, "white", 0.1),
        "serif",
        align="left",
    )


MEASURE = """
left, top, right, bottom = boxes[0]
middle, reach = (left + right) / 2, image_1.width * {reach}
rows = int(bottom + (right - left) * {edge} + image_1.height * {near}), int(bottom + image_1.height * {far})
card = image_1.crop((int(middle - reach), rows[0], int(middle + reach), rows[1]))
card.resize((card.width * 3, card.height * 3)).show()
dark = np.asarray(card.convert("L")) < 110
def longest_run(row):
    ends = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return max(ends[1::2] - ends[::2], default=0)
runs = np.array([longest_run(row) for row in dark])
lines = np.flatnonzero(runs > image_1.width * 0.03)
groups = np.split(lines, np.flatnonzero(np.diff(lines) > 6) + 1)
print(round(float(np.median(runs[groups[0]]) / np.median(runs[groups[1]])), 4))
"""
"""Shows the card below the first box and prints its span line's length over its scale line's."""


class SpecimenScale:
    """What percentage of the span that is known of its species does this specimen reach?"""

    name = "specimen-scale"
    skills = frozenset(Skill)
    tools = frozenset({"code", "image_search", "search"})
    knobs: Mapping[str, Knob] = {
        "plates": Knob(3, 8, "plates on the wall"),
        "width": Knob(170, 104, "width of a plate in pixels"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """Plates with cards, one of them above a sticker of its own colour."""
        specimens = collect(rng, world, int(knobs["plates"]))
        stickers: list[str | None] = [None] * len(specimens)
        places = rng.sample(range(len(specimens)), min(len(STICKERS), len(specimens)))
        for place, sticker in zip(places, rng.sample(list(STICKERS), len(places)), strict=True):
            stickers[place] = sticker
        below = CARD[0], CARD_DROP + CARD[1] + 6.0
        hung = hang(rng, (knobs["width"], knobs["width"]), stickers, ROOM, below)
        return _plan(specimens, hung, places[0])

    def oracle(self, task: Task) -> Oracle:
        """Find the plate, measure its card, search by image with the plate, look the span up, divide."""
        sticker, scale = task.metadata["sticker"], task.metadata["scale"]
        boxes = yield from recognition.find_boxes(find_framed(sticker), f"Where is the {sticker} sticker?")
        name, ratio, known, facts = task.metadata["species"], None, False, None
        if boxes is not None:
            seen = yield turns.code("Now its card: the span against the scale.", _measure())
            ratio = turns.printed(seen) if seen.images else None
        if ratio is not None and boxes is not None:
            known = yield from recognition.recognise_each(boxes[:1], ["this species"], [name])
        if known:
            facts = yield from arithmetic.look_up_each([(name, "size")])
        if facts is None:
            yield from arithmetic.give_up("I cannot tell which species this is, or how large it gets.")
            return
        yield from arithmetic.answer_with(f"round(100 * {ratio} * {scale} / {facts[0]})")


def _measure() -> str:
    return MEASURE.format(
        reach=round(CARD[0] / 2 / WIDTH, 4),
        edge=FRAME_SHARE,
        near=round((CARD_DROP + 4) / HEIGHT, 4),
        far=round((CARD_DROP + CARD[1] + 12) / HEIGHT, 4),
    )


def _plan(specimens: list[Specimen], hung: list[Framed], place: int) -> Plan:
    asked, sticker = specimens[place], hung[place].sticker

    def twin(rng: random.Random) -> Plan:
        # The scale stays and the span line changes: the shares are such that it still fits on the card.
        share = round(rng.uniform(*SHARES), 3)
        span = asked.span * share / asked.share
        changed = replace(asked, share=share, span=span)
        if not SHORTEST_SPAN <= span <= CARD[0] - 20:
            changed = replace(asked, share=share)
        return _plan([*specimens[:place], changed, *specimens[place + 1 :]], hung, place)

    return Plan(
        key=key_of(asked.species),
        question=(
            f"One of these plates has a {sticker} sticker below its frame, and below that a card with the"
            " specimen's span and a scale. What percentage of the span that the encyclopaedia gives for its"
            " species does this specimen reach? Give a whole number."
        ),
        answer=Answer(str(round(100 * asked.share)), tolerance=TOLERANCE, unit="%"),
        draw=lambda rng: (paint(specimens, hung, rng),),
        twin=twin,
        metadata={"sticker": sticker, "scale": asked.scale, "species": asked.species.name},
    )


SHORTEST_SPAN = 70
"""Pixels; shorter lines cannot be measured well enough."""

SPECIMEN_SCALE = SpecimenScale()
