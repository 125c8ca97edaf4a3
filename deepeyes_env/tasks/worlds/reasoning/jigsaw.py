"""Reasoning: where a tile of a cut and shuffled picture belongs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import paper
from deepeyes_env.tasks.worlds.drawing.canvas import box
from deepeyes_env.tasks.worlds.drawing.hill_town import paint_town
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns

PICTURE = 576
"""Side of the picture before it is cut, in pixels."""

SIDE = 756
"""Side of the table with the tiles on it."""


@dataclass(frozen=True, slots=True)
class Jigsaw:
    """A picture that was cut.

    Attributes:
        picture: Names the picture.
        across: Tiles across, and as many down.
        loss: Pixels lost at each side of a tile.
        order: The piece that lies at each place of the table; both are counted row by row. A tile's number is
            its place on the table, from 1.
    """

    picture: int
    across: int
    loss: int
    order: tuple[int, ...]

    def tile(self, piece: int) -> int:
        """The number of a piece of the picture."""
        return self.order.index(piece) + 1

    def corner(self, place: int) -> tuple[int, int]:
        """Upper left corner of a place on the table, in pixels."""
        row, column = divmod(place, self.across)
        step = PICTURE / self.across
        gap = (SIDE - PICTURE) / (self.across + 1)
        return round(gap + column * (step + gap)) + self.loss, round(gap + row * (step + gap)) + self.loss

    @property
    def size(self) -> int:
        """Side of a tile in pixels."""
        return PICTURE // self.across - 2 * self.loss


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the pieces whose tiles are its answer; None where this order of tiles has none."""

    question: str
    pieces: Callable[[Jigsaw], list[int] | None]


def paint(jigsaw: Jigsaw, rng: random.Random) -> EncodedImage:
    """The tiles on a table, with their numbers."""
    table = paper.table_top(SIDE, SIDE, rng)
    size, gap = jigsaw.size, (SIDE - PICTURE) / (jigsaw.across + 1)
    corners = [jigsaw.corner(place) for place in range(len(jigsaw.order))]
    for spread in (7, 4):
        table.shadows([box(x, y, x + size, y + size) for x, y in corners], spread, spread, 0.22)
    for place, (x, y) in enumerate(corners):
        middle = y - jigsaw.loss - gap / 2
        table.circle(x + size / 2, middle, gap * 0.34, "#f3ead6", "#2c2620", 1)
        table.text(x + size / 2, middle, str(place + 1), gap * 0.38, "#2c2620", "bold")
    picture, step = _picture(jigsaw.picture), PICTURE // jigsaw.across
    for place, piece in enumerate(jigsaw.order):
        row, column = divmod(piece, jigsaw.across)
        left, top = column * step + jigsaw.loss, row * step + jigsaw.loss
        x, y = corners[place]
        table.words[y : y + size, x : x + size] = picture[top : top + size, left : left + size]
    return as_jpeg(table.padded(), rng.randint(88, 94))


@lru_cache(maxsize=4)
def _picture(name: int) -> npt.NDArray[np.uint32]:
    # Kept for the twin, which is cut from the same picture.
    rng = random.Random(f"jigsaw/{name}")
    town = paint_town(PICTURE, rng)
    daylight(town, rng)
    return town.words


SOLVE = """
import numpy as np

pixels = np.asarray(image_1.convert("RGB"), dtype=float)
across, count = {across}, {across} ** 2
width, height, size = image_1.width, image_1.height, {size}
tiles = []
for left, top in {corners}:
    x, y = round(left * width), round(top * height)
    tiles.append(pixels[y:y + round(size * height), x:x + round(size * width)])
beside = [[np.abs(a[:, -1] - b[:, 0]).clip(0, 40).mean() for b in tiles] for a in tiles]
below = [[np.abs(a[-1] - b[0]).clip(0, 40).mean() for b in tiles] for a in tiles]
best = [(0.0, ())]
for place in range(count):
    grown = []
    for cost, laid in best:
        for tile in range(count):
            if tile not in laid:
                more = beside[laid[-1]][tile] if place % across else 0.0
                more += below[laid[place - across]][tile] if place >= across else 0.0
                grown.append((cost + more, (*laid, tile)))
    best = sorted(grown)[:400]
laid = [tile + 1 for tile in best[0][1]]
print([laid[row:row + across] for row in range(0, count, across)])
print({asked})
"""
"""Lays the tiles so that edges match, keeping the best 400 beginnings; the numbers were read before."""


class JigsawPlace:
    """Which tile belongs in the centre?"""

    name = "jigsaw"
    skills = frozenset({Skill.REASONING, Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "across": Knob(3, 4, "tiles across and down"),
        "loss": Knob(0, 1, "pixels lost at each side of a tile by the cut"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A picture, the tiles' order, and what is asked."""
        across = int(knobs["across"])
        order = tuple(rng.sample(range(across**2), across**2))
        jigsaw = Jigsaw(rng.getrandbits(48), across, int(knobs["loss"]), order)
        return _plan(jigsaw, rng.choice(QUESTIONS)(jigsaw, rng))

    def oracle(self, task: Task) -> Oracle:
        """Show the tiles, then lay them by their edges."""
        seen = yield turns.code("Let me look at the tiles and their numbers.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the tiles.", turns.UNKNOWN)
            return
        seen = yield turns.code("Now match the edges.", SOLVE.format(**task.metadata))
        found = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"Laid by their edges: {found}.", found)


def _plan(jigsaw: Jigsaw, asked: Asked) -> Plan:
    pieces = asked.pieces(jigsaw)
    if pieces is None:
        raise ValueError("the question has no answer for this order of tiles")

    def twin(rng: random.Random) -> Plan:
        order, (a, b) = list(jigsaw.order), rng.sample(range(len(jigsaw.order)), 2)
        order[a], order[b] = order[b], order[a]
        changed = replace(jigsaw, order=tuple(order))
        return _plan(jigsaw if asked.pieces(changed) is None else changed, asked)

    numbers = [str(jigsaw.tile(piece)) for piece in pieces]
    return Plan(
        key=f"jigsaw/{jigsaw.picture}",
        question=asked.question,
        answer=Answer(", ".join(numbers), aliases=_aliases(numbers)),
        draw=lambda rng: (paint(jigsaw, rng),),
        twin=twin,
        metadata={
            "across": jigsaw.across,
            "size": jigsaw.size / SIDE,
            "corners": [[x / SIDE, y / SIDE] for x, y in map(jigsaw.corner, range(len(jigsaw.order)))],
            "asked": f'", ".join(str(laid[piece]) for piece in {pieces})',
        },
    )


def _aliases(numbers: list[str]) -> tuple[str, ...]:
    if len(numbers) == 1:
        return (f"tile {numbers[0]}",)
    return (*(sign.join(numbers) for sign in (" ", ",", "-")), f"{', '.join(numbers[:-1])} and {numbers[-1]}")


ORDINALS = ("first", "second", "third", "fourth")


def _place(jigsaw: Jigsaw, rng: random.Random) -> Asked:
    piece = rng.randrange(jigsaw.across**2)
    row, column = (ORDINALS[part] for part in divmod(piece, jigsaw.across))
    question = rng.choice(
        (
            "This picture was cut into tiles. Which tile number belongs in the {row} row from above, "
            "{column} from the left?",
            "Put the picture together again. What is the number of the tile that comes {column} from the "
            "left in the {row} row from above?",
        )
    )
    return Asked(question.format(row=row, column=column), lambda jigsaw: [piece])


def _row(jigsaw: Jigsaw, rng: random.Random) -> Asked:
    row = rng.randrange(jigsaw.across)
    question = (
        f"Which tiles make up the {ORDINALS[row]} row from above of the picture, from left to right? Give "
        "their numbers, separated by commas."
    )
    pieces = list(range(row * jigsaw.across, (row + 1) * jigsaw.across))
    return Asked(question, lambda jigsaw: pieces)


def _column(jigsaw: Jigsaw, rng: random.Random) -> Asked:
    column = rng.randrange(jigsaw.across)
    question = (
        f"Which tiles stand one below the other in the {ORDINALS[column]} column from the left of the "
        "picture? Give their numbers from above, separated by commas."
    )
    pieces = list(range(column, jigsaw.across**2, jigsaw.across))
    return Asked(question, lambda jigsaw: pieces)


def _neighbour(jigsaw: Jigsaw, rng: random.Random) -> Asked:
    piece = rng.choice([place for place in range(jigsaw.across**2) if (place + 1) % jigsaw.across])
    number = jigsaw.tile(piece)
    question = f"In the picture put together, which tile comes directly to the right of tile {number}?"

    def pieces(jigsaw: Jigsaw) -> list[int] | None:
        right = jigsaw.order[number - 1] + 1
        return [right] if right % jigsaw.across else None

    return Asked(question, pieces)


QUESTIONS: Sequence[Callable[[Jigsaw, random.Random], Asked]] = (_place, _row, _column, _neighbour)


JIGSAW = JigsawPlace()
