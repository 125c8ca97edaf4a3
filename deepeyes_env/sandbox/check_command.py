"""`deepeyes sandbox check`: whether the sandbox really isolates here, layer by layer and under attack."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import tyro
from rich.console import Console

from deepeyes_env.sandbox.base import SandboxError, SandboxUnavailableError
from deepeyes_env.sandbox.check_report import (
    Report,
    as_json,
    attacks_table,
    machine_lines,
    matrix,
    reasons,
)
from deepeyes_env.sandbox.config import LevelName, LocalSandboxConfig
from deepeyes_env.sandbox.local import Level, LocalSandbox, SandboxLevelWarning
from deepeyes_env.sandbox.local.attack import LIMITS, Attempt, attack
from deepeyes_env.sandbox.local.bait import bait
from deepeyes_env.sandbox.local.exactly import SandboxAt
from deepeyes_env.sandbox.local.levels import require_linux
from deepeyes_env.sandbox.local.machine import this_machine
from deepeyes_env.sandbox.local.survey import survey


@dataclass(frozen=True, slots=True)
class CheckArgs:
    """Show which layers of isolation this machine gives, and attack the sandbox with short hostile cells.

    The exit status is 0 if every attack was stopped, and 1 if one got through or the level is too low.

    Attributes:
        min_level: The lowest isolation to accept, as in the sandbox's settings.
        level: Attack at this level; default: the one that the sandbox chooses.
        extras: Libraries in the sandbox beyond NumPy, Pillow and Matplotlib.
        json: Print the results as JSON.
    """

    min_level: LevelName = "no-namespaces"
    level: LevelName | None = None
    extras: tuple[str, ...] = ()
    json: bool = False


def main(argv: list[str]) -> int:
    """Check this machine's sandbox.

    Args:
        argv: Command-line arguments.

    Returns:
        0 if everything held, 1 if something got through or the level cannot be had.

    Raises:
        ConfigError: There is no such extra library.
    """
    args = tyro.cli(CheckArgs, prog="deepeyes sandbox check", args=argv)
    LocalSandboxConfig(extras=args.extras)  # knows the names of libraries, and says which is wrong
    try:
        require_linux()
    except SandboxUnavailableError as error:
        print(f"deepeyes sandbox check: {error}", file=sys.stderr)
        return 1
    return check(args, Console(highlight=False, markup=False))


def choose(args: CheckArgs) -> LocalSandbox:
    """The sandbox to attack: at the level that is asked for, or as everybody else gets it."""
    if args.level:
        return SandboxAt(Level(args.level), LIMITS, args.extras)
    return LocalSandbox(LIMITS, extras=args.extras, min_level=Level(args.min_level))


def check(args: CheckArgs, console: Console, choose: Callable[[CheckArgs], LocalSandbox] = choose) -> int:
    """Survey, attack and report.

    Args:
        args: The command's arguments.
        console: Where to report.
        choose: Makes the sandbox to attack.

    Returns:
        The exit status.
    """
    machine = this_machine()
    with console.status("building every level ..."):
        surveys = tuple(survey(LIMITS, args.extras, machine.landlock))
    if not args.json:
        console.print(machine_lines(machine), matrix(surveys), *reasons(surveys), sep="\n")
    with console.status("attacking ..."):
        asked = Level(args.level) if args.level else None
        report = _attack(Report(machine, surveys, Level(args.min_level), asked), choose(args))
    if args.json:
        console.print_json(data=as_json(report))
    else:
        attacked = [report.choice, "", attacks_table(report.attempts), ""] if report.level else []
        console.print(*attacked, *report.verdict, sep="\n")
    return 0 if report.ok else 1


def _attack(report: Report, sandbox: LocalSandbox) -> Report:
    """Attack the sandbox, and add to the report how that went."""
    attempts: list[Attempt] = []
    level, failure = None, ""
    try:
        with bait() as laid, warnings.catch_warnings():
            warnings.simplefilter("ignore", SandboxLevelWarning)  # the matrix has said it
            level = sandbox.level
            attempts.extend(attack(sandbox, laid))
    except SandboxError as error:
        failure = str(error)
    finally:
        sandbox.close()
    return replace(report, level=level, error=failure, attempts=tuple(attempts))
