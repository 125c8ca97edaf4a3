"""Perception: a luggage label that is turned, perhaps mirrored, faded and grainy; what does it say?"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, box, closed, mix, rgb, text_path
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 1120, 784

LABEL_WIDTH, LABEL_HEIGHT = 430, 210
"""Size of the label in pixels."""

LETTERS, DIGITS = "ABCDEFGHJKLMNPRSTUVWXYZ", "23456789"
"""Letters and digits that are not easily taken for one another."""

LEATHERS = ("#6b4630", "#54382a", "#7a5238", "#4a3a35", "#5c4a3a", "#48525c")
PAPERS = ("#f3ead2", "#f1efe6", "#efe6d8", "#e9eee6")
STRIPES = ("#b23a34", "#2f5d9a", "#2f7a55", "#7a4a8f")
PLACES = ("HARBOUR", "GRAND HOTEL", "RAILWAY", "STEAMSHIP LINE", "LEFT LUGGAGE", "CUSTOMS")


@dataclass(frozen=True, slots=True)
class Label:
    """A label and how it is spoilt.

    Attributes:
        code: What it says.
        x: Its middle in pixels.
        y: Its middle in pixels.
        angle: Clockwise degrees.
        mirrored: Whether it is seen in a mirror.
        contrast: Grey levels between ink and paper.
        noise: Standard deviation of the picture's noise in grey levels.
    """

    code: str
    x: float
    y: float
    angle: float
    mirrored: bool
    contrast: float
    noise: float


def draw_code(rng: random.Random) -> str:
    """Three letters and three digits."""
    return "".join(rng.choices(LETTERS, k=3)) + " " + "".join(rng.choices(DIGITS, k=3))


def other_code(rng: random.Random, code: str) -> str:
    """The same code but for one of its signs."""
    place = rng.choice((0, 1, 2, 4, 5, 6))
    signs = LETTERS if place < 3 else DIGITS
    return code[:place] + rng.choice(signs.replace(code[place], "")) + code[place + 1 :]


def paint(label: Label, rng: random.Random) -> EncodedImage:
    """The trunk with its label as a photograph."""
    canvas = _paint_trunk(rng)
    paper, stripe, place = rng.choice(PAPERS), rng.choice(STRIPES), rng.choice(PLACES)
    _paint_label(canvas, label, paper, stripe, place)
    return as_jpeg(daylight(canvas, rng, noise=label.noise), rng.randint(86, 92))


def _paint_trunk(rng: random.Random) -> Canvas:
    leather = rng.choice(LEATHERS)
    canvas = Canvas(WIDTH, HEIGHT, leather)
    for tone in ("black", "white"):
        scuffs = [
            [(x, y), (x + rng.uniform(4, 46), y + rng.uniform(-8, 8))]
            for x, y in ((rng.uniform(-30, WIDTH), rng.uniform(0, HEIGHT)) for _ in range(150))
        ]
        canvas.lines(scuffs, mix(leather, tone, 0.1), 1.4)
    for _ in range(5):
        x, y, long = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(60, 110)
        sticker = rng.choice(("#8a5a3a", "#5f6f52", "#6d4f63", "#4f6470", "#8a7440"))
        canvas.circle(x, y, long * 0.62, sticker, mix(sticker, "black", 0.4), 2)
        canvas.circle(x, y, long * 0.5, None, mix(sticker, "#e8d9b0", 0.35), 2)
        canvas.text(
            x, y, rng.choice(PLACES), long * 0.11, mix(sticker, "#e8d9b0", 0.5), "bold", rng.uniform(-40, 40)
        )
    strap = mix(leather, "black", 0.45)
    for x in (130 + rng.uniform(-30, 30), WIDTH - 130 + rng.uniform(-30, 30)):
        canvas.rectangle(x - 38, 0, x + 42, HEIGHT, mix(leather, "black", 0.2))
        canvas.rectangle(x - 36, 0, x + 36, HEIGHT, strap)
        stitches = [[(x + side, y), (x + side, y + 9)] for side in (-29, 29) for y in range(0, HEIGHT, 16)]
        canvas.lines(stitches, mix(strap, "#d8b88a", 0.45), 1.6)
        canvas.rectangle(x - 46, 60, x + 46, 128, None, "#9a8250", 9)
        canvas.line([(x, 66), (x, 122)], "#8a7444", 7)
    return canvas


def _paint_label(canvas: Canvas, label: Label, paper: str, stripe: str, place: str) -> None:
    """The label; when it is upright a stripe is near its upper edge, and a hole at its left end."""
    lie = (
        Affine2D()
        .translate(-LABEL_WIDTH / 2, -LABEL_HEIGHT / 2)
        .scale(-1 if label.mirrored else 1, 1)
        .rotate_deg(label.angle)
        .translate(label.x, label.y)
    )

    def lay(path: Path, fill: Colour | None, outline: Colour | None = None, width: float = 0.0) -> None:
        canvas.path(lie.transform_path(path), fill, outline, width)

    card = _card()
    canvas.shadows([np.asarray(lie.transform(card))], 6, 9, 0.4)
    lay(closed(card), paper)
    lay(closed(box(0, LABEL_HEIGHT * 0.1, LABEL_WIDTH, LABEL_HEIGHT * 0.22)), stripe)
    lay(text_path(LABEL_WIDTH / 2, LABEL_HEIGHT * 0.16, place, 16, "bold"), mix(stripe, "white", 0.85))
    lay(Path.circle((26, LABEL_HEIGHT * 0.58), 11), "#2a211b", "#a3803c", 5)
    # As many levels below the paper in every channel: faded ink keeps the paper's tint.
    red, green, blue = rgb(paper)
    fade = round(label.contrast)
    ink = red - fade, green - fade, blue - fade
    lay(text_path(LABEL_WIDTH / 2 + 14, LABEL_HEIGHT * 0.58, label.code, 62, "bold"), ink)
    rule = Path([(60, LABEL_HEIGHT * 0.8), (LABEL_WIDTH - 30, LABEL_HEIGHT * 0.8)])
    lay(rule, None, mix(paper, "black", 0.12), 1.5)


@lru_cache(maxsize=1)
def _card() -> list[Point]:
    """The label's outline in pixels from its upper left corner; its corners are round."""
    radius, rim = 16, []
    middles = box(radius, radius, LABEL_WIDTH - radius, LABEL_HEIGHT - radius)
    for corner, (x, y) in enumerate(middles):
        for step in range(9):
            turn = math.pi * (1 + corner / 2 + step / 16)
            rim.append((x + radius * math.cos(turn), y + radius * math.sin(turn)))
    return rim


STRAIGHTEN = """
grey = image_1.convert("L")
light = np.asarray(grey.reduce(4), dtype=float)
label = max(blobs_of(light > 158), key=len)
middle = label.mean(0)
spread = (label - middle)[:, ::-1]
axis = np.linalg.eigh(spread.T @ spread)[1][:, 1]
angle = np.degrees(np.arctan2(axis[1], axis[0]))
x, y = (float(v) * 4 + 2 for v in middle[::-1])
half = [float(v) * 4 for v in np.abs(spread @ np.stack([axis, [-axis[1], axis[0]]], 1)).max(0)]
centre = image_1.width / 2, image_1.height / 2
flat = grey.rotate(angle, resample=3, center=(x, y), translate=(centre[0] - x, centre[1] - y))
x, y = centre
part = flat.crop((int(x - half[0]), int(y - half[1]), int(x + half[0]), int(y + half[1])))
def beyond(side):
    edges = sorted(y + side * half[1] * far for far in (1.36, 1.5))
    box = (int(x - half[0] / 2), int(edges[0]), int(x + half[0] / 2), int(edges[1]))
    return np.asarray(flat.crop(box)).mean()
if beyond(1) > beyond(-1):
    part = part.rotate(180)
seen = np.asarray(part, dtype=float)
rows, columns = seen.shape
ends = seen[int(rows * 0.5):int(rows * 0.66)]
near, far = slice(int(columns * 0.03), int(columns * 0.1)), slice(int(columns * 0.9), int(columns * 0.97))
if ends[:, near].mean() > ends[:, far].mean():
    part = part.transpose(0)
seen = np.asarray(part.reduce(3), dtype=float)
text = seen[int(rows * 0.14):int(rows * 0.25), int(columns * 0.06):int(columns * 0.28)]
low, high = (float(v) for v in np.percentile(text, (2, 90)))
part = part.reduce(3).resize(part.size, 3)
part.point([min(255, max(0, int((v - low) / (high - low) * 255))) for v in range(256)]).show()
"""
"""Finds the label, turns its long side level, its stripe up, its hole to the left, and stretches contrast.

The stripe cuts a strip of paper off the rest, so it is where paper shows again beyond the largest bright
piece. Numbers 0 and 3 are PIL's `FLIP_LEFT_RIGHT` and `BICUBIC`.
"""


class SpoiltLabel:
    """What code is on the label?"""

    name = "spoilt-label"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "turn": Knob(30.5, 180, "degrees that the label is turned at most, to either side"),
        "mirrored": Knob(0.1, 0.9, "chance that it is seen in a mirror"),
        "contrast": Knob(80, 24, "grey levels between ink and paper"),
        "noise": Knob(3, 16, "standard deviation of the noise in grey levels"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A label with a code."""
        return _plan(
            Label(
                code=draw_code(rng),
                x=WIDTH / 2 + rng.uniform(-170, 170),
                y=HEIGHT / 2 + rng.uniform(-90, 90),
                angle=rng.uniform(-1, 1) * knobs["turn"],
                mirrored=rng.random() < knobs["mirrored"],
                contrast=knobs["contrast"],
                noise=knobs["noise"],
            )
        )

    def oracle(self, task: Task) -> Oracle:
        """Turn the label upright, undo the mirror, bring out the ink, and read."""
        program = sight.MASK_OF + sight.BLOBS_OF + STRAIGHTEN
        seen = yield turns.code("The label is askew and faded. Let me straighten and enhance it.", program)
        code = task.metadata["code"] if seen.images else turns.UNKNOWN
        yield turns.answer(f"Now I can read it: {code}.", code)


def _plan(label: Label) -> Plan:
    def twin(rng: random.Random) -> Plan:
        return _plan(replace(label, code=other_code(rng, label.code)))

    return Plan(
        key=f"label/{label.x:.2f} {label.y:.2f} {label.angle:.2f}",
        question=(
            "What code of three letters and three digits is written on the luggage label, read the right "
            "way round?"
        ),
        answer=Answer(label.code, aliases=(label.code.replace(" ", ""), label.code.replace(" ", "-"))),
        draw=lambda rng: (paint(label, rng),),
        twin=twin,
        metadata={"code": label.code},
    )


SPOILT_LABEL = SpoiltLabel()
