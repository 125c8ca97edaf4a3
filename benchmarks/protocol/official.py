"""The official figures of a run: each suite's own metric, by mode.

RUN/official.json   {suite: {mode: {figure: value}}}
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.protocol.plan import Items, Plan
from benchmarks.result import Result
from benchmarks.run_folder import OFFICIAL
from benchmarks.suites.suite import Item, Marked

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Suite -> mode -> figure -> value."""


def official_figures(suites: Sequence[Items], plan: Plan, results: Iterable[Result]) -> Figures:
    """Each suite's figures by mode: the mean over draws, of which each is a run by the benchmark's own rules.

    All orders of an item's options are one draw, of their mean score: there are as many as it has options.

    Args:
        suites: What was asked.
        plan: How often.
        results: What came of it.
    """
    runs: defaultdict[tuple[str, str], defaultdict[tuple[int, int], list[Result]]]
    runs = defaultdict(lambda: defaultdict(list))
    for one in results:
        runs[one.suite, one.mode][one.seed, one.draw].append(one)
    figures: dict[str, dict[str, Mapping[str, float]]] = {}
    for items in suites:
        name = items.suite.card.name
        asked = _asked(items, plan)
        for mode in plan.modes:
            marked = [_marked(asked, run) for _, run in sorted(runs[name, mode].items())]
            figures.setdefault(name, {})[mode] = _mean([items.suite.summarise(run) for run in marked])
    return figures


def _marked(asked: Mapping[str, Item], run: Iterable[Result]) -> list[Marked]:
    """Each item of a run once, with the mean of its scores."""
    draws: defaultdict[str, list[Result]] = defaultdict(list)
    for one in run:
        draws[one.item].append(one)
    marked = []
    for name, some in draws.items():
        scores = [one.official for one in some if one.official is not None]
        score = sum(scores) / len(scores) if scores else None
        marked.append(Marked(asked[name], score, all(one.refused for one in some)))
    return marked


def write_official(folder: Path, figures: Figures) -> None:
    """Write them into a run's folder."""
    (folder / OFFICIAL).write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _asked(items: Items, plan: Plan) -> dict[str, Item]:
    """The items by id, without their pictures, which no metric needs any more."""
    each = (items.item(index) for index in range(plan.count(items)))
    return {item.task.id: replace(item, task=replace(item.task, images=())) for item in each}


def _mean(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Figure -> mean over the runs that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {name: sum(found) / len(found) for name, found in values.items()}
