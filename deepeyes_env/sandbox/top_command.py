"""`deepeyes sandbox top`: who uses sandboxes on this machine, and how much."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import tyro
from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox.base import SandboxUnavailableError
from deepeyes_env.sandbox.local.levels import require_linux
from deepeyes_env.sandbox.local.processes import read_processes, uptime
from deepeyes_env.sandbox.local.usage import Usage, usage

_FIRST_LOOK_SECONDS = 0.5
"""Time over which the first table measures the use of the processor."""

_MIB = 1 << 20
_LARGE = 10_000 * _MIB
_NONE = "No local sandbox is running on this machine."


@dataclass(frozen=True, slots=True)
class TopArgs:
    """Show every local sandbox on this machine: its sessions, processor time and memory.

    Attributes:
        interval: Seconds between two looks.
        once: Print one table and end, as it is done where the output is no terminal.
    """

    interval: Annotated[float, tyro.conf.arg(aliases=["-i"])] = 2.0
    once: bool = False


def main(argv: list[str]) -> int:
    """Show the usage until interrupted.

    Args:
        argv: Command-line arguments.

    Returns:
        0, or 1 if this is not Linux.

    Raises:
        ConfigError: The interval is not above 0.
    """
    args = tyro.cli(TopArgs, prog="deepeyes sandbox top", args=argv)
    if not args.interval > 0:
        raise ConfigError(f"interval = {args.interval}: must be above 0")
    try:
        require_linux()
    except SandboxUnavailableError as error:
        print(f"deepeyes sandbox top: {error}", file=sys.stderr)
        return 1
    console = Console(highlight=False, markup=False)
    looks = _looks(args.interval)
    if args.once or not console.is_terminal:
        console.print(as_table(next(looks)))
        return 0
    with contextlib.suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        for rows in looks:
            live.update(as_table(rows), refresh=True)
    return 0


def _looks(interval: float) -> Iterator[list[Usage]]:
    """Look at the machine again and again; each look measures since the one before it."""
    records, at = read_processes(), time.monotonic()
    pause = min(interval, _FIRST_LOOK_SECONDS)
    while True:
        time.sleep(pause)
        before = {record.pid: record.cpu_seconds for record in records}
        last, at = at, time.monotonic()
        records = read_processes()
        yield usage(records, before, at - last, uptime())
        pause = interval


def as_table(rows: Sequence[Usage]) -> RenderableType:
    """A row per sandbox."""
    if not rows:
        return _NONE
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("host", justify="right")
    table.add_column("level")
    for heading in (
        "sessions",
        "running/\nwaiting/\nstopped",
        "threads",
        "CPU %",
        "RSS",
        "PSS",
        "USS",
        "age",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row.host),
            row.level.value if row.level else "starting",
            str(row.sessions),
            f"{row.running}/{row.waiting}/{row.stopped}",
            str(row.threads),
            f"{row.cpu_percent:.0f}",
            *(_size(size) for size in (row.rss_bytes, row.pss_bytes, row.uss_bytes)),
            _age(int(row.age_seconds)),
        )
    return table


def _age(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    return f"{days}d {rest // 3600:02}h" if days else str(timedelta(seconds=rest))


def _size(size: int | None) -> str:
    """Mebibytes or gibibytes, or a dash for what may not be read."""
    if size is None:
        return "–"
    return f"{size / _MIB:.0f}M" if size < _LARGE else f"{size / _MIB / 1024:.1f}G"
