"""TreeBench: visual grounded reasoning with traceable evidence (Wang et al., arXiv 2507.07999).

Source: `HaochenWang/TreeBench`, file `TreeBench.tsv` (VLMEvalKit, class `TreeBench` in
`vlmeval/dataset/image_mcq.py`, e8e78f0; it pins no MD5): `index, image, question, A.., answer, category,
target_instances`, `hint` in some. The pinned commit is one of the hub's pages (its README, 3ff300b); the rows
were not seen here. Licence: Apache-2.0 (shared notes; the card that was read begins below it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.metrics import accuracies, picked, with_options
from benchmarks.suites.row import LETTERS, Row, image, label, lettered, optional_text, text
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="treebench",
    title="TreeBench",
    releases=(
        Release("HaochenWang/TreeBench", "train", revision="3ff300b2cfa4ac2c878932f15993522395bfac14"),
    ),
    licence="Apache-2.0",
    size=405,
    metric="accuracy of the picked option, over all, for perception and reasoning, and by category",
    paper="arXiv 2507.07999",
    traps=(
        "The benchmark's mIoU is of boxes that a model writes as <box>[x1,y1,x2,y2]</box> into its thoughts. "
        "An agent that crops by code writes none, and a final answer holds none: accuracy alone is scored.",
        "VLMEvalKit takes the first capital A to E anywhere in the answer, so that `A cat` picks A.",
        "Some questions have no option columns; there the letter is asked for with options in the question "
        "or in the picture.",
    ),
)

_SKILLS = {
    "Perception": frozenset({Skill.PERCEPTION}),
    "Reasoning": frozenset({Skill.PERCEPTION, Skill.REASONING}),
}


def read(row: Row) -> Item:
    """One item; its category is `Perception/<kind>` or `Reasoning/<kind>`."""
    category, name = text(row, "category"), f"treebench/{text(row, 'index')}"
    question, choices = _asked(row)
    answer = label(row, "answer", choices or LETTER_OF_NONE)
    task = Task(
        id=name,
        question=question,
        images=(image(row, "image"),),
        answer=Answer(answer, choices=choices),
        skills=_SKILLS.get(category.partition("/")[0], frozenset()),
        family="treebench",
    )
    return Item(task, category=category, cluster=name)


def _asked(row: Row) -> tuple[str, dict[str, str]]:
    question, hint = text(row, "question"), optional_text(row, "hint")
    stem = f"Hint: {hint}\n{question}" if hint else question
    columns = [letter for letter in LETTERS if optional_text(row, letter) is not None]
    if columns:
        choices = lettered(row, columns)
        return with_options(stem, choices), choices
    listed = listed_choices(question)
    return stem, listed if text(row, "answer") in listed else {}


LETTER_OF_NONE = dict(zip(LETTERS, LETTERS, strict=True))
"""What stands for the options where they are in the picture: any letter."""


def official(item: Item, answer: str) -> float:
    """Whether the right option, or where none are listed the right letter, is picked."""
    if item.task.answer.choices:
        return picked(item, answer)
    return float(picked_label(answer, LETTER_OF_NONE) == item.task.answer.text)


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Accuracy over all, for `Perception` and `Reasoning`, and for each of their kinds."""
    return accuracies(marked, lambda one: (one.item.category.partition("/")[0], one.item.category))


SUITE = Suite(CARD, read, official, summarise)
