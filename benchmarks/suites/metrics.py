"""What several suites' official figures are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.suites.suite import Item, Marked
from deepeyes_env.rewards.choice import choose


def picked(item: Item, answer: str) -> float:
    """Multiple choice: 1 where the right option is picked, by its label or its text, else 0.

    An answer that picks no option clearly is wrong, as it is in the suites' rules without a judge. The
    harnesses' searches for any capital letter in the text are not followed: `A cat` picks nothing here.
    """
    return float(choose(answer, item.task.answer) is True)


def accuracy(marked: Iterable[Marked]) -> float | None:
    """Mean score of those that have one; None where none has."""
    scores = [one.score for one in marked if one.score is not None]
    return sum(scores) / len(scores) if scores else None


def by_category(marked: Sequence[Marked]) -> Mapping[str, float]:
    """`accuracy`, and `accuracy/<category>` in the order in which categories appear."""
    return accuracies(marked, lambda one: (one.item.category,))


def accuracies(marked: Sequence[Marked], groups_of: Callable[[Marked], Iterable[str]]) -> dict[str, float]:
    """`accuracy`, and `accuracy/<group>` for every group; an item may be in several, or in none.

    Args:
        marked: The items.
        groups_of: The groups of an item; empty names are left out.
    """
    groups: dict[str, list[Marked]] = defaultdict(list)
    for one in marked:
        for group in groups_of(one):
            if group:
                groups[group].append(one)
    figures = {"accuracy": accuracy(marked)} | {
        f"accuracy/{group}": accuracy(members) for group, members in groups.items()
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def with_options(question: str, choices: Mapping[str, str]) -> str:
    """The question with its options below it, one a line: `A. red`."""
    return "\n".join((question, *(f"{letter}. {option}" for letter, option in choices.items())))
