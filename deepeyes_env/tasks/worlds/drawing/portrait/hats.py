"""Hats and bonnets."""

from __future__ import annotations

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import mix
from deepeyes_env.tasks.worlds.drawing.portrait.face import face_width
from deepeyes_env.tasks.worlds.drawing.portrait.facts import COATS, Portrait


def paint_hat(brush: Brush, look: Portrait) -> None:
    """What is worn on the head."""
    if look.hat == "none":
        return
    wide, tone = face_width(look), mix(COATS[(look.coat + 2) % len(COATS)], "#201c1a", 0.45)
    band = mix(COATS[(look.coat + 4) % len(COATS)], "#c79a4a", 0.35)
    if look.hat == "top":
        brush.shape(
            [(-wide * 0.92, -0.45), (-wide * 1.0, -1.06), (wide * 1.0, -1.06), (wide * 0.92, -0.45)], tone
        )
        brush.oval(0, -1.06, wide * 1.0, 0.06, mix(tone, "white", 0.12))
        brush.shape(
            [(-wide * 0.93, -0.46), (-wide * 0.95, -0.6), (wide * 0.95, -0.6), (wide * 0.93, -0.46)], band
        )
        brush.blob(
            [(-wide * 1.5, -0.42), (0, -0.34), (wide * 1.5, -0.42), (wide * 0.9, -0.5), (-wide * 0.9, -0.5)],
            mix(tone, "black", 0.2),
        )
        brush.shape(
            [
                (look.light * wide * 0.5, -1.04),
                (look.light * wide * 0.7, -1.04),
                (look.light * wide * 0.66, -0.6),
                (look.light * wide * 0.48, -0.6),
            ],
            "white",
            0.12,
        )
    elif look.hat == "bowler":
        brush.blob(
            [
                (-wide * 0.98, -0.44),
                (-wide * 0.92, -0.74),
                (0, -0.95),
                (wide * 0.92, -0.74),
                (wide * 0.98, -0.44),
                (0, -0.4),
            ],
            tone,
        )
        brush.blob(
            [
                (-wide * 1.4, -0.47),
                (0, -0.34),
                (wide * 1.4, -0.47),
                (wide * 0.95, -0.5),
                (0, -0.43),
                (-wide * 0.95, -0.5),
            ],
            mix(tone, "black", 0.25),
        )
        brush.stroke([(-wide * 0.96, -0.52), (0, -0.46), (wide * 0.96, -0.52)], band, 0.05)
        brush.oval(look.light * wide * 0.4, -0.78, wide * 0.25, 0.06, "white", 0.14, tilt=look.light * 25)
    elif look.hat == "beret":
        brush.blob(
            [
                (-wide * 1.1, -0.42),
                (-wide * 1.3, -0.66),
                (0.1, -0.86),
                (wide * 1.5, -0.6),
                (wide * 1.2, -0.42),
                (0, -0.46),
            ],
            tone,
        )
        brush.stroke([(-wide * 1.02, -0.42), (0, -0.47), (wide * 1.05, -0.42)], mix(tone, "black", 0.4), 0.06)
        brush.oval(look.light * wide * 0.5, -0.68, wide * 0.4, 0.06, "white", 0.12, tilt=look.light * 12)
    elif look.hat == "wide":
        brush.blob(
            [
                (-wide * 1.9, -0.42),
                (-wide * 0.9, -0.58),
                (wide * 0.9, -0.58),
                (wide * 1.9, -0.42),
                (wide * 0.9, -0.3),
                (-wide * 0.9, -0.3),
            ],
            tone,
        )
        brush.blob(
            [
                (-wide * 0.9, -0.46),
                (-wide * 0.75, -0.76),
                (0, -0.84),
                (wide * 0.75, -0.76),
                (wide * 0.9, -0.46),
                (0, -0.4),
            ],
            mix(tone, "white", 0.08),
        )
        brush.stroke([(-wide * 0.88, -0.5), (0, -0.44), (wide * 0.88, -0.5)], band, 0.06)
        brush.blob(
            [(wide * 0.6, -0.5), (wide * 1.2, -0.9), (wide * 1.6, -0.95), (wide * 1.25, -0.7)],
            mix(band, "white", 0.3),
        )
        brush.stroke([(wide * 0.65, -0.52), (wide * 1.5, -0.92)], mix(band, "black", 0.3), 0.012)
    else:
        lace = mix("#efe8d8", COATS[look.coat], 0.12)
        brush.blob(
            [
                (-wide * 1.16, 0.16),
                (-wide * 1.24, -0.3),
                (-wide * 0.7, -0.7),
                (0, -0.78),
                (wide * 0.7, -0.7),
                (wide * 1.24, -0.3),
                (wide * 1.16, 0.16),
                (wide * 0.98, -0.1),
                (wide * 0.8, -0.36),
                (0, -0.5),
                (-wide * 0.8, -0.36),
                (-wide * 0.98, -0.1),
            ],
            lace,
            1,
            "#b8ad95",
            0.012,
        )
        for step in range(9):
            px = -wide * 0.98 + step * wide * 0.245
            brush.oval(
                px,
                -0.1 - 0.4 * (1 - (px / wide) ** 2) ** 0.5 - 0.03,
                0.055,
                0.05,
                "#f7f2e6",
                1,
                "#c4b9a2",
                0.008,
            )
        brush.stroke(
            [(-wide * 1.1, 0.12), (-wide * 0.6, 0.52), (0, 0.62), (wide * 0.6, 0.52), (wide * 1.1, 0.12)],
            mix(band, "white", 0.2),
            0.03,
        )
