"""What the environments are measured with: instant questions and tools that only take their time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from benchmarks.speed.pictures import picture
from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox.base import CellResult, CellStatus
from deepeyes_env.task import Answer, Task
from deepeyes_env.testing import ListSource

LOOK = "<think>I look closer.</think>\n<code>\n```python\nimage_1.show()\n```\n</code>"
SAY = "<think>I see.</think>\n<answer>7</answer>"

PICTURES = 16
"""Different pictures, and so many different tasks."""

SMALL = 112
"""Side of the question's picture where tools show none."""

PROMPT = "minimal"
"""Prompt variant: what is measured is the loop, not a long prompt."""


@dataclass(frozen=True, kw_only=True)
class EnvLoad:
    """What every contender plays.

    Attributes:
        envs: Episodes at once.
        turns: Turns of an episode; all but the last call a tool.
        waves: Episodes that each place plays, one after the other.
        latency: Wall time of a tool call in seconds.
        side: Side of the pictures in pixels; 0: tools show none.
    """

    envs: int
    turns: int
    waves: int
    latency: float
    side: int

    @property
    def episodes(self) -> int:
        """Episodes of a round."""
        return self.envs * self.waves

    @property
    def steps(self) -> int:
        """Turns of a round."""
        return self.episodes * self.turns

    @property
    def tools(self) -> int:
        """Tool calls of a round."""
        return self.steps - self.episodes

    @property
    def name(self) -> str:
        """As the tables show it."""
        shown = f"{self.side}²" if self.side else "no pictures"
        return f"{shown}, {self.latency * 1000:g} ms, {self.envs} envs"

    def text(self, turn: int) -> str:
        """What the policy says in a turn, counted from 0."""
        return LOOK if turn < self.turns - 1 else SAY

    def source(self) -> ListSource:
        """The tasks, painted beforehand: to make them is not the environment's work."""
        side = self.side or SMALL
        images = [EncodedImage.from_pil(picture(side, number)) for number in range(PICTURES)]
        return ListSource(
            [
                Task(f"looks/{number}", "What is it?", (image,), Answer("7"), family="looks")
                for number, image in enumerate(images)
            ]
        )


@dataclass(frozen=True, slots=True)
class SleepingSandbox:
    """Every cell takes its time and shows any one of the pictures; sandbox and session in one.

    Attributes:
        load: How long, how large.
    """

    load: EnvLoad

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> SleepingSandbox:
        """Costs nothing."""
        return self

    def run(self, code: str) -> CellResult:
        """Wait and show."""
        time.sleep(self.load.latency)
        shown = (picture(self.load.side, time.perf_counter_ns() % PICTURES),) if self.load.side else ()
        return CellResult(CellStatus.OK, stdout="", images=shown)

    def close(self) -> None:
        """Nothing to free."""
