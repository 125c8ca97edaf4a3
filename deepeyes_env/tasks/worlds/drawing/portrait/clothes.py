"""What a sitter wears below the chin."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Point, mix
from deepeyes_env.tasks.worlds.drawing.portrait.facts import COATS, SKINS, Portrait


def paint_body(brush: Brush, look: Portrait, hand: random.Random) -> None:
    """Neck, shoulders and what is worn."""
    coat, skin = COATS[look.coat], SKINS[look.skin]
    broad = 0.74 if look.woman else 0.82
    neck = 0.15 if look.woman else 0.2
    lean = look.turn * 0.04
    foot = 1.29 - 0.05 * look.low  # Below the oval's lower end, however deep the sitter is placed.
    brush.blob(
        [(-neck, 0.3), (neck, 0.3), (neck + 0.03, 0.72), (0, 0.86), (-neck - 0.03, 0.72)],
        mix(skin, "#5a2a1a", 0.24),
    )
    torso: list[Point] = [
        (-0.16 - lean, 0.66),
        (0.16 - lean, 0.66),
        (0.52, 0.8),
        (broad, 1.02),
        (broad, foot),
        (-broad, foot),
        (-broad, 1.02),
        (-0.52, 0.8),
    ]
    brush.blob(torso, coat)
    shade = -look.light
    brush.blob(
        [(shade * 0.3, 0.84), (shade * broad * 0.95, 1.05), (shade * broad, foot), (shade * 0.35, foot)],
        "black",
        0.2,
    )
    brush.blob(
        [
            (look.light * 0.36, 0.8),
            (look.light * broad * 0.9, 1.0),
            (look.light * broad * 0.8, 1.16),
            (look.light * 0.42, 0.95),
        ],
        mix(coat, "white", 0.45),
        0.3,
    )
    folds = []
    for _ in range(14):
        px = hand.uniform(-broad * 0.85, broad * 0.85)
        py = hand.uniform(0.92, 1.02)
        folds.append([(px, py), (px + hand.uniform(-0.06, 0.06), py + hand.uniform(0.08, 0.2))])
    brush.strokes(folds, mix(coat, "black", 0.5), 0.02, 0.35)
    _collar(brush, look, lean)


def _collar(brush: Brush, look: Portrait, lean: float) -> None:
    coat, linen = COATS[look.coat], "#efe8d8"
    if look.collar == "cravat":
        brush.blob([(-0.2, 0.6), (0.2, 0.6), (0.26, 0.74), (0, 0.86), (-0.26, 0.74)], linen)
        brush.blob([(-0.07, 0.74), (0.08, 0.74), (0.17, 1.02), (0.02, 1.2), (-0.14, 1.04)], linen)
        brush.stroke([(-0.02, 0.8), (0.02, 0.95), (-0.03, 1.1)], "#b8ad95", 0.018)
        brush.stroke([(0.06, 0.8), (0.09, 0.95), (0.05, 1.08)], "#b8ad95", 0.014)
        brush.oval(0.01, 0.82, 0.035, 0.035, "#b3202c", outline="#e2c36a", width=0.012)
    elif look.collar == "high":
        brush.blob([(-0.24, 0.5), (0.24, 0.5), (0.24, 0.74), (0, 0.82), (-0.24, 0.74)], linen)
        brush.stroke([(-0.24, 0.56), (0, 0.64), (0.24, 0.56)], "#b8ad95", 0.016)
        brush.shape([(-0.02, 0.78), (0.02, 0.78), (0.04, 1.2), (-0.04, 1.2)], mix(coat, "black", 0.35))
        for row in (0.9, 1.02, 1.14):
            brush.oval(0.0, row, 0.022, 0.022, "#d9b65a")
    elif look.collar == "bow":
        brush.blob([(-0.18, 0.62), (0.18, 0.62), (0.24, 0.78), (0, 0.95), (-0.24, 0.78)], linen)
        tie = mix(COATS[(look.coat + 1) % len(COATS)], "#c23a3a", 0.45)
        for side in (-1, 1):
            brush.blob(
                [(0, 0.76), (side * 0.2, 0.66), (side * 0.24, 0.78), (side * 0.19, 0.88)],
                tie,
                1,
                mix(tie, "black", 0.5),
                0.012,
            )
        brush.oval(0, 0.77, 0.05, 0.055, mix(tie, "black", 0.2))
    elif look.collar == "lapels":
        brush.shape([(-0.15, 0.66), (0.15, 0.66), (0, 1.12)], linen)
        for side in (-1, 1):
            brush.shape(
                [(side * 0.13, 0.62), (side * 0.36, 0.82), (side * 0.25, 0.92), (0.0, 1.22)],
                mix(coat, "white", 0.12),
                1,
                mix(coat, "black", 0.4),
                0.012,
            )
        brush.shape([(-0.045, 0.72), (0.045, 0.72), (0.06, 1.02), (-0.06, 1.02)], mix(coat, "#7a2030", 0.7))
    elif look.collar == "lace":
        for side in (-1, 1):
            for step in range(6):
                brush.oval(
                    side * (0.1 + step * 0.075),
                    0.72 + step * 0.028 + 0.05,
                    0.075,
                    0.075,
                    linen,
                    1,
                    "#c4b9a2",
                    0.01,
                )
        brush.blob([(-0.3, 0.66), (0, 0.76), (0.3, 0.66), (0.34, 0.76), (0, 0.9), (-0.34, 0.76)], linen)
        brush.oval(0, 0.86, 0.05, 0.065, "#2f4b6b", outline="#e2c36a", width=0.018)
    else:
        shawl = mix(COATS[(look.coat + 3) % len(COATS)], "#e9d9b8", 0.4)
        for side in (-1, 1):
            brush.blob(
                [
                    (side * 0.2, 0.58),
                    (side * 0.62, 0.84),
                    (side * 0.72, 1.2),
                    (side * 0.3, 1.2),
                    (-side * 0.02, 1.02),
                    (side * 0.1, 0.8),
                ],
                shawl,
                1,
                mix(shawl, "black", 0.35),
                0.012,
            )
            for step in range(3):
                brush.stroke(
                    [(side * (0.24 + step * 0.12), 0.76 + step * 0.05), (side * (0.26 + step * 0.1), 1.15)],
                    mix(shawl, "black", 0.25),
                    0.012,
                )
