"""The texts from which the microcosm's tokenizer learns its words."""

from __future__ import annotations

import random

from agents.corpus import REPEATS, quickstart_corpus
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.protocol import CodeOutput, TextHits, render_result
from deepeyes_env.search.base import Hit
from deepeyes_env.tasks.worlds.oracles.turns import answer
from trainers.reproduction.settings import ENV
from trainers.reproduction.tasks import (
    ANIMALS,
    CARD_SUM,
    FAMILIES,
    STONE_DIGIT,
    TREES,
    MicrocosmTasks,
    stone_of,
)
from trainers.reproduction.teachers import approach_to

TASKS = 4
"""Tasks of each family whose texts are in the corpus; their digits stay single tokens."""


def microcosm_corpus() -> list[str]:
    """Questions, turns and observations of all families, beside the quickstart's."""
    return quickstart_corpus() + [text for text in _texts() for _ in range(REPEATS)]


def _texts() -> list[str]:
    families = [family for skill in FAMILIES.values() for family in skill]
    tasks = MicrocosmTasks(0, families)
    texts = [system_prompt(ENV), render_result(CodeOutput("7\n"))]
    texts += [f"stone {tree} {animal}" for tree in TREES for animal in ANIMALS]
    for index in range(TASKS * len(families)):
        task = tasks.task(index)
        way = approach_to(task)
        texts += [user_prompt(task.question, task.images, ENV), way.call, way.comment, *way.astray[:2]]
        texts.append(answer(way.thought, way.guess(random.Random(index))))
        if task.family == STONE_DIGIT:
            page = stone_of(task).page
            texts.append(render_result(TextHits(page.title, (Hit(1, page.title, page.url, page.body),))))
            texts.append(f"{task.question} Search for:")
        if task.family == CARD_SUM:
            texts.append(f"{task.question} In Python:")
    return texts
