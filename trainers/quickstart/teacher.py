"""The imperfect teacher of the quickstart's cold start: it has the skills, but not the judgement.

It says whether the card is small or large, and knows how to look closer, to read and to answer. But whether
to look it decides by a coin that cares little for what it has just said. So a policy that imitates it is
often wrong, and *when* to look closer is left for DAPO to find out. A perfect teacher would leave nothing to
learn.
"""

from __future__ import annotations

import random

from agents.scripted import Script
from agents.trajectory import SeedLineage
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds.oracles.turns import answer, code
from deepeyes_env.tasks.worlds.perception import cards

LOOK_SHARES = {"closer-look": 0.45, "at-a-glance": 0.25}
"""How often the teacher looks closer, by family.

Both are below one half, so that a policy that imitates it greedily never does; at one half its greedy
behaviour would be a coin flip between seeds (stack notes section 3.1). They lean the right way, because with
0.4 for both what DAPO gains on one family it loses on the other while it cannot yet tell them apart, and in
two of five lab runs the policy gave its tool up for good before it could.
"""


def hasty_teacher(task: Task, lineage: SeedLineage) -> Script:
    """Looks closer or answers at once, by a coin; guesses where it has not seen the digit."""
    rng = _coin(lineage)
    return _look(task, rng) if rng.random() < LOOK_SHARES[task.family] else _answer_at_once(task, rng)


def eager_teacher(task: Task, lineage: SeedLineage) -> Script:
    """Always looks closer; in an environment without tools it shows how to go on after an error."""
    return _look(task, _coin(lineage))


def _look(task: Task, rng: random.Random) -> Script:
    picture = cards.picture_of(task.metadata)
    observation = yield code(cards.looking(picture), cards.crop_code(picture.look_box))
    # A closer look at a large card shows bare card, and the teacher trusts its last look.
    small = picture.scale == 1
    readable = small if observation.images else not small
    yield _read(cards.READ_THOUGHT, picture, rng, readable=readable)


def _answer_at_once(task: Task, rng: random.Random) -> Script:
    picture = cards.picture_of(task.metadata)
    yield _read(cards.reading(picture), picture, rng, readable=picture.scale > 1)


def _read(thought: str, picture: cards.CardPicture, rng: random.Random, *, readable: bool) -> str:
    return answer(thought, str(picture.digit if readable else rng.randrange(10)))


def _coin(lineage: SeedLineage) -> random.Random:
    return random.Random(f"teacher/{lineage.run_seed}/{lineage.step}/{lineage.prompt}/{lineage.sample}")
