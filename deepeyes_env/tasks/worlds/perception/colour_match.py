"""Perception: small differences of colour. Which numbered tile has exactly the colour of the wooden fish?

Light falls unevenly on the picture, so that equal paint is not equal pixels: only a comparison with the white
paper around each tells.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, box, mix, regular
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.wood import grain
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns

WIDTH, HEIGHT = 1120, 784

MOUNT = 340.0
"""Side of the paper with the figure in pixels."""

PAPER = "#f6f4ef"

COLUMNS = 4
TILE = 76.0
"""Side of a tile in pixels."""

STEP = 140.0
"""From tile to tile in pixels."""

CARD_HEAD = 44.0
"""Pixels of the card with the tiles that its title takes."""

FIGURES = ("fish", "leaf", "house", "bird")
WOODS = ("#9a7650", "#7a5236", "#b08d62", "#6f5a4b")
BRUSHES = ("#c8453a", "#d9a93c", "#4b7fb0", "#4f8f5c", "#8a5ca8")

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Chart:
    """What lies on the bench.

    Attributes:
        tiles: Colours of the tiles in order of their numbers.
        figure: One of `FIGURES`.
        match: Which tile's colour the figure has, counted from 0.
        card_left: Left edge of the card with the tiles in pixels.
        mount: Middle of the paper with the figure in pixels.
    """

    tiles: tuple[Colour, ...]
    figure: str
    match: int
    card_left: float
    mount: Point

    @property
    def card(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the card in pixels."""
        tall = CARD_HEAD + STEP * math.ceil(len(self.tiles) / COLUMNS)
        return self.card_left, (HEIGHT - tall) / 2, self.card_left + STEP * COLUMNS, (HEIGHT + tall) / 2

    def tile_middle(self, number: int) -> Point:
        """Middle of tile `number`, counted from 0, in pixels."""
        row, column = divmod(number, COLUMNS)
        left, top, *_ = self.card
        return left + STEP * (column + 0.5), top + CARD_HEAD + STEP * (row + 0.42)


def mix_paints(rng: random.Random, count: int, step: float) -> Chart:
    """`count` tiles around one colour, which differ by at least `step` levels in at least one channel."""
    middle = [rng.uniform(85, 175) for _ in range(3)]
    ways = rng.sample(list(itertools.product((-1, 0, 1), repeat=3)), count)
    tiles = tuple(
        (round(middle[0] + way[0] * step), round(middle[1] + way[1] * step), round(middle[2] + way[2] * step))
        for way in ways
    )
    jitter, right = rng.uniform(-18, 18), rng.random() < 0.5
    return Chart(
        tiles=tiles,
        figure=rng.choice(FIGURES),
        match=rng.randrange(count),
        card_left=(45 if right else 515) + jitter,
        mount=((870 if right else 250) + jitter, rng.uniform(240, 390)),
    )


def paint(chart: Chart, rng: random.Random) -> EncodedImage:
    """The painter's bench as a photograph."""
    wood = rng.choice(WOODS)
    canvas = Canvas(WIDTH, HEIGHT, wood)
    _paint_bench(canvas, wood, rng)
    card, (x, y) = chart.card, chart.mount
    mount = (x - MOUNT / 2, y - MOUNT / 2, x + MOUNT / 2, y + MOUNT / 2)
    for left, top, right, bottom in (card, mount):
        canvas.shadows([box(left, top, right, bottom)], 7, 9, 0.25)
        canvas.rectangle(left, top, right, bottom, PAPER, mix(PAPER, "black", 0.2), 1)
    canvas.text((card[0] + card[2]) / 2, card[1] + 24, "COLOUR CARD", 15, "#55504a", "serif-bold")
    for number, tile in enumerate(chart.tiles):
        x, y = chart.tile_middle(number)
        half = TILE / 2
        canvas.rectangle(x - half, y - half, x + half, y + half, tile)
        canvas.text(x, y + half + 16, str(number + 1), 17, "#3a3632", "serif-bold")
    _paint_figure(canvas, chart)
    _paint_brushes(canvas, chart.mount[0], rng)
    return as_jpeg(daylight(canvas, rng), rng.randint(90, 94), fine_colour=True)


def _paint_bench(canvas: Canvas, wood: str, rng: random.Random) -> None:
    for plank in range(6):
        top = plank * HEIGHT / 6
        plank_tone = mix(wood, "black" if rng.random() < 0.5 else "white", rng.uniform(0, 0.1))
        canvas.rectangle(0, top, WIDTH, top + HEIGHT / 6 - 2, plank_tone)
    grain(canvas, 0, HEIGHT, 130, wood, rng)
    for _ in range(14):
        x, y, tone = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.choice(BRUSHES)
        splash = [
            (x + rng.uniform(0.7, 1.3) * (px - x), y + rng.uniform(0.7, 1.3) * (py - y))
            for px, py in regular(x, y, rng.uniform(3, 16), 11)
        ]
        canvas.polygon(splash, tone, alpha=0.75)


def _paint_brushes(canvas: Canvas, middle: float, rng: random.Random) -> None:
    for place in range(3):
        x, y = middle + (place - 1) * 100 + rng.uniform(-15, 15), 680 + rng.uniform(-12, 12)
        turn, long = rng.uniform(-0.5, 0.5), rng.uniform(180, 240)
        dx, dy = math.cos(turn), math.sin(turn)

        def at(along: float, x: float = x, y: float = y, dx: float = dx, dy: float = dy) -> Point:
            return x + along * dx, y + along * dy

        canvas.line([(px + 5, py + 8) for px, py in (at(-long / 2), at(long / 2))], "black", 9, alpha=0.22)
        canvas.line([at(-long / 2), at(long * 0.25)], rng.choice(("#d8b27a", "#7c3f32", "#2f4a5e")), 9)
        canvas.line([at(long * 0.25), at(long * 0.36)], "#c9ccd0", 11)
        canvas.line([at(long * 0.37), at(long * 0.47)], "#4a382c", 12)
        canvas.line([at(long * 0.44), at(long * 0.5)], rng.choice(BRUSHES), 10)


def _paint_figure(canvas: Canvas, chart: Chart) -> None:
    (x, y), r = chart.mount, 118.0
    colour = chart.tiles[chart.match]
    outline = [(x + px * r, y + py * r) for px, py in _silhouette(chart.figure)]
    canvas.polygon([(px + 4, py + 6) for px, py in outline], "black", alpha=0.3)
    canvas.polygon(outline, colour)
    if chart.figure in ("fish", "bird"):
        canvas.circle(x + 0.52 * r, y - 0.14 * r, 5, "#2b2622")


def _silhouette(figure: str) -> list[Point]:
    """Outline of a wooden figure of radius 1; its middle belongs to it."""
    turns_ = [step * math.pi / 20 for step in range(21)]
    if figure == "fish":
        upper = [(0.85 * math.cos(t), -0.48 * math.sin(t)) for t in turns_[:17]]
        lower = [(px, -py) for px, py in reversed(upper)]
        return [*upper, (-1.0, -0.5), (-0.86, 0.0), (-1.0, 0.5), *lower]
    if figure == "leaf":
        right = [(0.55 * math.sin(t) ** 1.2, -math.cos(t)) for t in turns_]
        return right + [(-px, py) for px, py in reversed(right)]
    if figure == "house":
        return [(-0.7, 0.85), (-0.7, -0.1), (-0.9, -0.1), (0, -0.95), (0.9, -0.1), (0.7, -0.1), (0.7, 0.85)]
    body = [(0.55 * math.cos(t) - 0.05, 0.1 + 0.55 * math.sin(t)) for t in turns_]
    return [
        (0.55, 0.1),
        *body[1:-1],
        (-0.95, -0.25),
        (-0.45, -0.15),
        (-0.1, -0.35),
        (0.3, -0.45),
        (0.65, -0.35),
        (0.95, -0.1),
        (0.68, -0.02),
    ]


MATCH = """
import numpy as np
pixels = np.asarray(image_1.convert("RGB"), dtype=float)
height, width, _ = pixels.shape
def patch(x, y, half):
    x, y, half = x * width, y * height, half * width
    return pixels[int(y - half):int(y + half), int(x - half):int(x + half)].mean((0, 1))
def paint(x, y, reach):
    # The light at a place is what white paper on either side of it shows.
    paper = (patch(x - reach, y, {half} / 4) + patch(x + reach, y, {half} / 4)) / 2
    return patch(x, y, {half}) / paper
wanted = paint(*{figure}, {figure_reach})
tiles = [paint(x, y, {tile_reach}) for x, y in {tiles}]
apart = [float(np.abs(tile - wanted).max() * 255) for tile in tiles]
print([round(one, 1) for one in apart])
print(int(np.argmin(apart)) + 1)
"""
"""Divides the paint of figure and tiles by the white paper beside them, and compares."""


class ColourMatch:
    """Which tile has exactly the colour of the figure?"""

    name = "colour-match"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "tiles": Knob(8, 16, "tiles on the card"),
        "step": Knob(26, 8, "difference between the closest tiles in grey levels of one channel"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A card of tiles and a figure painted like one of them."""
        return _plan(mix_paints(rng, int(knobs["tiles"]), knobs["step"]))

    def oracle(self, task: Task) -> Oracle:
        """Measure figure and tiles against the paper around them."""
        program = MATCH.format(**task.metadata)
        seen = yield turns.code("The eye is easily fooled by light. Let me measure the paints.", program)
        number = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"Closest is tile {number}.", number)


def _plan(chart: Chart) -> Plan:
    def twin(rng: random.Random) -> Plan:
        return _plan(replace(chart, match=rng.randrange(len(chart.tiles))))

    return Plan(
        key="paints/" + " ".join("{:02x}{:02x}{:02x}".format(*tile) for tile in chart.tiles),
        question=(
            "What is the number of the tile on the colour card that is painted exactly like the wooden "
            f"{chart.figure}?"
        ),
        answer=Answer(str(chart.match + 1), aliases=(f"tile {chart.match + 1}",)),
        draw=lambda rng: (paint(chart, rng),),
        twin=twin,
        metadata={
            "figure": _shares(chart.mount),
            "figure_reach": round(143 / WIDTH, 4),
            "tiles": [_shares(chart.tile_middle(number)) for number in range(len(chart.tiles))],
            "tile_reach": round(TILE * 0.68 / WIDTH, 4),
            "half": round(TILE * 0.3 / WIDTH, 4),
        },
    )


def _shares(place: Point) -> list[float]:
    return [round(place[0] / WIDTH, 4), round(place[1] / HEIGHT, 4)]


COLOUR_MATCH = ColourMatch()
