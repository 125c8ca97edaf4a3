"""Reasoning: the shortest way through a maze, in steps, or to the nearest of several signs."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns

WIDTH, HEIGHT = 1008, 784
MARGIN = 56
"""Pixels of lawn about the maze, at least."""

LETTERS = "ABCDEFGHJKLMNPRSTUVW"
"""Without letters that look like digits or like one another."""

SHORT = 5
"""Fewest steps to a sign that is asked about."""

Cell = tuple[int, int]
"""Column and row."""

Passage = tuple[Cell, Cell]
"""Two neighbouring cells, the left or upper one first."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a maze is made: colours of lawn, path, wall and of what grows on it; `wide` in cells."""

    lawn: str
    path: str
    wall: str
    leaves: tuple[str, ...]
    wide: float


LOOKS = (
    Look("#87a86a", "#e3d6b8", "#2f5d34", ("#447a41", "#5f9350", "#24492b"), 0.36),
    Look("#7fa08a", "#efe6d2", "#3c5f2a", ("#5b8038", "#7f9c4c", "#2c4a22"), 0.4),
    Look("#d9c9a3", "#f2e7cc", "#4a3526", (), 0.14),
    Look("#8f9a86", "#ddd8cd", "#5d5c62", ("#6e6d73", "#525157"), 0.28),
    Look("#dfe3e8", "#fbfbf8", "#24406b", (), 0.18),
)
"""Box hedges, yew hedges, ink on parchment, stone walls, a blue print."""

LEAVES = 6
"""Tufts on a cell's length of wall."""


@dataclass(frozen=True, slots=True)
class Maze:
    """A maze.

    Attributes:
        columns: Cells across.
        rows: Cells down.
        passages: Where no wall stands between two cells.
        start: Cell with the fountain.
        signs: Letter -> cell.
    """

    columns: int
    rows: int
    passages: frozenset[Passage]
    start: Cell
    signs: dict[str, Cell]

    @property
    def pitch(self) -> float:
        """Side of a cell in pixels."""
        return min((WIDTH - 2 * MARGIN) / self.columns, (HEIGHT - 2 * MARGIN) / self.rows)

    @property
    def corner(self) -> Point:
        """The maze's upper left corner in pixels."""
        return (WIDTH - self.pitch * self.columns) / 2, (HEIGHT - self.pitch * self.rows) / 2

    def steps(self) -> dict[str, int]:
        """Letter -> steps of the shortest way from the fountain; without letters that no way leads to."""
        near: dict[Cell, list[Cell]] = {}
        for a, b in self.passages:
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
        far, queue = {self.start: 0}, deque([self.start])
        while queue:
            cell = queue.popleft()
            for other in near.get(cell, ()):
                if other not in far:
                    far[other] = far[cell] + 1
                    queue.append(other)
        return {letter: far[cell] for letter, cell in self.signs.items() if cell in far}


def grow(rng: random.Random, columns: int, rows: int, signs: int) -> Maze:
    """A maze with winding ways, a few of which run in rings."""
    start = (columns // 2 + rng.randint(-1, 1), rows // 2 + rng.randint(-1, 1))
    passages: set[Passage] = set()
    seen, stack = {start}, [start]
    while stack:
        cell = stack[-1]
        fresh = [other for other in _neighbours(cell, columns, rows) if other not in seen]
        if not fresh:
            stack.pop()
            continue
        other = rng.choice(fresh)
        passages.add((min(cell, other), max(cell, other)))
        seen.add(other)
        stack.append(other)
    walls = _borders(columns, rows)
    passages.update(rng.sample([wall for wall in walls if wall not in passages], columns * rows // 14))
    rim = [
        (c, r)
        for c in range(columns)
        for r in range(rows)
        if (c in (0, columns - 1) or r in (0, rows - 1)) and (c + r) % 2 == 0
    ]
    letters = rng.sample(LETTERS, signs)
    return Maze(
        columns, rows, frozenset(passages), start, dict(zip(letters, rng.sample(rim, signs), strict=True))
    )


def _neighbours(cell: Cell, columns: int, rows: int) -> list[Cell]:
    c, r = cell
    around = ((c, r - 1), (c + 1, r), (c, r + 1), (c - 1, r))
    return [(x, y) for x, y in around if 0 <= x < columns and 0 <= y < rows]


def _borders(columns: int, rows: int) -> list[Passage]:
    """All places between two cells."""
    across = [((c, r), (c + 1, r)) for c in range(columns - 1) for r in range(rows)]
    return across + [((c, r), (c, r + 1)) for c in range(columns) for r in range(rows - 1)]


def paint(maze: Maze, rng: random.Random) -> EncodedImage:
    """The maze from above."""
    look, pitch, (left, top) = rng.choice(LOOKS), maze.pitch, maze.corner
    right, bottom = left + pitch * maze.columns, top + pitch * maze.rows
    canvas = Canvas(WIDTH, HEIGHT, look.lawn)
    patches = [(rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(20, 90)) for _ in range(30)]
    tones = [mix(look.lawn, rng.choice(("white", "black")), rng.uniform(0.01, 0.03)) for _ in patches]
    # Where the maze lies, none would be seen.
    seen = [
        n
        for n, (x, y, far) in enumerate(patches)
        if not (left + far < x < right - far and top + far < y < bottom - far)
    ]
    canvas.circles([patches[n] for n in seen], [tones[n] for n in seen])
    canvas.rectangle(left, top, right, bottom, look.path)
    borders = _borders(maze.columns, maze.rows)
    # Those that do not stand too: their leaves are drawn by lot as well, so that twins look alike.
    all_walls = [_wall(maze.corner, pitch, border) for border in borders] + _rim(maze)
    stands = [place for place, border in enumerate(borders) if border not in maze.passages]
    stands += range(len(borders), len(all_walls))
    walls, wide = np.array(_runs([all_walls[place] for place in stands])), look.wide * pitch
    if look.leaves:
        canvas.lines(walls + 4.0, mix(look.path, "black", 0.25), wide)
    canvas.lines(walls, look.wall, wide)
    _leaves(canvas, np.array(all_walls), stands, look, pitch, rng)
    x, y = _middle(maze, maze.start)
    canvas.circle(x, y, pitch * 0.34, "#c9cdd2", "#7d838a", 1.2)
    canvas.circle(x, y, pitch * 0.25, "#5aa9d6")
    canvas.circle(x, y, pitch * 0.09, "#eaf5fb")
    for letter, cell in maze.signs.items():
        x, y = _middle(maze, cell)
        canvas.circle(x, y, pitch * 0.34, "#b3402f", "#fff7ea", 1.5)
        canvas.text(x, y, letter, pitch * 0.46, "white", "bold")
    return as_jpeg(daylight(canvas, rng, shade=0.1), rng.randint(85, 92))


def _rim(maze: Maze) -> list[tuple[Point, Point]]:
    """The outer wall, a cell's length at a time."""
    left, top = maze.corner
    pitch, columns, rows = maze.pitch, maze.columns, maze.rows
    level = [
        ((left + c * pitch, y), (left + (c + 1) * pitch, y))
        for c in range(columns)
        for y in (top, top + rows * pitch)
    ]
    upright = [
        ((x, top + r * pitch), (x, top + (r + 1) * pitch))
        for r in range(rows)
        for x in (left, left + columns * pitch)
    ]
    return level + upright


def _runs(walls: list[tuple[Point, Point]]) -> list[tuple[Point, Point]]:
    """Walls that continue one another as one, which is drawn faster."""
    runs: list[tuple[Point, Point]] = []
    # By rows and columns in whole pixels: the ends of two walls that meet are equal but for rounding.
    upright = sorted((w for w in walls if w[0][0] == w[1][0]), key=lambda w: (round(w[0][0]), w[0][1]))
    level = sorted((w for w in walls if w[0][0] != w[1][0]), key=lambda w: (round(w[0][1]), w[0][0]))
    for start, end in upright + level:
        if (
            runs
            and math.dist(runs[-1][1], start) < 1
            and (runs[-1][0][0] == runs[-1][1][0]) == (start[0] == end[0])
        ):
            runs[-1] = runs[-1][0], end
        else:
            runs.append((start, end))
    return runs


def _wall(corner: Point, pitch: float, border: Passage) -> tuple[Point, Point]:
    (c, r), (d, _) = border
    x, y = corner[0] + c * pitch, corner[1] + r * pitch
    if d > c:
        return (x + pitch, y), (x + pitch, y + pitch)
    return (x, y + pitch), (x + pitch, y + pitch)


def _middle(maze: Maze, cell: Cell) -> Point:
    left, top = maze.corner
    return left + (cell[0] + 0.5) * maze.pitch, top + (cell[1] + 0.5) * maze.pitch


def _leaves(
    canvas: Canvas,
    walls: npt.NDArray[np.float64],
    stands: list[int],
    look: Look,
    pitch: float,
    rng: random.Random,
) -> None:
    """Tufts on the walls that stand; `walls` are the ends of all walls, `[n, 2, 2]`."""
    if not look.leaves:
        return
    chance = np.random.default_rng(rng.getrandbits(32))
    along = chance.random((len(walls), LEAVES, 1))
    reach = look.wide * pitch / 2
    aside = chance.normal(0, reach / 2, (len(walls), LEAVES, 2)).clip(-reach, reach)
    ends = walls[stands]
    spots = ends[:, None, 0] + (ends[:, None, 1] - ends[:, None, 0]) * along[stands] + aside[stands]
    for tone, leaf in enumerate(look.leaves):
        dots = spots[:, tone :: len(look.leaves)].reshape(-1, 2)
        canvas.lines(np.stack([dots, np.add(dots, (1.5, 1.0))], axis=1), leaf, pitch * 0.12)


WALK = """
import collections
import numpy as np

light = np.asarray(image_1.convert("L"), dtype=float)
height, width = light.shape
left, top, pitch_x, pitch_y = {box}

def level(column, row):
    x, y = int((left + column * pitch_x) * width), int((top + row * pitch_y) * height)
    return light[y - 2:y + 3, x - 2:x + 3].mean()

columns, rows = {columns}, {rows}
path = np.median([level(c + 0.5, r + 0.5) for c in range(columns) for r in range(rows)])
wall = np.median([level(c + 0.5, r) for c in range(columns) for r in (0, rows)])
far, queue = {{{start}: 0}}, collections.deque([{start}])
while queue:
    c, r = cell = queue.popleft()
    for i, j in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        other = (c + i, r + j)
        if not (0 <= other[0] < columns and 0 <= other[1] < rows) or other in far:
            continue
        between = level(c + 0.5 + i / 2, r + 0.5 + j / 2)
        if abs(between - path) < abs(between - wall):
            far[other] = far[cell] + 1
            queue.append(other)
steps = {{letter: far[tuple(cell)] for letter, cell in {signs}.items() if tuple(cell) in far}}
print(steps)
print({asked})
"""
"""Walks from the fountain wherever no wall is seen; cells, fountain and letters were read before."""


class MazeWalk:
    """How many steps is the shortest way from the fountain to sign D?"""

    name = "maze"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "columns": Knob(9, 24, "cells across; three quarters as many down"),
        "signs": Knob(6, 10, "lettered signs"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A maze, and the sign asked about, or None for the nearest."""
        columns = int(knobs["columns"])
        while True:
            maze = grow(rng, columns, columns * 3 // 4, int(knobs["signs"]))
            sign = None if rng.random() < 0.5 else rng.choice(list(maze.signs))
            if _is_clear(maze, sign):
                return _plan(maze, sign)

    def oracle(self, task: Task) -> Oracle:
        """Show the maze, then walk through its pixels."""
        seen = yield turns.code("Let me find the fountain and the letters first.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the maze.", turns.UNKNOWN)
            return
        seen = yield turns.code("Now a walk over the squares, breadth first.", WALK.format(**task.metadata))
        found = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The walk gives {found}.", found)


def _is_clear(maze: Maze, sign: str | None) -> bool:
    """Whether one sign is nearest alone, or a way leads to the sign asked about, not a very short one."""
    steps = maze.steps()
    if sign is not None:
        return steps.get(sign, 0) >= SHORT
    nearest = sorted(steps.values())[:2]
    return len(nearest) == 2 and nearest[0] < nearest[1]


def _plan(maze: Maze, sign: str | None) -> Plan:
    def twin(rng: random.Random) -> Plan:
        if rng.random() < 0.7:
            border = rng.choice(_borders(maze.columns, maze.rows))
            changed = replace(maze, passages=maze.passages ^ {border})
        else:
            a, b = rng.sample(list(maze.signs), 2)
            changed = replace(maze, signs={**maze.signs, a: maze.signs[b], b: maze.signs[a]})
        return _plan(changed if _is_clear(changed, sign) else maze, sign)

    steps = maze.steps()
    if sign is None:
        question = "Which lettered sign is reached from the fountain on the shortest way through the maze?"
        letter = min(steps, key=steps.__getitem__)
        answer = Answer(letter, aliases=(f"sign {letter}",))
    else:
        question = (
            f"A step leads from one square of the maze to the next. How many steps is the shortest way from "
            f"the fountain to the square with sign {sign}?"
        )
        answer = Answer(str(steps[sign]), unit="steps")
    (left, top), pitch = maze.corner, maze.pitch
    return Plan(
        key=f"maze/{maze.columns}/{maze.start}/{sorted(maze.signs.values())}",
        question=question,
        answer=answer,
        draw=lambda rng: (paint(maze, rng),),
        twin=twin,
        metadata={
            "box": [left / WIDTH, top / HEIGHT, pitch / WIDTH, pitch / HEIGHT],
            "columns": maze.columns,
            "rows": maze.rows,
            "start": str(maze.start),
            "signs": {letter: list(cell) for letter, cell in maze.signs.items()},
            "asked": "min(steps, key=steps.get)" if sign is None else f"steps[{sign!r}]",
        },
    )


MAZE = MazeWalk()
