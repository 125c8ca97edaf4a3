"""The face, its beard and its glasses."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Point, mix
from deepeyes_env.tasks.worlds.drawing.portrait.facts import HAIRS, IRISES, SKINS, Portrait
from deepeyes_env.tasks.worlds.drawing.portrait.strands import paint_strands


def face_width(look: Portrait) -> float:
    """Half the width of the face in units."""
    return 0.36 + 0.022 * look.width - (0.02 if look.woman else 0.0)


def paint_face(brush: Brush, look: Portrait, hand: random.Random) -> None:
    """The face without its features."""
    skin, wide, chin = SKINS[look.skin], face_width(look), 0.5 if look.woman else 0.54
    far = look.turn * 0.02
    for side in (-1, 1):
        if side * look.turn < 1:
            brush.oval(side * wide * 0.99 - far, 0.06, 0.055, 0.1, mix(skin, "#7a3a2a", 0.18))
    jaw = 0.62 if look.woman else 0.74
    outline: list[Point] = [
        (0, -0.5),
        (wide * 0.72, -0.4),
        (wide, -0.08),
        (wide * 0.93, 0.16),
        (wide * jaw, 0.38),
        (wide * 0.3, chin),
        (-wide * 0.3, chin),
        (-wide * jaw, 0.38),
        (-wide * 0.93, 0.16),
        (-wide, -0.08),
        (-wide * 0.72, -0.4),
    ]
    brush.blob(outline, skin)
    dark = -look.light
    for reach, alpha in ((0.35, 0.10), (0.55, 0.12), (0.75, 0.14)):
        brush.blob(
            [
                (dark * wide * reach, -0.42),
                (dark * wide * 0.97, -0.1),
                (dark * wide * 0.92, 0.16),
                (dark * wide * jaw, 0.38),
                (dark * wide * 0.25, chin - 0.02),
                (dark * wide * (reach * 0.8), 0.2),
            ],
            mix(skin, "#4a1f14", 0.55),
            alpha,
        )
    brush.oval(look.light * wide * 0.3, -0.26, wide * 0.5, 0.13, "#fff3df", 0.2)
    brush.oval(look.light * wide * 0.52, 0.1, 0.1, 0.08, "#fff3df", 0.16)
    for side in (-1, 1):
        brush.oval(side * wide * 0.55 + far, 0.16, 0.11, 0.075, "#c2553f", 0.15)
    brush.blob([(-0.12, chin - 0.06), (0.12, chin - 0.06), (0, chin - 0.01)], "#7a3a26", 0.12)
    lines = []
    for _ in range(12):
        px, py = hand.uniform(-wide * 0.7, wide * 0.7), hand.uniform(-0.32, 0.36)
        lines.append([(px, py), (px + 0.05, py + hand.uniform(-0.05, 0.05))])
    brush.strokes(lines, mix(skin, "white", 0.4), 0.018, 0.14)


def paint_features(brush: Brush, look: Portrait) -> None:
    """Eyes, brows, nose and mouth."""
    skin, wide = SKINS[look.skin], face_width(look)
    ink = mix(skin, "#2a120c", 0.75)
    shift = look.turn * 0.045
    gaze = look.turn * 0.007
    for side in (-1, 1):
        ex, ey = side * wide * 0.44 + shift, 0.02
        brush.blob(
            [(ex - 0.09, ey - 0.05), (ex + 0.09, ey - 0.05), (ex + 0.08, ey + 0.05), (ex - 0.08, ey + 0.05)],
            mix(skin, "#4a1f14", 0.4),
            0.25,
        )
        brush.blob(
            [(ex - 0.072, ey + 0.006), (ex, ey - 0.036), (ex + 0.072, ey + 0.006), (ex, ey + 0.032)],
            "#f3ece0",
        )
        brush.oval(ex + gaze, ey - 0.002, 0.033, 0.035, IRISES[look.iris])
        brush.oval(ex + gaze, ey - 0.002, 0.016, 0.017, "#120c0a")
        brush.oval(ex + gaze + look.light * 0.012, ey - 0.013, 0.008, 0.008, "white")
        brush.stroke(
            [
                (ex - 0.078, ey + 0.008),
                (ex - 0.03, ey - 0.033),
                (ex + 0.03, ey - 0.034),
                (ex + 0.08, ey + 0.004),
            ],
            ink,
            0.017,
        )
        brush.stroke([(ex - 0.055, ey + 0.045), (ex, ey + 0.058), (ex + 0.055, ey + 0.045)], ink, 0.009, 0.35)
        brow = mix(HAIRS[look.hair], "#2a1a12", 0.35)
        lift = 0.012 if look.mouth else -0.005
        brush.stroke(
            [(ex - side * 0.09, ey - 0.085), (ex, ey - 0.115 - lift), (ex + side * 0.095, ey - 0.08)],
            brow,
            0.022 if look.woman else 0.034,
        )
    tip = 0.17 + look.nose * 0.03
    nx = shift * 1.5
    dark = -look.light
    brush.blob(
        [
            (nx * 0.5 + dark * 0.03, -0.05),
            (nx + dark * 0.06, tip - 0.02),
            (nx + dark * 0.01, tip + 0.02),
            (nx * 0.6, 0.05),
        ],
        mix(skin, "#4a1f14", 0.5),
        0.35,
    )
    brush.stroke(
        [(nx * 0.6 + look.light * 0.01, 0.0), (nx + look.light * 0.008, tip - 0.03)], "#fff3df", 0.022, 0.35
    )
    brush.stroke(
        [(nx - 0.06, tip), (nx - 0.025, tip + 0.022), (nx + 0.025, tip + 0.022), (nx + 0.06, tip)],
        ink,
        0.014,
        0.65,
    )
    my, half = tip + 0.13, 0.105 if look.woman else 0.12
    mx = shift * 1.1
    bend = (look.mouth - 0.8) * 0.022
    lip = mix(skin, "#a02c2c", 0.55 if look.woman else 0.32)
    brush.blob(
        [
            (mx - half, my - bend),
            (mx - 0.03, my - 0.028),
            (mx, my - 0.02),
            (mx + 0.03, my - 0.028),
            (mx + half, my - bend),
            (mx, my + 0.01),
        ],
        mix(lip, "black", 0.12),
    )
    brush.blob(
        [(mx - half * 0.85, my), (mx, my + 0.006 + bend), (mx + half * 0.85, my), (mx, my + 0.05)], lip
    )
    brush.stroke(
        [(mx - half - 0.01, my - bend - 0.004), (mx, my + bend * 0.5), (mx + half + 0.01, my - bend - 0.004)],
        mix(lip, "#1a0805", 0.6),
        0.012,
    )
    brush.oval(mx + look.light * 0.03, my + 0.027, 0.03, 0.009, "#fff3df", 0.35)


def paint_beard(brush: Brush, look: Portrait, hand: random.Random) -> None:
    """Beard, moustache or sideburns."""
    if look.beard == "none":
        return
    tone, wide, shift = HAIRS[look.hair], face_width(look), look.turn * 0.05
    row = 0.30 + look.nose * 0.03
    if look.beard == "sideburns":
        for side in (-1, 1):
            brush.blob(
                [
                    (side * wide * 1.02, -0.12),
                    (side * wide * 1.05, 0.2),
                    (side * wide * 0.74, 0.42),
                    (side * wide * 0.55, 0.34),
                    (side * wide * 0.84, 0.12),
                ],
                tone,
            )
            paint_strands(
                brush,
                (side * wide * 0.88 - 0.05, 0.0, side * wide * 0.88 + 0.04, 0.3),
                (0.0, 0.08),
                tone,
                hand,
                10,
            )
        return
    if look.beard == "full":
        brush.blob(
            [
                (-wide * 1.02, 0.0),
                (-wide * 0.8, 0.24),
                (shift - 0.16, row - 0.02),
                (shift, row - 0.045),
                (shift + 0.16, row - 0.02),
                (wide * 0.8, 0.24),
                (wide * 1.02, 0.0),
                (wide * 1.0, 0.4),
                (wide * 0.6, 0.68),
                (0, 0.82),
                (-wide * 0.6, 0.68),
                (-wide * 1.0, 0.4),
            ],
            tone,
        )
        paint_strands(brush, (-wide * 0.75, 0.36, wide * 0.75, 0.6), (0.02, 0.12), tone, hand, 34)
        brush.blob(
            [
                (shift - 0.09, row + 0.03),
                (shift, row + 0.02),
                (shift + 0.09, row + 0.03),
                (shift, row + 0.07),
            ],
            mix(SKINS[look.skin], "#a02c2c", 0.35),
        )
    if look.beard == "goatee":
        brush.blob(
            [
                (shift - 0.1, row + 0.1),
                (shift + 0.1, row + 0.1),
                (shift + 0.08, 0.6),
                (shift, 0.72),
                (shift - 0.08, 0.6),
            ],
            tone,
        )
        paint_strands(brush, (shift - 0.06, row + 0.12, shift + 0.06, 0.56), (0.0, 0.09), tone, hand, 14)
    for side in (-1, 1):
        brush.blob(
            [
                (shift, row - 0.06),
                (shift + side * 0.1, row - 0.055),
                (shift + side * 0.2, row + 0.03),
                (shift + side * 0.1, row + 0.0),
                (shift, row - 0.01),
            ],
            mix(tone, "black", 0.1),
        )


def paint_glasses(brush: Brush, look: Portrait) -> None:
    """Glasses, with the cord of a pince-nez."""
    if look.glasses == "none":
        return
    wide, shift, rim = (
        face_width(look),
        look.turn * 0.045,
        "#8a6a2a" if look.glasses == "round" else "#2b2b2b",
    )
    radius = 0.115 if look.glasses == "round" else 0.095
    for side in (-1, 1):
        brush.oval(side * wide * 0.44 + shift, 0.02, radius, radius, "#dfeaf0", 0.16)
        brush.oval(side * wide * 0.44 + shift, 0.02, radius, radius, None, 1, rim, 0.02)
        if look.glasses == "round":
            brush.stroke(
                [(side * (wide * 0.44 + radius) + shift, 0.0), (side * wide * 1.0, -0.03)], rim, 0.018
            )
    brush.stroke(
        [(-wide * 0.44 + radius + shift, 0.01), (shift, -0.02), (wide * 0.44 - radius + shift, 0.01)],
        rim,
        0.018,
    )
    if look.glasses == "pince-nez":
        brush.stroke(
            [(wide * 0.44 + radius + shift, 0.05), (wide * 1.0, 0.3), (wide * 0.85, 0.7), (wide * 0.4, 1.0)],
            rim,
            0.008,
        )
