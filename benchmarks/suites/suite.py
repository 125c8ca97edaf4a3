"""What a suite is: a public benchmark, where it comes from, how its rows become tasks and how it scores.

    vstar = Suite(card=Card(name="vstar", ...), read=read_row, official=score, summarise=by_category)

A suite holds no data. `benchmarks.suites.copies` opens the user's copy or the pinned release as rows;
`read` turns one row into one item, and says of a row that it cannot use what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.suites.row import Row
from deepeyes_env.task import Task


@dataclass(frozen=True, slots=True)
class Release:
    """Where a benchmark's rows are published.

    Attributes:
        hub: Data set id on the Hugging Face hub.
        split: Its split.
        revision: Commit of the hub that is loaded, whole or its first digits (seven or more), as the hub's
            pages show it; None where none could be looked up: the first one that `deepeyes eval` loads is
            kept then (`benchmarks.protocol.revisions`).
        config: Name of the configuration, or None for the only one.
        md5: Sums of published files by file name (for example VLMEvalKit's TSV), against which a user's copy
            is checked.
        sha256: The same where these are published (for example the pointer of a Git LFS file).
        files: Whether its rows name pictures by path, so that all its files are fetched and read like a copy.
    """

    hub: str
    split: str
    revision: str | None = None
    config: str | None = None
    md5: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    files: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """What a reader of a report has to know of a suite.

    Attributes:
        name: On the command line, lower case: `vstar`.
        title: In reports: `V*`.
        releases: Where it is published; the first is loaded by default.
        licence: Of the data, as its authors state it; `unstated` where they do not.
        size: Items of the public release.
        metric: The official metric in a sentence.
        paper: Source of the benchmark (arXiv number or address).
        traps: What goes wrong when others report it.
    """

    name: str
    title: str
    releases: tuple[Release, ...]
    licence: str
    size: int
    metric: str
    paper: str
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a suite.

    Attributes:
        task: The question with its images and its reference; `task.id` is `<suite>/<id in the release>` and
            stays the same forever.
        category: The release's own category, or empty.
        cluster: Items with the same cluster are not independent (the cycles of one question, the questions of
            one image, an item and its twin); by default the item's id.
        unanswerable: Whether the right answer is that the question cannot be answered.
        twin: Id of the item of which this is the counterfactual twin, or None.
        facts: What the official metric needs beside answer and reference. JSON-able.
    """

    task: Task
    category: str
    cluster: str
    unanswerable: bool = False
    twin: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Marked:
    """An item with what its official metric gave.

    Attributes:
        item: The item.
        score: In [0, 1]; None where it was not scored (failed infrastructure or judge), which never counts
            as 0.
        refused: Whether the answer was that the question cannot be answered.
    """

    item: Item
    score: float | None
    refused: bool = False


Official = Callable[[Item, str], float | None]
"""Scores a final answer in [0, 1] by the benchmark's own rules; None where its rules ask a judge."""

Summarise = Callable[[Sequence[Marked]], Mapping[str, float]]
"""The official figures by name, from all marked items of a run (`accuracy`, `strict`, `loose`, ...)."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A benchmark.

    Attributes:
        card: What it is.
        read: One item from a row; raises `benchmarks.suites.row.RowError` with the column at fault.
        official: The official metric of one answer.
        summarise: The official figures of a run.
        parts: How many items a row holds (0 where it is not asked); None means one. `Row.part` says which of
            them `read` is asked for.
    """

    card: Card
    read: Callable[[Row], Item]
    official: Official
    summarise: Summarise
    parts: Callable[[Row], int] | None = None
