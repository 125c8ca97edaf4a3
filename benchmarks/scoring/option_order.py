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
from deepeyes_env.rewards.choice import known_label, right_label
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

    An item is asked as it is if it has no options, if they speak of one another ("both A and B") or are
    letters themselves, which name what the picture shows, or if its reference is none of them.

    Args:
        item: As the release has it.
        order: What is wanted.
        seed: Of the run; the same item and seed give the same order.

    Raises:
        LayoutError: The question does not show the options by their labels.
    """
    labels = tuple(item.task.answer.choices)
    if order == "release" or len(labels) < 2 or _bound(item.task.answer) or not _is_among(item.task.answer):
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
        text=_shown(answer.text, shown_as),
        aliases=tuple(_shown(alias, shown_as) for alias in answer.aliases),
        choices=choices,
    )
    task = replace(item.task, question=_rewritten(item.task, choices), answer=moved)
    return Shown(replace(item, task=task), dict(zip(labels, order, strict=True)))


def _bound(answer: Answer) -> bool:
    labels = tuple(answer.choices)
    return any(_BOUND.search(option) or known_label(option, labels) for option in answer.choices.values())


def _is_among(answer: Answer) -> bool:
    return right_label(answer) is not None


def _shown(text: str, shown_as: Mapping[str, str]) -> str:
    """A label, however it is written, as it is shown; an option's text moves with it."""
    released = known_label(text, tuple(shown_as))
    return text if released is None else shown_as[released]


def _rewritten(task: Task, choices: Mapping[str, str]) -> str:
    """The question with other options at its labels."""
    places = _places(task.question, task.answer.choices)
    if places is None:
        raise LayoutError(
            f"{task.id}: the question does not list the options {', '.join(choices)} by their labels; ask it "
            "with --option-order release"
        )
    text = task.question
    for (start, end), option in reversed(list(zip(places, choices.values(), strict=True))):
        text = text[:start] + option + text[end:]
    return text


def _places(question: str, choices: Mapping[str, str]) -> list[tuple[int, int]] | None:
    """Begin and end of every option where all of them are listed in order; None if they are nowhere.

    The last such place counts: a question may name some of them before.
    """
    first, *others = (
        re.compile(rf"(?<![^\W_])\(?{re.escape(label)}\s*[.):．]+\s*({re.escape(option)})(?![^\W_])")
        for label, option in choices.items()
    )
    for begin in reversed(list(first.finditer(question))):
        found: list[re.Match[str]] = [begin]
        for option in others:
            match = option.search(question, found[-1].end())
            if match is None:
                break
            found.append(match)
        if len(found) == len(choices):
            return [match.span(1) for match in found]
    return None
