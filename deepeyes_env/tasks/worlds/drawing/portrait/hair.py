"""Hair, behind the head and before it."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Point, mix
from deepeyes_env.tasks.worlds.drawing.portrait.face import face_width
from deepeyes_env.tasks.worlds.drawing.portrait.facts import HAIRS, SKINS, Portrait
from deepeyes_env.tasks.worlds.drawing.portrait.strands import paint_strands


def paint_hair_behind(brush: Brush, look: Portrait) -> None:
    """The hair that is seen beside the neck."""
    tone, wide = mix(HAIRS[look.hair], "black", 0.25), face_width(look)
    if look.cut == "long":
        brush.blob(
            [
                (0, -0.64),
                (wide * 1.25, -0.35),
                (wide * 1.5, 0.3),
                (wide * 1.4, 0.85),
                (-wide * 1.4, 0.85),
                (-wide * 1.5, 0.3),
                (-wide * 1.25, -0.35),
            ],
            tone,
        )
    elif look.cut == "bun":
        brush.oval(look.turn * -0.06, -0.66, 0.2, 0.17, tone)
        brush.oval(look.turn * -0.06 - 0.05, -0.7, 0.09, 0.06, mix(HAIRS[look.hair], "white", 0.3), 0.35)
    elif look.cut == "curls":
        for side in (-1, 1):
            for step in range(6):
                brush.oval(
                    side * wide * (1.02 + 0.06 * (step % 2)),
                    -0.3 + step * 0.14,
                    0.12,
                    0.11,
                    mix(tone, "white", 0.05 * (step % 3)),
                )
    elif look.cut == "braids":
        for side in (-1, 1):
            for step in range(8):
                brush.oval(
                    side * wide * (1.12 + 0.05 * step / 8),
                    -0.05 + step * 0.12,
                    0.09,
                    0.075,
                    mix(tone, "white", 0.12 * (step % 2)),
                    tilt=side * 25,
                )


def paint_hair_before(brush: Brush, look: Portrait, hand: random.Random) -> None:
    """The hair that frames the forehead."""
    if look.cut == "bald":
        brush.oval(look.light * 0.12, -0.4, 0.1, 0.035, "white", 0.25, tilt=look.light * 14)
        for side in (-1, 1):
            brush.blob(
                [
                    (side * face_width(look) * 0.98, -0.22),
                    (side * face_width(look) * 1.1, -0.02),
                    (side * face_width(look) * 1.0, 0.12),
                    (side * face_width(look) * 0.9, -0.06),
                ],
                HAIRS[look.hair],
            )
        return
    tone, wide, shift = HAIRS[look.hair], face_width(look), look.turn * 0.03
    top = -0.64 if look.woman else -0.6
    out = wide * 1.12
    brow = {
        "receding": -0.43,
        "fringe": -0.14,
        "parted": -0.3,
        "bun": -0.33,
        "short": -0.3,
        "side": -0.27,
        "curls": -0.28,
    }.get(look.cut, -0.3)
    low = 0.1 if look.woman else -0.02
    if look.cut in ("parted", "bun", "long", "braids"):
        edge: list[Point] = [
            (wide * 0.92, low),
            (wide * 0.85, -0.16),
            (wide * 0.45, brow + 0.03),
            (shift, brow - 0.12),
            (-wide * 0.45, brow + 0.03),
            (-wide * 0.85, -0.16),
            (-wide * 0.92, low),
        ]
    elif look.cut == "side":
        edge = [
            (wide * 0.94, low),
            (wide * 0.84, -0.18),
            (wide * 0.3, brow),
            (-wide * 0.35, brow - 0.1),
            (-wide * 0.62, brow - 0.06),
            (-wide * 0.88, -0.16),
            (-wide * 0.94, low),
        ]
    elif look.cut == "receding":
        edge = [
            (wide * 0.96, low),
            (wide * 0.86, -0.22),
            (wide * 0.6, -0.44),
            (shift + 0.03, brow),
            (-wide * 0.6, -0.44),
            (-wide * 0.86, -0.22),
            (-wide * 0.96, low),
        ]
    else:
        edge = [
            (wide * 0.94, low),
            (wide * 0.84, -0.16),
            (wide * 0.5, brow + 0.02),
            (shift, brow - 0.02),
            (-wide * 0.5, brow + 0.02),
            (-wide * 0.84, -0.16),
            (-wide * 0.94, low),
        ]
    crown: list[Point] = [
        (-out, 0.02),
        (-out * 1.02, -0.26),
        (-wide * 0.74, -0.52),
        (0, top),
        (wide * 0.74, -0.52),
        (out * 1.02, -0.26),
        (out, 0.02),
    ]
    brush.blob([*crown, *edge], tone)
    paint_strands(brush, (-wide * 0.7, -0.54, -wide * 0.05, -0.46), (-0.1, 0.12), tone, hand, 12)
    paint_strands(brush, (wide * 0.05, -0.54, wide * 0.7, -0.46), (0.1, 0.12), tone, hand, 12)
    brush.oval(look.light * wide * 0.5, -0.47, wide * 0.36, 0.05, "#fff3df", 0.14, tilt=look.light * 24)
    if look.cut == "curls":
        for step in range(9):
            px = -wide * 1.0 + step * wide * 0.25
            py = -0.42 - 0.17 * (1 - (px / wide) ** 2)
            brush.oval(px, py, 0.1, 0.09, mix(tone, "white" if step % 2 else "black", 0.09))
        for step in range(7):
            brush.oval(
                -wide * 0.8 + step * wide * 0.27,
                -0.36 - 0.05 * (step % 2),
                0.075,
                0.065,
                mix(tone, "black", 0.08 + 0.06 * (step % 3)),
            )
    if look.cut in ("parted", "bun", "braids"):
        brush.stroke([(shift, -0.6), (shift, brow - 0.13)], mix(SKINS[look.skin], tone, 0.35), 0.014, 0.8)
