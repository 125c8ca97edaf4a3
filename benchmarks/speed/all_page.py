"""The page of `deepeyes bench all`: targets of all benchmarks, then each with its figures and its command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.speed.tables import shown_figure

STATUS = {True: "met", False: "not met", None: "no peer"}


def write_page(path: Path, everything: Mapping[str, Any]) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        everything: What `all.json` holds.
    """
    environment = Environment(
        loader=PackageLoader("benchmarks.speed", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"figure": shown_figure, "interval": _interval, "wanted": _wanted}
    page = environment.get_template("all_page.html.jinja").render(**everything, status=STATUS)
    path.write_text(page, encoding="utf-8")


def _interval(target: Mapping[str, Any]) -> str:
    """` [low, high]` where the verdict has an interval, else nothing."""
    ends = target.get("low"), target.get("high")
    return "" if None in ends else f" [{', '.join(map(shown_figure, ends))}]"  # type: ignore[arg-type]


def _wanted(target: Mapping[str, Any]) -> str:
    return f"{'≥' if target['at_least'] else '≤'} {target['bound']:g}"
