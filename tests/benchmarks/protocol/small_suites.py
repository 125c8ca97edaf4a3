"""Small suites and respondents for the tests of the protocol."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image

from agents.scripted import Program, Script
from agents.speaker import turn_seed
from agents.trajectory import SeedLineage
from benchmarks.protocol.options import EvalOptions
from benchmarks.protocol.plan import Items
from benchmarks.protocol.respondent import Respondent, scripted
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.images import EncodedImage
from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.task import Answer, Task

LETTERS = "ABCD"


def official(item: Item, answer: str) -> float:
    return float(grade_by_rule(answer, item.task.answer).correct)


def mean(marked: Sequence[Marked]) -> Mapping[str, float]:
    scores = [one.score for one in marked if one.score is not None]
    return {"accuracy": sum(scores) / len(scores)} if scores else {}


class ChoiceItems:
    """Multiple choice about a grey picture; the right option is always the first."""

    def __init__(self, size: int, *, name: str = "choices", questions: Sequence[str] = ()) -> None:
        self._questions = questions or [f"Which number comes after {number}?" for number in range(size)]
        card = Card(name, "Choices", (Release("", "test"),), "CC0", size, "accuracy", "none")
        self.suite = Suite(card=card, read=self._read, official=official, summarise=mean)

    def __len__(self) -> int:
        return len(self._questions)

    def item(self, index: int) -> Item:
        return self._read({"index": index})

    def describe(self) -> Mapping[str, Any]:
        return {"title": "Choices", "items": len(self), "size": len(self), "revision": None}

    def search_engine(self) -> None:
        return None

    def _read(self, row: Mapping[str, Any]) -> Item:
        number = row["index"]
        choices = {letter: str(number + step) for letter, step in zip(LETTERS, (1, 2, 3, 4), strict=True)}
        listed = "\n".join(f"{letter}. {text}" for letter, text in choices.items())
        task = Task(
            id=f"{self.suite.card.name}/{number}",
            question=f"{self._questions[number]}\n{listed}",
            images=(EncodedImage.from_pil(Image.new("RGB", (56, 56), (number, 0, 0))),),
            answer=Answer("A", choices=choices),
        )
        return Item(task, category="", cluster=task.id)


def right_with_probability(p: float) -> Program:
    """An oracle that errs at random, drawn from the lineage."""

    def noisy(task: Task, lineage: SeedLineage) -> Script:
        right = random.Random(turn_seed(lineage, 0)).random() < p
        yield f"<think>.</think><answer>{task.answer.text if right else 'no idea'}</answer>"

    return noisy


def always(letter: str) -> Program:
    def stubborn(task: Task, lineage: SeedLineage) -> Script:
        yield f"<think>.</think><answer>{letter}</answer>"

    return stubborn


def opening(program: Program) -> Callable[[EvalOptions, Sequence[Items]], Any]:
    @contextmanager
    def opened(options: EvalOptions, suites: Sequence[Items]) -> Iterator[Respondent]:
        yield scripted(program)

    return opened
