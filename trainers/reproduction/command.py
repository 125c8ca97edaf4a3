"""`deepeyes reproduce`: the paper's claims on a laptop, from nothing to one page; resumable."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from deepeyes_env.errors import make_folder
from trainers.reproduction.arms import CLAIMS, SMOKE, Sizes, arms, needed
from trainers.reproduction.claims import judge
from trainers.reproduction.figures import Results
from trainers.reproduction.page import write_page
from trainers.reproduction.record import Record, read_record
from trainers.reproduction.schedule import run_all
from trainers.reproduction.stages import Stage, address

TUNED_SEEDS = (0, 100)
"""Seeds on which the lessons were tuned: what they show would flatter the recipe."""


@dataclass(frozen=True, slots=True)
class ReproduceOptions:
    """Train every arm of the paper's claims on a tiny policy, and say which claims hold.

    The same command goes on where it was stopped: what is finished is in the output directory.

    Attributes:
        seeds: Seeds; every arm is trained with each of them. Not 0 and 100: on these the lessons were tuned.
        claims: Numbers of the claims; default: all five.
        output: Where stages and the page go.
        workers: Processes, one thread each.
        smoke: Only check that everything runs, in about a minute.
    """

    seeds: tuple[int, ...] = (1, 2, 3)
    claims: tuple[int, ...] = tuple(CLAIMS)
    output: Path = Path("runs/reproduction")
    workers: int = 2
    smoke: bool = False


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments; several seeds or claims may also be joined by commas.

    Raises:
        SystemExit: An option makes no sense, or it was interrupted.
    """
    split = [part for argument in argv for part in _apart(argument)]
    options = tyro.cli(ReproduceOptions, args=split, prog="deepeyes reproduce")
    if problem := _problem(options):
        raise SystemExit(f"deepeyes reproduce: {problem}")
    console = Console() if sys.stdout.isatty() else Console(width=120)
    try:
        page = reproduce(options, console)
    except KeyboardInterrupt as error:
        raise SystemExit("deepeyes reproduce: interrupted; the same command goes on from here") from error
    console.print(f"report: {page}")


def reproduce(options: ReproduceOptions, console: Console) -> Path:
    """Run what is not done yet and write the page.

    Args:
        options: What to run.
        console: Where progress is shown.

    Returns:
        The page; a run that ends early leaves one too, of what it has finished.

    Raises:
        ConfigError: The output cannot be a folder.
    """
    # For the workers: spinning threads make each other slow (stack notes section 2).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sizes = SMOKE if options.smoke else Sizes()
    root, page = options.output / "stages", options.output / "report.html"
    make_folder("output", root)
    named = {
        (name, seed): arms(seed, sizes)[name] for seed in options.seeds for name in needed(options.claims)
    }
    names = {address(stage): f"{name}, seed {seed}" for (name, seed), stage in named.items()}
    started = time.monotonic()

    def on_done(stage: Stage, done: int, total: int) -> None:
        minutes = (time.monotonic() - started) / 60
        console.print(f"[{done}/{total}] {names.get(address(stage), address(stage))} ({minutes:.1f} min)")

    try:
        run_all(named.values(), root, options.workers, on_done)
    finally:
        found = results(named, root)
        write_page(page, found, options.seeds, options.claims, options.smoke)
    if options.smoke:
        console.print("smoke run: nothing was learned, so there is nothing to judge")
        return page
    for verdict in judge(found, options.claims):
        console.print(f"{verdict.claim}  {verdict.status:<18}  {verdict.says}", highlight=False)
    return page


def results(named: dict[tuple[str, int], Stage], root: Path) -> Results:
    """The records of the arms that are done.

    Args:
        named: Stages by arm and seed.
        root: Holds a folder per stage.
    """
    found: dict[str, dict[int, Record]] = {}
    for (name, seed), stage in named.items():
        path = root / address(stage) / "record.json"
        if path.exists():
            found.setdefault(name, {})[seed] = read_record(path)
    return found


def _problem(options: ReproduceOptions) -> str | None:
    """What makes no sense, and what would; None if all does."""
    if unknown := sorted(set(options.claims) - CLAIMS.keys()):
        return f"no claim {unknown[0]}; there are {', '.join(map(str, CLAIMS))}"
    if options.workers < 1:
        return f"workers = {options.workers}: must be at least 1"
    if not options.seeds or min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds):
        return f"seeds = {options.seeds}: name one at least, each once, none below 0"
    if not options.smoke and (tuned := sorted(set(options.seeds) & set(TUNED_SEEDS))):
        return f"seed {tuned[0]}: the lessons were tuned on it, it would flatter the recipe; take another"
    return None


def _apart(argument: str) -> list[str]:
    """`1,4` as two arguments; paths and flags as they are."""
    parts = argument.split(",")
    return parts if all(part.isdecimal() for part in parts) else [argument]
