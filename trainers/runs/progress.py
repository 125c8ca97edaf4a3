"""How far a run has come, and the replay store: what it has sampled and not yet trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trainers.dapo.sampling import Group, Sampled, Selection


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: Steps finished.
        drawn: Prompts drawn for them (DAPO).
        carried: Surplus groups that they left for the next step (DAPO).
        ahead: The next steps, as far as they were sampled with weights that are gone (DAPO).
    """

    step: int = 0
    drawn: int = 0
    carried: tuple[Group, ...] = ()
    ahead: tuple[Sampled, ...] = ()

    @property
    def waiting(self) -> tuple[Group, ...]:
        """Every group that later steps train on or report, once each."""
        return self.carried + tuple(group for sampled in self.ahead for group in sampled.groups)


def describe(progress: Progress) -> dict[str, Any]:
    """`progress` in words that JSON can hold; of groups only names and sizes, in the order of `waiting`."""
    return {
        "step": progress.step,
        "drawn": progress.drawn,
        "groups": [
            {"draw": g.draw, "step": g.step, "members": len(g.members), "weights": g.weights}
            for g in progress.waiting
        ],
        "carried": _names(progress.carried),
        "ahead": [
            {
                "groups": _names(sampled.groups),
                "train": _names(sampled.selection.train),
                "carried": _names(sampled.selection.carried),
                "dropped": _names(sampled.selection.dropped),
                "rounds": sampled.selection.rounds,
                "exhausted": sampled.selection.exhausted,
                "drawn": sampled.drawn,
                "passed_over": sampled.passed_over,
                "unusable": sampled.unusable,
            }
            for sampled in progress.ahead
        ],
    }


def restore(described: Mapping[str, Any], groups: Iterable[Group]) -> Progress:
    """Undo `describe`.

    Args:
        described: What it gave.
        groups: The progress's waiting groups.
    """
    by_name = {group.draw: group for group in groups}

    def named(names: Iterable[int]) -> tuple[Group, ...]:
        return tuple(by_name[name] for name in names)

    return Progress(
        step=described["step"],
        drawn=described["drawn"],
        carried=named(described["carried"]),
        ahead=tuple(
            Sampled(
                groups=named(row["groups"]),
                selection=Selection(
                    train=named(row["train"]),
                    carried=named(row["carried"]),
                    dropped=named(row["dropped"]),
                    rounds=row["rounds"],
                    exhausted=row["exhausted"],
                ),
                drawn=row["drawn"],
                passed_over=row["passed_over"],
                unusable=row["unusable"],
            )
            for row in described["ahead"]
        ),
    )


def _names(groups: Iterable[Group]) -> list[int]:
    return [group.draw for group in groups]
