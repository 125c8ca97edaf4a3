"""The suites' own figures (strict, loose, ...), which `deepeyes eval` computes: it has the items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.convert.json_files import read_json
from benchmarks.run_folder import OFFICIAL

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]

POINTS = "points"
"""The one official figure that is no share: OCRBench's points of 1,000."""

HEADLINES: Mapping[str, str] = {"ocrbench": POINTS, "wemath": "strict"}
"""Suites of whose figures another than `accuracy` is the one that is quoted."""


def headline(suite: str, figures: Mapping[str, float]) -> str:
    """The official figure that a table shows: the suite's own where it is there, else `accuracy`.

    Args:
        suite: Its name.
        figures: Its official figures.

    Returns:
        Name and value; empty without figures.
    """
    name = HEADLINES.get(suite, "accuracy")
    if name not in figures:
        name = "accuracy" if "accuracy" in figures else next(iter(figures), "")
    if not name:
        return ""
    return f"{name} {figures[name] * (1 if name == POINTS else 100):.1f}"


def of_scored(shown: str, scored: int, draws: int) -> str:
    """A figure with what it is over, where that is less than the draws with a verdict of ours.

    The rules of a suite whose metric asks a judge can decide some answers alone, and those are no sample: of
    SimpleVQA, say, only right ones.
    """
    return shown if scored == draws else f"{shown} ({scored} of {draws})"


def read_official(run: Path) -> Figures:
    """The figures of a run; empty where none were written, as of one that was interrupted.

    Raises:
        DatasetError: The file is no JSON.
    """
    path = run / OFFICIAL
    found: Figures = read_json(path) if path.exists() else {}
    return found
