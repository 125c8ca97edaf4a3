"""WorldBench: our own benchmark, drawn by the generator of worlds; nothing is downloaded.

    items = open_worldbench("worldbench-small")
    items.item(0).task.question

Source: `deepeyes_env.tasks.worlds`, in a world that no training configuration names, split `test`. Licence:
the project's, Apache-2.0. Size: 400 items, of which `worldbench-small` is the first 60. Metric: share of
right answers by our exact rules, also per group of skills; consistency over twins; precision and recall of
refusals.

Items come in pairs: an item and its counterfactual twin, the same question about pictures in which one fact
is changed, so that whoever does not look is wrong about one of them. Pairs take turns over the four groups,
the families of a group, and three levels of difficulty; the first pairs are a fair sample of all of them.
Every pair of the family `no-record` is a question that nothing answers, and its twin, which a page does
answer: the words of a question never say which of the two it is.

Traps: the pages are generated too, so figures say nothing about the live web; the two items of a pair are not
independent (`Item.cluster`); figures of `worldbench-small` have intervals of about 25 points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks.suites.items import IndexedItems
from benchmarks.suites.row import Row
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.errors import ConfigError, nearest
from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.tasks.worlds import integration, perception, reasoning, search
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine

VERSION = 4
"""Of the items. Whatever changes a question, an answer or a picture is another version."""

SEED = 251105271
"""Names the world (arXiv 2511.05271): its entities and pages are in no training configuration."""

SIZES = {"worldbench": 400, "worldbench-small": 60}
"""Items by name: an API user can afford the first at a cent an item, and try the second."""

LEVELS: dict[str, float] = {"easy": 0.0, "medium": 0.5, "hard": 1.0}
"""Where the families' knobs stand (`deepeyes_env.tasks.worlds.knobs`)."""

NO_RECORD = "no-record"

_SEARCH_TURNS = tuple(name for name in search.FAMILIES if name != NO_RECORD)

GROUPS: dict[str, tuple[str, ...]] = {
    "perception": tuple(perception.FAMILIES),
    "reasoning": tuple(reasoning.FAMILIES),
    # Every third pair is unanswerable: one family in ten would leave too few refusals to count.
    "search": tuple(
        name
        for start in range(0, len(_SEARCH_TURNS), 2)
        for name in (*_SEARCH_TURNS[start : start + 2], NO_RECORD)
    ),
    "integration": tuple(integration.FAMILIES),
}
"""Group of skills -> its families in turn."""

_MOST_LOST = 0.13
"""The hardest setting of `no-record`'s knob `lost`: only lost facts are taken, so it merely saves draws."""


class WorldBenchItems(IndexedItems):
    """The items by number; each is drawn when it is first asked for.

    Attributes:
        suite: Which of the two sizes.
    """

    def __init__(self, suite: Suite) -> None:
        """Choose a size; nothing is drawn yet."""
        self.suite = suite
        self._drawn = cache(self._draw)

    def __len__(self) -> int:
        return SIZES[self.name]

    def _made(self, index: int) -> Item:
        return self._drawn(index)

    def search_engine(self) -> SearchEngine | None:
        """The engine over the world's own pages."""
        return _source("perception", "easy").search_engine()

    def describe(self) -> Mapping[str, Any]:
        """What a run's card says of the suite."""
        card = self.suite.card
        return {
            "title": card.title,
            "items": len(self),
            "size": card.size,
            "licence": card.licence,
            "metric": card.metric,
            "source": {"generated": f"worldbench-{VERSION}", "seed": SEED},
            "revision": str(VERSION),
            "warnings": [],
        }

    def _draw(self, index: int) -> Item:
        return self.suite.read(Row({"index": index}, self.name))


def open_worldbench(name: str) -> WorldBenchItems:
    """The items of a size.

    Raises:
        ConfigError: There is no such size.
    """
    if name not in SUITES:
        raise ConfigError(f"suite = {name!r}: {nearest(name, SUITES)}")
    return WorldBenchItems(SUITES[name])


def _reader(name: str) -> Callable[[Row], Item]:
    def read(row: Row) -> Item:
        """The item of the row `{"index": k}`."""
        pair, is_twin = divmod(row["index"], 2)
        group, family, level, number = place(pair)
        source = _source(family, level)
        index = _lost(level, number) if family == NO_RECORD else number
        task = source.twin(index, "test") if is_twin else source.task(index, "test")
        first = f"{name}/{2 * pair}"
        return Item(
            task=replace(task, id=f"{name}/{row['index']}"),
            category=f"{group}/{level}",
            cluster=first,
            unanswerable=task.answer.text == NOT_RECORDED,
            twin=first if is_twin else None,
            facts={"group": group, "level": level, "origin": task.id},
        )

    return read


def place(pair: int) -> tuple[str, str, str, int]:
    """Where a pair stands: its group, family and level, and how many of its family came before it."""
    names, levels = list(GROUPS), list(LEVELS)
    turn, group = divmod(pair, len(names))
    families = GROUPS[names[group]]
    lap, seat = divmod(turn, len(families))
    family = families[seat]
    number = lap * families.count(family) + families[:seat].count(family)
    # By the family's own count: every family goes through all levels, whatever the number of families.
    return names[group], family, levels[(seat + number) % len(levels)], number


@cache
def _source(family: str, level: str) -> FictionalWorld:
    if family in GROUPS:
        family = GROUPS[family][0]
    knobs = {NO_RECORD: {"lost": _MOST_LOST}} if family == NO_RECORD else {}
    return FictionalWorld(SEED, (family,), LEVELS[level], knobs)


@cache
def _lost(level: str, number: int) -> int:
    """The index of the `number`-th question of a level that no page answers."""
    index = 0 if number == 0 else _lost(level, number - 1) + 1
    while _source(NO_RECORD, level).plan(index, "test").answer.text != NOT_RECORDED:
        index += 1
    return index


def official(item: Item, answer: str) -> float:
    """1 for an answer that our rules find right, else 0."""
    return float(grade_by_rule(answer, item.task.answer).correct)


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """The official figures: accuracy, of every group too, twin consistency, refusal precision and recall.

    A figure over nothing is left out. Twin consistency is the share of pairs with both answers right;
    precision is over all refusals, recall over all unanswerable items.
    """
    scored = [one for one in marked if one.score is not None]
    pairs: dict[str, list[float]] = {}
    for one in scored:
        pairs.setdefault(one.item.cluster, []).append(one.score or 0.0)
    shares = {"accuracy": [one.score or 0.0 for one in scored]}
    for group in GROUPS:
        shares[f"accuracy/{group}"] = [one.score or 0.0 for one in scored if one.item.facts["group"] == group]
    shares["twin_consistency"] = [float(min(pair) == 1.0) for pair in pairs.values() if len(pair) == 2]
    shares["refusal_precision"] = [float(one.item.unanswerable) for one in scored if one.refused]
    shares["refusal_recall"] = [float(one.refused) for one in scored if one.item.unanswerable]
    return {name: sum(values) / len(values) for name, values in shares.items() if values}


def _suite(name: str, title: str) -> Suite:
    return Suite(
        card=Card(
            name=name,
            title=title,
            releases=(Release(hub="", split="test", revision=str(VERSION)),),
            licence="Apache-2.0",
            size=SIZES[name],
            metric="share of right answers by exact rules; twin consistency; refusal precision and recall",
            paper="docs/worlds.md",
            traps=("its pages are generated: it says nothing about the live web",),
        ),
        read=_reader(name),
        official=official,
        summarise=summarise,
    )


WORLDBENCH = _suite("worldbench", "WorldBench")

WORLDBENCH_SMALL = _suite("worldbench-small", "WorldBench small")

SUITES: dict[str, Suite] = {suite.card.name: suite for suite in (WORLDBENCH, WORLDBENCH_SMALL)}
"""Both sizes by name."""
