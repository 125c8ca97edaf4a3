"""`deepeyes tasks check`: whether every family needs what its tags say, and nothing can be guessed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import tyro
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deepeyes_env.sandbox import open_sandbox
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.sandbox.config import LocalSandboxConfig
from deepeyes_env.task import Split
from deepeyes_env.tasks.worlds import family
from deepeyes_env.tasks.worlds.source import GeneratedSource
from deepeyes_env.tasks_command.ablation import SUBSETS, Ablation, ablate
from deepeyes_env.tasks_command.choice import WorldArgs
from deepeyes_env.tasks_command.guesser import Example, guessed
from deepeyes_env.tasks_command.list_command import skills_of

KNOWN, ASKED = 300, 100
"""Questions that the guesser has read, and that it is asked; even numbers, half of them twins'."""

GUESSABLE = 1 / 3
"""Share of right guesses above which a family gives its answers away. Where questions are unanswerable or few
answers are possible, a tenth to a seventh is right by chance; other families are far below."""


@dataclass(frozen=True, kw_only=True)
class CheckArgs(WorldArgs):
    """Run every family's oracle without tools, with code, with search and with all; and guess from the text.

    Half of the tasks are counterfactual twins. The exit status is 0 if the tags are what the ablation shows.

    Attributes:
        n: Tasks of each family, half of them twins.
        split: The part to take them from.
    """

    n: int = 12
    split: Split = "validation"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one family.

    Attributes:
        ablation: How often its oracle was right.
        guessed: Share of right guesses from the question alone.
        mistakes: What is wrong with it.
    """

    ablation: Ablation
    guessed: float
    mistakes: tuple[str, ...]


def main(argv: list[str]) -> int:
    """Check the families.

    Args:
        argv: Command-line arguments.

    Returns:
        0 if all is as the tags say, else 1.

    Raises:
        ConfigError: A family is unknown.
    """
    args = tyro.cli(CheckArgs, prog="deepeyes tasks check", args=argv)
    console = Console(highlight=False)
    with closing(open_sandbox(LocalSandboxConfig())) as sandbox:
        found = {
            name: examine(args, name, sandbox)
            for name in track(args.names, "checking", console=console, transient=True)
        }
    console.print(table(found))
    for name, finding in found.items():
        for mistake in finding.mistakes:
            console.print(f"{name}: {mistake}", markup=False)
    return 1 if any(finding.mistakes for finding in found.values()) else 0


def examine(args: CheckArgs, name: str, sandbox: Sandbox | None = None) -> Finding:
    """Check one family."""
    ablation = ablate(args.config(name, twins=True), args.n, args.split, sandbox)
    share = _guess(args, name)
    mistakes = ablation.mistakes(family(name)) + _same_twins(args, name)
    if share > GUESSABLE:
        mistakes.append(f"{share:.0%} of its answers can be guessed from the question")
    return Finding(ablation, share, tuple(mistakes))


def table(found: dict[str, Finding]) -> Table:
    """One row a family."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=_NOTE, caption_justify="left")
    for name in ("family", "skills", *(name.replace(" ", "\n") for name in SUBSETS), "guess", ""):
        shown.add_column(
            name, no_wrap=name != "skills", justify="left" if name in ("family", "skills") else "right"
        )
    for name, finding in found.items():
        shares = [f"{finding.ablation.share(subset):.0%}" for subset in SUBSETS]
        verdict = "[red]wrong[/red]" if finding.mistakes else "[green]ok[/green]"
        shown.add_row(name, ", ".join(skills_of(family(name))), *shares, f"{finding.guessed:.0%}", verdict)
    return shown


_NOTE = (
    "Share of tasks that the family's oracle solves with these tools; guess: from the question's text alone."
)


def _guess(args: CheckArgs, name: str) -> float:
    """Share of right guesses; half of the questions are those of twins, as in the ablation."""
    source = args.source(name)
    return guessed(_examples(source, KNOWN, "train"), _examples(source, ASKED, args.split))


def _examples(source: GeneratedSource[Any], n: int, split: Split) -> list[Example]:
    draws = [draw(index, split) for index in range(n // 2) for draw in (source.plan, source.twin_plan)]
    return [(plan.question, plan.answer) for plan in draws]


def _same_twins(args: CheckArgs, name: str) -> list[str]:
    source = args.source(name, twins=True)
    for index in range(0, args.n - 1, 2):
        task, twin = source.task(index, args.split), source.task(index + 1, args.split)
        if task.question != twin.question:
            return [f"the twin of {task.id} asks another question"]
        if [image.sha256 for image in task.images] == [image.sha256 for image in twin.images]:
            return [f"the twin of {task.id} shows the same pictures"]
    return []
