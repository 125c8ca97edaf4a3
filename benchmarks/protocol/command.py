"""`deepeyes eval`: benchmarks with tools on, code only, search only and off; reports; comparisons.

deepeyes eval --policy oracle                              # WorldBench, nothing to download
deepeyes eval --policy m --backend api --urls URL --suite vstar --copy vstar=VStarBench.tsv --out runs/v
deepeyes eval report RUN
deepeyes eval compare RUN_A RUN_B
deepeyes eval export RUN --format inspect --out DIR
deepeyes eval judge-check --judge URL --judge-model NAME
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

import tyro
from rich.console import Console

from agents.actor import no_room
from agents.policy import PolicyError
from agents.qwen import ModelError
from agents.store import StoreError
from agents.transcript import ContextFull
from benchmarks.protocol.evaluate import Evaluated, evaluate
from benchmarks.protocol.folder import is_scored
from benchmarks.protocol.options import EvalOptions
from benchmarks.report.accuracy import accuracy, ours
from benchmarks.report.command import write_report
from benchmarks.report.official import headline, of_scored
from benchmarks.report.tables import Table
from benchmarks.report.terminal import print_table
from benchmarks.result import Result
from benchmarks.scoring.option_order import LayoutError
from deepeyes_env.errors import ConfigError, nearest

PARTS = {
    "report": "benchmarks.report.command",
    "compare": "benchmarks.report.compare_command",
    "export": "benchmarks.interchange.command",
    "judge-check": "benchmarks.scoring.judge_check",
}
"""Part of the command -> the module whose `main` takes the remaining arguments; imported when asked for."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments; the first may name a part.

    Returns:
        The exit status of a part; 1 where the infrastructure failed in an episode, else 0.

    Raises:
        ConfigError: An option or the environment's file cannot be used, or there is no such part.
        SystemExit: The policy, the folder or a suite cannot be used; the message says why.
    """
    if argv and argv[0] in PARTS:
        status: int | None = importlib.import_module(PARTS[argv[0]]).main(list(argv[1:]))
        return status or 0
    if argv and not argv[0].startswith("-"):
        raise ConfigError(f"unknown part {argv[0]!r}: {nearest(argv[0], PARTS)}")
    options = tyro.cli(EvalOptions, args=list(argv), prog="deepeyes eval")
    console = Console()
    try:
        outcome = evaluate(options, console)
    except (ModelError, StoreError, PolicyError, LayoutError) as error:
        raise SystemExit(f"deepeyes eval: {error}") from error
    except ContextFull as error:
        raise SystemExit(f"deepeyes eval: {no_room(error)}") from error
    print_table(console, table(outcome))
    write_report(options.folder)
    console.print(f"{options.folder}/report.html, report.md, report.json", highlight=False, soft_wrap=True)
    console.print(f"deepeyes view {options.folder}/trajectories", highlight=False, soft_wrap=True)
    for failure in outcome.failures:
        console.print(failure, style="red", markup=False)
    unscored = sum(not is_scored(one) for one in outcome.results)
    if unscored:
        console.print(
            f"{unscored} answers lack a verdict, ours or the judge's beside it: run the same command again "
            "to ask for them"
        )
    undecided = sum(one.rule == "none" and one.answer is not None for one in outcome.results)
    if undecided and not options.judge_config:
        console.print(
            f"{undecided} answers that no rule decided count as wrong: name a --judge, another --out, and "
            f"--cache {options.folder}, so that only the judge is asked"
        )
    return 1 if unscored else 0


def table(outcome: Evaluated) -> Table:
    """Accuracy by suite and mode, with an official figure beside it."""
    rows = []
    for suite, modes in outcome.official.items():
        for mode, figures in modes.items():
            some = [one for one in outcome.results if (one.suite, one.mode) == (suite, mode)]
            rows.append((suite, mode, *_figures(some), _official(suite, figures, some), str(_unscored(some))))
    return Table("", ("suite", "tools", "n", "accuracy", "official", "unscored"), tuple(rows), _NOTE)


_NOTE = (
    "n: scored draws; the orders of an item's options are one. accuracy: by our rules, with Wilson's 95 % "
    "interval for as many draws as their clusters are worth; official: the suite's own metric, in brackets "
    "how many of the draws it could score without a judge."
)


def _figures(results: Sequence[Result]) -> tuple[str, str]:
    found = ours(results)
    return str(found.n), str(found)


def _official(suite: str, figures: Mapping[str, float], results: Sequence[Result]) -> str:
    found = accuracy(results)
    return of_scored(headline(suite, figures), found.official.n, found.ours.n)


def _unscored(results: Sequence[Result]) -> int:
    return sum(one.correct is None for one in results)
