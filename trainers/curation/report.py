"""The report page: how many tasks each filter left, which ones went and why, with pictures and episodes."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agents.trajectory import SeedLineage, Trajectory
from agents.viewer import render_page
from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks import open_source
from trainers.curation.attempts import Tally
from trainers.curation.cards import Card
from trainers.curation.keys import plain
from trainers.curation.pipeline import SYNTHESIS, Curated, Plan
from trainers.curation.placement import Place, only

EXAMPLES = 4
"""Tasks shown per place, of different families where there are some."""

EPISODES = 2
"""Demonstrations shown per reason, and twice as many that were kept."""

THUMBNAIL = 360
"""Longest side of an example's picture in pixels: what a column of the page is wide."""

PAPER = {"long chains of thought": 0.816, "reasoning": 0.096, "perception": 0.081, "search": 0.007}
"""The mixture of the paper's SFT data (reference 4.1, Fig. 9)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A filter's result.

    Attributes:
        name: What is left.
        count: How many.
        share: Of all tasks.
        note: What decided.
        split: Whether it is one of two ways from the step before.
    """

    name: str
    count: int
    share: float
    note: str
    split: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many tasks had how many right answers.

    Attributes:
        title: Of what.
        bars: Right answers, tasks, height in percent of the highest bar, and whether they are kept.
        note: What the colours say.
    """

    title: str
    bars: Sequence[tuple[int, int, float, bool]]
    note: str


@dataclass(frozen=True, slots=True)
class Example:
    """A task to look at.

    Attributes:
        card: The task.
        detail: Why it is where it is.
        picture: Its first picture, small, as a data URL.
    """

    card: Card
    detail: str
    picture: str


def write_report(plan: Plan, done: Curated, path: Path) -> Path:
    """Write the self-contained page.

    Args:
        plan: What was asked for.
        done: What came of it.
        path: The HTML file.

    Returns:
        The file.
    """
    environment = Environment(
        loader=PackageLoader("trainers.curation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    summary = environment.get_template("report.html.jinja").render(
        steps=funnel(plan, done),
        tables=[
            by(done, "skills", lambda card: card.combination),
            by(done, "family", lambda card: card.family),
        ],
        places=list(Place),
        histograms=histograms(plan, done),
        flaws=flaw_counts(done),
        mixture=mixture(done),
        thoughts=Counter(one.reason or "taken" for one in done.thoughts).most_common(),
        unusable=done.unusable[:EXAMPLES],
        unusable_count=len(done.unusable),
        examples=examples(plan, done),
        settings=json.dumps(plain(plan.recipe), indent=2),
        voices=[("base policy", plan.base.settings), ("teacher", plan.teacher.settings)],
        stages=done.stages,
    )
    page = render_page(episodes(plan, done), plan.vocabulary, title="DeepEyes curation", extra_html=summary)
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def funnel(plan: Plan, done: Curated) -> list[Step]:
    """What each filter left."""
    recipe, counts = plan.recipe, Counter(one.place for one in done.places)
    total = max(len(done.places), 1)
    unique = len(done.places) - counts[Place.DUPLICATE]
    clean = unique - counts[Place.BENCHMARK]
    hard = len(done.found.benefit)
    solvable = counts[Place.RL] + counts[Place.RL_SURPLUS]
    demonstrated = counts[Place.COLD_START] + counts[Place.COLD_SURPLUS]
    unsolved = sum(one.at_least(recipe.benefit.least_right) is False for one in done.found.benefit.values())
    hardness, benefit = recipe.difficulty, recipe.benefit
    rows = [
        ("in the source", len(done.places), f"{len(done.unusable)} more could not be used", False),
        ("unique", unique, "same question, same pictures", False),
        (
            "in no benchmark",
            clean,
            ", ".join(recipe.decontaminate.against) or "no benchmark was named",
            False,
        ),
        ("hard", hard, f"at most {hardness.most_right} of {hardness.samples} right without tools", False),
        ("solved with tools", solvable, f"at least {benefit.least_right} of {benefit.samples} right", True),
        ("RL set", counts[Place.RL], "after balancing", True),
        ("unsolved with tools", unsolved, "for the cold start", True),
        (
            "demonstrated",
            demonstrated,
            f"right, without code errors, in {recipe.synthesis.attempts} attempts",
            True,
        ),
        ("cold start", counts[Place.COLD_START], "after balancing", True),
        (
            "unscored",
            counts[Place.UNSCORED],
            "the infrastructure failed; tried again at the next start",
            False,
        ),
    ]
    return [Step(name, count, count / total, note, split) for name, count, note, split in rows]


def by(done: Curated, name: str, group: Callable[[Card], str]) -> dict[str, Any]:
    """Where tasks ended, by a property of theirs."""
    rows: defaultdict[str, Counter[Place]] = defaultdict(Counter)
    for one in done.places:
        rows[group(done.found.cards[one.digest])][one.place] += 1
    return {"name": name, "rows": sorted(rows.items())}


def histograms(plan: Plan, done: Curated) -> list[Histogram]:
    """Right answers per task, without and with tools."""
    difficulty, benefit = plan.recipe.difficulty, plan.recipe.benefit
    return [
        _histogram(
            "without tools",
            done.found.difficulty,
            difficulty.samples,
            lambda right: right <= difficulty.most_right,
            f"up to {difficulty.most_right} right: hard enough",
        ),
        _histogram(
            "with tools, of the hard ones",
            done.found.benefit,
            benefit.samples,
            lambda right: right >= benefit.least_right,
            f"from {benefit.least_right} right: for RL; the others: for cold start",
        ),
    ]


def flaw_counts(done: Curated) -> list[tuple[str, int]]:
    """What became of the teacher's trajectories."""
    found = [flaw for attempts in done.found.flaws.values() for flaw in attempts.values()]
    return Counter("kept" if flaw is None else str(flaw) for flaw in found).most_common()


def mixture(done: Curated) -> list[tuple[str, int, float, float | None]]:
    """What the cold start's set is made of: name, count, share, the paper's share."""
    counts: Counter[str] = Counter()
    for digest in only(done.places, Place.COLD_START):
        counts[done.found.cards[digest].combination] += len(done.found.chosen(digest))
    thoughts = sum(not one.reason for one in done.thoughts)
    counts |= Counter({"long chains of thought": thoughts}) if thoughts else Counter()
    total = max(sum(counts.values()), 1)
    return [(name, count, count / total, PAPER.get(name)) for name, count in counts.most_common()]


def examples(plan: Plan, done: Curated) -> list[tuple[Place, list[Example]]]:
    """Some tasks of each place."""
    source = open_source(plan.env.source)
    details = {one.digest: one.detail for one in done.places}
    shown = []
    for place in Place:
        cards = _varied([done.found.cards[digest] for digest in only(done.places, place)], EXAMPLES)
        tasks = [(card, source.task(card.index, plan.split)) for card in cards]
        shown.append(
            (place, [Example(card, details[card.digest], _thumbnail(task.images[0])) for card, task in tasks])
        )
    return [(place, some) for place, some in shown if some]


def episodes(plan: Plan, done: Curated) -> list[Trajectory]:
    """Some of the teacher's trajectories: kept ones, then those that were left out, by reason."""
    wanted: defaultdict[str, list[tuple[SeedLineage, str]]] = defaultdict(list)
    for digest, attempts in done.found.flaws.items():
        for number, flaw in attempts.items():
            told = "kept" if flaw is None else f"dropped: {flaw}"
            lineage = SeedLineage(plan.seed, SYNTHESIS, done.found.cards[digest].number, number)
            if len(wanted[told]) < (2 * EPISODES if flaw is None else EPISODES):
                wanted[told].append((lineage, told))
    chosen = [one for _, some in sorted(wanted.items(), key=lambda item: item[0] != "kept") for one in some]
    with done.teacher.reading(lineage for lineage, _ in chosen) as read:
        found = [(read(lineage), told) for lineage, told in chosen]
    return [
        replace(one, versions={"curation": told, **one.versions}) for one, told in found if one is not None
    ]


def _histogram(
    title: str, tallies: Mapping[str, Tally], samples: int, kept: Callable[[int], bool], note: str
) -> Histogram:
    counts = Counter(one.right for one in tallies.values())
    highest = max(counts.values(), default=1)
    bars = [(n, counts[n], 100 * counts[n] / highest, kept(n)) for n in range(samples + 1)]
    return Histogram(title, bars, note)


def _varied(cards: Sequence[Card], most: int) -> list[Card]:
    """The first cards of each family in turn."""
    turns: Counter[str] = Counter()
    numbered = []
    for card in cards:
        numbered.append((turns[card.family], card))
        turns[card.family] += 1
    return [card for _, card in sorted(numbered, key=lambda one: (one[0], one[1].index))[:most]]


def _thumbnail(image: EncodedImage) -> str:
    picture = image.decode()
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
