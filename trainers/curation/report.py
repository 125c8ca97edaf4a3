"""The report page: how many tasks each filter left, which ones went and why, with pictures and episodes."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from agents.trajectory import SeedLineage, Trajectory
from agents.viewer import render_page
from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks import open_source
from trainers.curation.cards import Card
from trainers.curation.figures import by, flaw_counts, funnel, histograms, mixture
from trainers.curation.keys import plain
from trainers.curation.pipeline import SYNTHESIS
from trainers.curation.placement import Place, only
from trainers.curation.plan import Curated, Plan
from trainers.curation.stages import making

EXAMPLES = 4
"""Tasks shown per place, of different families where there are some."""

EPISODES = 2
"""Demonstrations shown per reason, and twice as many that were kept."""

THUMBNAIL = 360
"""Longest side of an example's picture in pixels: what a column of the page is wide."""


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

    Raises:
        CurationError: The disk refuses.
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
    with making(path):
        path.write_text(page, encoding="utf-8", errors="replace")
    return path


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
