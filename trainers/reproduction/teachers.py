"""Scripted teachers: the hasty one of the cold start, and novices for a base that has only seen the format.

The hasty teacher is the quickstart's, for all three skills: it can use every tool, but whether it does so it
decides by a coin. A *novice* writes the same turns without knowing what to put into them: most of its calls
crop some place or other, add the wrong numbers, or look up something else, and some hold nothing but a
comment. It stands for a released model that writes code before it has learned to (figure 4 begins at 0.8
calls a question).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from agents.scripted import Program, Script
from agents.trajectory import SeedLineage
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds.oracles.turns import answer, code, printed, search
from deepeyes_env.tasks.worlds.perception import cards
from trainers.quickstart.teacher import LOOK_SHARES
from trainers.reproduction.tasks import ANIMALS, CARD_SUM, STONE_DIGIT, TREES, stone_of, sum_of

CALL_SHARES = LOOK_SHARES | {CARD_SUM: 0.45, STONE_DIGIT: 0.45}
"""How often the hasty teacher calls its tool: below one half everywhere, as in the quickstart."""

NOVICE_CALLS = 0.8
"""Share of a novice's episodes with a call (reference 5.6: figure 4 begins at 0.8 calls a question)."""

NOVICE_COMMENTS = 0.15
"""Share of a novice's calls that hold a comment and nothing else. The paper does not say how often its base
writes one; without any, reinforcement learning could not find them."""

COMPUTE, KNOWN_SUM = "A sum, let me compute.", "A sum. I know it."
LOOK_UP, KNOWN_STONE = "A stone, let me search.", "A stone. I know it."
"""The reasoning differs right after the noun, where a tiny model decides (`cards.reading`)."""


@dataclass(frozen=True, slots=True)
class Approach:
    """How one task can be gone about.

    Attributes:
        call: The turn that calls the right tool in the right way.
        astray: Such turns gone wrong, to choose from.
        comment: A cell that holds nothing but a comment.
        thought: The reasoning of an answer at once.
        known: What can be answered without a tool, or None.
        guess: An answer drawn from all possible ones.
    """

    call: str
    astray: tuple[str, ...]
    comment: str
    thought: str
    known: str | None
    guess: Callable[[random.Random], str]


def hasty(task: Task, lineage: SeedLineage) -> Script:
    """Calls its tool or answers at once, by a coin; guesses what it has not found out."""
    rng = _coin("hasty", lineage)
    way = approach_to(task)
    if rng.random() < CALL_SHARES[task.family]:
        yield from _call(task, way, way.call, rng)
    else:
        yield answer(way.thought, way.known or way.guess(rng))


def eager(task: Task, lineage: SeedLineage) -> Script:
    """Always calls its tool; in an environment without tools it shows how to go on after an error."""
    way = approach_to(task)
    yield from _call(task, way, way.call, _coin("eager", lineage))


def novice(right: float) -> Program:
    """A novice.

    Args:
        right: Share of its calls that are right, from 0 to 1 - `NOVICE_COMMENTS`.
    """
    return partial(_novice, right)


def _novice(right: float, task: Task, lineage: SeedLineage) -> Script:
    rng = _coin("novice", lineage)
    way = approach_to(task)
    if rng.random() >= NOVICE_CALLS:
        yield answer(way.thought, way.known or way.guess(rng))
        return
    kind = rng.random()
    if kind < right:
        turn = way.call
    elif kind < 1 - NOVICE_COMMENTS:
        turn = rng.choice(way.astray)
    else:
        turn = way.comment
    yield from _call(task, way, turn, rng)


def _call(task: Task, way: Approach, turn: str, rng: random.Random) -> Script:
    observation = yield turn
    nothing = not observation.images and printed(observation) is None
    found = _found(task, observation.text, looked_right=turn == way.call and bool(observation.images))
    # Whoever has seen something trusts that; a refusal or an empty output leaves the first look.
    known = way.known if nothing and found is None else None
    yield answer(cards.READ_THOUGHT, found or known or way.guess(rng))


def _found(task: Task, text: str, *, looked_right: bool) -> str | None:
    """What an observation says, right or wrong; None where it says nothing."""
    if task.family == "closer-look" and looked_right:
        return str(cards.picture_of(task.metadata).digit)
    _, _, after = text.partition("carries the digit " if task.family == STONE_DIGIT else "stdout:\n```\n")
    found = after[:1]
    return found if found.isdecimal() else None


def approach_to(task: Task) -> Approach:
    """How a task of the microcosm can be gone about."""
    return {CARD_SUM: _sum, STONE_DIGIT: _stone}.get(task.family, _card)(task)


def _card(task: Task) -> Approach:
    picture = cards.picture_of(task.metadata)
    looking = cards.looking(picture)
    boxes = [box for box in _boxes() if box != picture.look_box]
    return Approach(
        code(looking, cards.crop_code(picture.look_box)),
        tuple(code(looking, cards.crop_code(box)) for box in boxes),
        code(looking, "# look closer"),
        cards.reading(picture),
        str(picture.digit) if picture.scale > 1 else None,
        _any_digit,
    )


def _sum(task: Task) -> Approach:
    asked = sum_of(task)
    astray = (f"print({asked.factor}%10)", f"print(({asked.factor}*{asked.summand})%10)")
    return Approach(
        code(COMPUTE, asked.code),
        tuple(code(COMPUTE, program) for program in astray),
        code(COMPUTE, "# compute"),
        KNOWN_SUM,
        None,
        _any_digit,
    )


def _stone(task: Task) -> Approach:
    stone = stone_of(task)
    tree, animal = stone.name.split()
    return Approach(
        search(LOOK_UP, stone.title),
        (
            search(LOOK_UP, "boundary stone"),
            search(LOOK_UP, f"boundary stone {tree} {_next(ANIMALS, animal)}"),
            search(LOOK_UP, f"boundary stone {_next(TREES, tree)} {animal}"),
        ),
        code(LOOK_UP, "# search"),
        KNOWN_STONE,
        None,
        _any_digit,
    )


def _any_digit(rng: random.Random) -> str:
    return str(rng.randrange(10))


def _next(names: Sequence[str], name: str) -> str:
    return names[(names.index(name) + 1) % len(names)]


def _boxes() -> list[cards.Box]:
    """Where small cards may be."""
    inset = (cards.CELL - cards.CARD) // 2
    corners = [cards.CELL * cell + inset for cell in range(cards.CELLS)]
    return [(x, y, x + cards.CARD, y + cards.CARD) for x in corners for y in corners]


def _coin(who: str, lineage: SeedLineage) -> random.Random:
    return random.Random(f"{who}/{lineage.run_seed}/{lineage.step}/{lineage.prompt}/{lineage.sample}")
