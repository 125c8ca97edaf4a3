"""The report: one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trainers.reproduction.arms import CLAIMS
from trainers.reproduction.claims import Verdict, judge
from trainers.reproduction.figures import ALL, Results, called, over_seeds, share
from trainers.reproduction.plots import drawn

TITLES = {
    1: "Direct RL without cold start",
    2: "With a tool-use bonus",
    3: "SFT, then RL; and what the data buy",
    4: "Selective tool use",
    5: "Our additions",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A claim on the page."""

    number: int
    title: str
    verdicts: Sequence[Verdict]
    figure: Markup


def write_page(
    path: Path, results: Results, seeds: Sequence[int], claims: Sequence[int], smoke: bool
) -> None:
    """Write the page of what has been run so far.

    Args:
        path: The HTML file.
        results: All records there are.
        seeds: The seeds asked for.
        claims: The claims asked for.
        smoke: Whether nothing could be learned.
    """
    verdicts = judge(results, claims)
    sections = [
        Section(
            claim,
            TITLES[claim],
            [each for each in verdicts if each.claim == claim],
            Markup(drawn(claim, results)),
        )
        for claim in claims
    ]
    wanted = {arm for claim in claims for arm in CLAIMS[claim]}
    records = [record for arm in results.values() for record in arm.values()]
    environment = Environment(
        loader=PackageLoader("trainers.reproduction", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("page.html.jinja").render(
        smoke=smoke,
        seeds=seeds,
        verdicts=verdicts,
        sections=sections,
        families=ALL,
        rows=rows(results),
        missing=[(arm, seed) for arm in sorted(wanted) for seed in seeds if seed not in results.get(arm, {})],
        hours=sum(record.seconds for record in records) / 3600,
    )
    path.write_text(page, encoding="utf-8")


def rows(results: Results) -> list[list[str]]:
    """The table of all arms: sampled accuracy and tool use by family, pooled over seeds; format; seeds."""
    table = []
    for arm, by_seed in results.items():
        records = list(by_seed.values())
        if not records:
            continue
        cells = [f"{share(records, (f,))} · {share(records, (f,), called).value:.0%}" for f in ALL]
        total = over_seeds(share([record]).value for record in records)
        form = share(records, hit=lambda one: one.format).value
        table.append([arm, str(len(records)), str(total), *cells, f"{form:.0%}"])
    return table
