"""The paper's figures, as data beside which the microcosm's are shown.

From reference 5.5 and 5.6, which read the curves off the paper's figures (arXiv 2511.05271): approximate.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of the paper.

    Attributes:
        title: What it shows.
        steps: Training steps, or None where the figure names no steps.
        values: Its values there.
        source: Where it comes from.
    """

    title: str
    steps: tuple[float, ...]
    values: tuple[float, ...]
    source: str


CALLS_WITHOUT_BONUS = Curve(
    "calls per question, direct RL", (0, 20), (0.8, 0.0), "figure 4, read off (reference 5.6)"
)
CALLS_WITH_BONUS = Curve(
    "calls per question, direct RL with a tool bonus",
    (0, 10, 20),
    (0.85, 1.8, 1.0),
    "figure 4, read off (reference 5.6): exactly 1.0 from step 20 on, one cell of comments",
)

SFT_BY_DATA: dict[str, dict[str, float]] = {
    "none": {"V*": 63.9, "CharXiv-r": 35.7, "MathVerse": 36.2},
    "perception": {"V*": 78.0, "CharXiv-r": 40.8, "MathVerse": 38.4},
    "reasoning": {"V*": 76.9, "CharXiv-r": 38.7, "MathVerse": 36.7},
    "perception + reasoning + long CoT": {"V*": 78.5, "CharXiv-r": 44.3, "MathVerse": 47.1},
}
"""Table 5 (reference 5.5): accuracy in percent by cold-start data; V* is perception, MathVerse reasoning."""

RL_BY_DATA: dict[str, dict[str, float]] = {
    "SFT only": {"V*": 78.5, "MathVerse": 47.1, "MMSearch": 56.8},
    "perception": {"V*": 79.3, "MathVerse": 47.6, "MMSearch": 52.6},
    "reasoning": {"V*": 77.4, "MathVerse": 49.8, "MMSearch": 53.7},
    "perception + reasoning": {"V*": 80.9, "MathVerse": 52.0, "MMSearch": 55.0},
    "perception + reasoning + search": {"V*": 81.8, "MathVerse": 52.7, "MMSearch": 63.7},
}
"""Table 6 (reference 5.5): accuracy in percent by RL data."""

TOOL_USE: dict[str, tuple[float, float]] = {
    "V*": (92.7, 92.1),
    "SEED2+": (87.3, 67.8),
    "CharXiv-d": (89.2, 76.3),
    "CharXiv-r": (92.5, 66.4),
    "MathVista": (95.1, 56.9),
    "MathVerse": (96.8, 78.6),
    "MMSearch": (98.8, 84.2),
    "InfoSeek": (99.0, 58.9),
}
"""Figure 7 (reference 5.6): share of questions with a tool call in percent, after SFT and after RL."""
