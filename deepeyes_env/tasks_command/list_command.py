"""`deepeyes tasks list`: the task families, what they need, and their knobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from deepeyes_env.task import Skill
from deepeyes_env.tasks.worlds import FICTIONAL, REAL, family
from deepeyes_env.tasks.worlds.family import Family
from deepeyes_env.tasks.worlds.knobs import Knob


@dataclass(frozen=True, slots=True)
class ListArgs:
    """List the task families with their skills, the tools they need, and the range of every knob."""


def main(argv: list[str]) -> int:
    """Print a table for each world.

    Args:
        argv: Command-line arguments.

    Returns:
        0.
    """
    tyro.cli(ListArgs, prog="deepeyes tasks list", args=argv)
    console = Console()
    console.print(_table("The fictional world, which is the default", FICTIONAL))
    console.print(_table('The real world: a source of kind = "real", and the extra `real`', REAL))
    return 0


def _table(title: str, names: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("family", "skills", "needs", "knobs (easy .. hard)"):
        table.add_column(name, no_wrap=name == "family")
    for name in names:
        table.add_row(*_row(family(name)))
    return table


def skills_of(chosen: Family[Any]) -> list[str]:
    """The family's skills in the order of RealX-Bench."""
    return [skill.value for skill in Skill if skill in chosen.skills]


def _row(chosen: Family[Any]) -> tuple[str, ...]:
    knobs = "\n".join(f"{name} {_range(knob)}: {knob.what}" for name, knob in chosen.knobs.items())
    return chosen.name, ", ".join(skills_of(chosen)), ", ".join(sorted(chosen.tools)) or "no tool", knobs


def _range(knob: Knob) -> str:
    return f"{knob.easy:g} .. {knob.hard:g}"
