"""The order of options: a policy that likes one letter is right as often as that letter is.

DeepEyes' own script for V* always had the right option at A: 89 to 92 % so, 84 to 86 % with options shuffled
(search-and-benchmarks.md, C.2). `shuffled` draws one order for every item and seed; `averaged` asks every
item in all cyclic orders, so that every option stands once at every letter. The answer is scored on the
labels that were shown.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.suites.suite import Item
from deepeyes_env.task import Answer, Task

OptionOrder = Literal["release", "shuffled", "averaged"]
"""As the release has them, in one order drawn by the seed, in all cyclic orders."""

_BOUND = re.compile(
    r"(?i:\b(?:all|none|both|neither|any|either)\s+of\s+(?:the\s+)?(?:above|these|them|those)\b)"
    r"|(?i:\b(?:both|neither|either|only))\s+\(?[A-H]\b"
    r"|\b[A-H]\b\)?\s*(?:and|or|&)\s*\(?[A-H]\b"
)
"""An option that speaks of other options or of their places."""


class LayoutError(ValueError):
    """The options do not stand in the question, so they cannot be laid out anew."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as it is asked.

    Attributes:
        item: With its options in the order shown, in question, answer and choices.
        order: Label shown -> label of the release; empty where nothing was moved.
    """

    item: Item
    order: Mapping[str, str] = field(default_factory=dict)


def layouts(item: Item, order: OptionOrder, seed: int) -> list[Shown]:
    """The ways in which an item is asked.

    An item without options, or whose options speak of one another ("both A and B"), is asked as it is.

    Args:
        item: As the release has it.
        order: What is wanted.
        seed: Of the run; the same item and seed give the same order.

    Raises:
        LayoutError: The question does not show the options by their labels.
    """
    labels = tuple(item.task.answer.choices)
    if order == "release" or len(labels) < 2 or _bound(item.task.answer):
        return [Shown(item)]
    if order == "averaged":
        return [lay_out(item, labels[shift:] + labels[:shift]) for shift in range(len(labels))]
    shuffled = list(labels)
    digest = hashlib.sha256(f"{item.task.id}/{seed}".encode()).digest()
    random.Random(digest).shuffle(shuffled)
    return [lay_out(item, tuple(shuffled))]


def lay_out(item: Item, order: tuple[str, ...]) -> Shown:
    """The item with its options in another order.

    Args:
        item: As the release has it.
        order: The release's labels in the order in which their options are to stand.

    Raises:
        LayoutError: The question does not show the options by their labels.
    """
    answer = item.task.answer
    labels = tuple(answer.choices)
    shown_as = dict(zip(order, labels, strict=True))
    choices = {label: answer.choices[released] for label, released in zip(labels, order, strict=True)}
    moved = replace(
        answer,
        text=shown_as.get(answer.text, answer.text),
        aliases=tuple(shown_as.get(alias, alias) for alias in answer.aliases),
        choices=choices,
    )
    task = replace(item.task, question=_rewritten(item.task, choices), answer=moved)
    return Shown(replace(item, task=task), dict(zip(labels, order, strict=True)))


def _bound(answer: Answer) -> bool:
    return any(_BOUND.search(option) for option in answer.choices.values())


def _rewritten(task: Task, choices: Mapping[str, str]) -> str:
    """The question with other options at its labels.

    The last place where all options stand in order is where they are listed: a question may name some before.
    """
    listing = "".join(
        rf"({'' if number == 0 else r'.*?'}(?<![^\W_])\(?{re.escape(label)}\s*[.):]+\s*)({re.escape(option)})"
        for number, (label, option) in enumerate(task.answer.choices.items())
    )
    found = list(re.finditer(rf"(?={listing}(?![^\W_]))", task.question, re.DOTALL))
    if not found:
        raise LayoutError(
            f"{task.id}: the question does not list the options {', '.join(choices)} by their labels; ask it "
            "with --option-order release"
        )
    last, text = found[-1], task.question
    for number, option in reversed(list(enumerate(choices.values()))):
        start, end = last.span(2 * number + 2)
        text = text[:start] + option + text[end:]
    return text
