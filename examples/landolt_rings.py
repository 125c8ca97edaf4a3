"""A task source of one's own: optician's rings, too small to be read without a closer look.

A ring (Landolt's, ISO 8596: its stroke and its gap are a fifth of its diameter) lies somewhere on a dark
picture. Its four directions have the same ink, so that nothing but the gap tells them apart. The policy sees
the picture at an eighth of its size, its gap half a pixel wide; a crop of the right place shows four times
as much.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from deepeyes_env import Answer, EncodedImage, EnvConfig, Skill, Task
from deepeyes_env.task import Split
from deepeyes_env.wrappers.menu import Menu, answer_options, crop_cells

CELLS, CELL = 2, 112
"""The picture is a grid of 2 x 2 cells of 112 pixels; in the middle of one lies the ring."""

STROKE = 4
"""Stroke and gap of a ring in pixels."""

SIDE = 28
"""Side of what the policy sees, in pixels."""

DIRECTIONS = ("right", "down", "left", "up")

SETTINGS = EnvConfig(
    prompt="minimal",
    tools=frozenset({"code"}),
    max_turns=6,
    max_pixels=56 * 56,  # smaller pictures there are none; `SIDE` halves them
    tool_max_pixels=56 * 56,
    sandbox_pixels="original",  # what its code works on
)

LOOK_AND_ANSWER: Menu = (*crop_cells(CELLS, CELLS, margin=0.25), *answer_options(DIRECTIONS))
ANSWER_ONLY: Menu = answer_options(DIRECTIONS)


@dataclass
class Options:
    """The options of every learner."""

    seed: int = 1
    """seeds the network, the actions and the tasks"""
    looking: bool = True
    """whether crops are on the menu; without them there is nothing to be learned but to guess"""
    curve: Path | None = None
    """where to draw the learning curve (SVG or PNG)"""
    total_steps: int = 18_432
    """turns in all environments together"""
    num_envs: int = 32
    """environments"""
    num_steps: int = 24
    """turns per environment between two updates"""
    test_episodes: int = 256
    """held-out tasks, greedy"""

    def env(self, split: Split) -> dict[str, Any]:
        """Arguments of `DeepEyesMenu-v0`."""
        menu = LOOK_AND_ANSWER if self.looking else ANSWER_ONLY
        return {"config": SETTINGS, "tasks": LandoltRings(), "menu": menu, "side": SIDE, "split": split}


class LandoltRings:
    """Endless tasks: place, direction and colours are drawn from the index."""

    name = "landolt-rings"

    def size(self, split: Split) -> int | None:
        """None: there is always another one."""
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index`; splits have tasks of their own."""
        return _task(index, split)

    def search_engine(self) -> None:
        """There is nothing to be searched."""


@functools.lru_cache(maxsize=64)
def _task(index: int, split: Split) -> Task:
    rng = random.Random(f"landolt-rings/{split}/{index}")
    direction = rng.randrange(4)
    return Task(
        id=f"landolt-rings/{split}/{index}",
        question="On which side is the ring open?",
        images=(EncodedImage.from_pil(_picture(rng, direction)),),
        answer=Answer(DIRECTIONS[direction]),
        skills=frozenset({Skill.PERCEPTION}),
    )


def _picture(rng: random.Random, direction: int) -> Image.Image:
    picture = Image.new("RGB", (CELLS * CELL, CELLS * CELL), tuple(rng.randrange(30) for _ in range(3)))
    middle = (CELL - 5 * STROKE) // 2
    place = (CELL * rng.randrange(CELLS) + middle, CELL * rng.randrange(CELLS) + middle)
    picture.paste(tuple(rng.randrange(200, 256) for _ in range(3)), place, _ring().rotate(-90 * direction))
    return picture


@functools.cache
def _ring() -> Image.Image:
    """A mask, open on the right, drawn finely and made small."""
    fine, side = 16, 5 * STROKE
    mask = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((0, 0, side * fine - 1, side * fine - 1), outline=255, width=STROKE * fine)
    middle = side * fine / 2
    draw.rectangle((middle, middle - STROKE * fine / 2, side * fine, middle + STROKE * fine / 2 - 1), fill=0)
    return mask.resize((side, side), Image.Resampling.BOX)


def draw_curve(path: Path, title: str, curve: list[tuple[int, float]], chance: float, learned: float) -> None:
    """Draw how the share of right answers rose; without a date, so that the same run is the same file."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = title
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 2.8), layout="constrained")
    axes.plot(*zip(*curve, strict=True), color="#1f6f8b", label="while learning (sampled)")
    axes.axhline(
        learned, color="#1f6f8b", linestyle="--", linewidth=1, label=f"learned, held out: {learned:.0%}"
    )
    axes.axhline(chance, color="#999999", linestyle=":", label=f"at random, held out: {chance:.0%}")
    axes.set(title=title, xlabel="turns", ylabel="right answers", ylim=(0, 1.02))
    axes.legend(loc="center right", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
