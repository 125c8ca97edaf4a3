"""The same draws in two evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.report.settings import leaves
from benchmarks.result import MODES, Result
from benchmarks.run_folder import Run, RunCard
from deepeyes_env.errors import ConfigError

Metric = Literal["correct", "official"]
"""Our verdict, or the suite's own metric."""

SCORES: Mapping[Metric, Callable[[Result], float | None]] = {
    "correct": lambda one: None if one.correct is None else float(one.correct),
    "official": lambda one: one.official,
}

MOST_SHOWN = 12
"""Differing settings that a warning names."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A draw that both runs made and scored.

    Attributes:
        first: In the first run.
        second: In the second.
        change: Score of the second less that of the first.
    """

    first: Result
    second: Result
    change: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """What two runs have in common.

    Attributes:
        pairs: By suite and mode, in a fixed order; no group is empty.
        warnings: What differs between them, and what is left out.
    """

    pairs: Mapping[tuple[str, str], Sequence[Pair]]
    warnings: tuple[str, ...]


def pair(first: Run, second: Run, metric: Metric) -> Pairing:
    """Pair two runs by suite, item, mode, seed and sample.

    Raises:
        ConfigError: They have no scored draw in common.
    """
    score = SCORES[metric]
    before, after = ({_draw(one): one for one in run.results} for run in (first, second))
    shared = sorted(before.keys() & after.keys())
    groups: dict[tuple[str, str], list[Pair]] = {}
    for draw in shared:
        one, other = before[draw], after[draw]
        a, b = score(one), score(other)
        if a is not None and b is not None:
            groups.setdefault((one.suite, one.mode), []).append(Pair(one, other, b - a))
    if not groups:
        raise ConfigError(
            f"{first.path} and {second.path} have nothing in common that both have scored: "
            f"{_asked(first)}; {_asked(second)}; ask both for the same suites, modes, seeds and samples"
        )
    scored = sum(map(len, groups.values()))
    warnings = [
        *protocol_warnings(first.card, second.card),
        *_left_out("only the first run made", len(before) - len(shared)),
        *_left_out("only the second run made", len(after) - len(shared)),
        *_left_out("lack a score in one of the runs", len(shared) - scored),
    ]
    ordered = sorted(groups, key=lambda key: (key[0], list(map(str, MODES)).index(key[1])))
    return Pairing({key: groups[key] for key in ordered}, tuple(warnings))


def protocol_warnings(first: RunCard, second: RunCard) -> tuple[str, ...]:
    """Where two runs were asked differently; policies may differ, that is what is compared."""
    found = []
    for name, a, b in (
        ("settings", _protocol(first), _protocol(second)),
        ("judge", first.judge or "none", second.judge or "none"),
        ("versions", first.versions, second.versions),
        ("copy of the data", _copies(first, second), _copies(second, first)),
    ):
        if said := _differences(a, b):
            found.append(f"{name}: {said}")
    return tuple(found)


def _draw(one: Result) -> tuple[str, str, str, int, int]:
    return one.suite, one.item, one.mode, one.seed, one.sample


def _asked(run: Run) -> str:
    suites, modes = sorted({one.suite for one in run.results}), sorted({one.mode for one in run.results})
    seeds = sorted({one.seed for one in run.results})
    return f"{run.path.name} has suites {suites}, modes {modes}, seeds {seeds}"


def _left_out(what: str, count: int) -> list[str]:
    return [f"{count} draws are left out that {what}"] if count else []


def _protocol(card: RunCard) -> Mapping[str, object]:
    """All settings but those by which the policies are told apart; how they sample is protocol."""
    return {
        path: value
        for path, value in leaves(card.settings)
        if not path.startswith("respondent.") or "sampling" in path or path.endswith("temperature")
    }


def _copies(card: RunCard, other: RunCard) -> Mapping[str, object]:
    """Revision or MD5 sums of the suites that both have."""
    return {name: card.suites[name].get("source") for name in card.suites if name in other.suites}


def _differences(first: object, second: object) -> str:
    before, after = dict(leaves(first)), dict(leaves(second))
    names = sorted(
        name for name in before.keys() | after.keys() if before.get(name, "–") != after.get(name, "–")
    )
    shown = [
        f"{name} {before.get(name, '–')} / {after.get(name, '–')}".strip() for name in names[:MOST_SHOWN]
    ]
    more = [f"{len(names) - MOST_SHOWN} more"] if len(names) > MOST_SHOWN else []
    return "; ".join([*shown, *more])
