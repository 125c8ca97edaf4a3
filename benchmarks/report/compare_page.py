"""A comparison as one page: the table, and the flipped draws with what happened in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report.comparison import Flip, RunComparison, SuiteComparison
from benchmarks.report.episodes import Episodes, Excerpt
from benchmarks.report.page import render
from benchmarks.report.tables import Table

MOST_FLIPS = 20
"""Flipped draws that a page shows of a suite and mode in each direction; the JSON has all."""

NOTE = (
    "Second run less first, in points, on the draws that both have scored, with a cluster bootstrap's 95 % "
    "interval. p: exact McNemar test, or a permutation of clusters (*) where draws are not independent or "
    "not 0 or 1; Holm: after correction over all rows, also those of other runs that are compared with the "
    "first. detectable: the smallest difference that 80 % of such comparisons would find; a smaller one is "
    "not refuted by a large p."
)
"""What the table's columns mean."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A flipped draw on the page; see `Flip` and `Excerpt`."""

    flip: Flip
    first: Excerpt | None
    second: Excerpt | None


def compare_table(compared: RunComparison) -> Table:
    """The table of a comparison."""
    rows = [
        (
            one.title,
            one.mode,
            str(one.result.pairs)
            if one.result.clusters == one.result.pairs
            else f"{one.result.pairs} in {one.result.clusters}",
            f"{100 * one.result.first:.1f}",
            f"{100 * one.result.second:.1f}",
            f"{100 * one.result.difference:+.1f} [{100 * one.result.low:+.1f}, {100 * one.result.high:+.1f}]",
            str(one.result.gained),
            str(one.result.lost),
            f"{one.result.p_value:.2g}{'*' if one.result.test == 'permutation' else ''}",
            f"{one.p_holm:.2g}",
            "none" if one.result.detectable is None else f"{100 * one.result.detectable:.1f}",
        )
        for one in compared.suites
    ]
    for mode, mean in compared.means.items():
        interval = "" if mean.low is None else f" [{100 * mean.low:+.1f}, {100 * (mean.high or 0):+.1f}]"
        cells = (f"mean of {mean.suites}", mode, "", "", "", f"{100 * mean.value:+.1f}{interval}")
        rows.append((*cells, "", "", "", "", ""))
    columns = ("suite", "tools", "pairs", "first", "second", "difference", "gained", "lost", "p", "Holm")
    title = f"{compared.second} against {compared.first}"
    return Table(title, (*columns, "detectable"), tuple(rows), NOTE)


def compare_page(compared: Sequence[tuple[RunComparison, Path, Path]], beside: Path) -> str:
    """The page.

    Args:
        compared: Comparisons with the folders of their first and second run.
        beside: The folder that the page will be in.

    Raises:
        StoreError: A run's trajectories are damaged.
    """
    return render(
        "compare.html.jinja",
        comparisons=[
            (one, compare_table(one), _sections(one, first, second, beside))
            for one, first, second in compared
        ],
        most=MOST_FLIPS,
    )


def _sections(
    compared: RunComparison, first: Path, second: Path, beside: Path
) -> list[tuple[SuiteComparison, list[Shown]]]:
    with Episodes(first, beside) as before, Episodes(second, beside) as after:
        return [
            (
                suite,
                [
                    Shown(flip, before.excerpt(flip.first_trajectory), after.excerpt(flip.second_trajectory))
                    for flip in _some(suite.flips)
                ],
            )
            for suite in compared.suites
        ]


def _some(flips: Sequence[Flip]) -> list[Flip]:
    gains, losses = [one for one in flips if one.change > 0], [one for one in flips if one.change < 0]
    return gains[:MOST_FLIPS] + losses[:MOST_FLIPS]
