"""Where a benchmark runs: its processors, its directory, and what is said about the machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import tyro

from deepeyes_env.errors import require_file


class WithOutput(Protocol):
    """Options of a benchmark."""

    @property
    def output(self) -> Path | None:
        """File for all figures."""
        ...


Options = TypeVar("Options", bound=WithOutput)


@contextlib.contextmanager
def processors(count: int) -> Iterator[int]:
    """Use so many processors, with everything that is started meanwhile."""
    usable = os.sched_getaffinity(0)
    chosen = sorted(usable)[:count]
    os.sched_setaffinity(0, chosen)
    try:
        yield len(chosen)
    finally:
        os.sched_setaffinity(0, usable)


@contextlib.contextmanager
def own_directory() -> Iterator[Path]:
    """A directory for all temporary files, in which no other process's files can be taken for a leak."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as directory:
        tempfile.tempdir = directory
        try:
            yield Path(directory)
        finally:
            tempfile.tempdir = before


def this_machine() -> dict[str, Any]:
    """What may matter to the figures."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "root": os.geteuid() == 0,
        "load_before": os.getloadavg()[0],
    }


def read_options(kind: type[Options], argv: Sequence[str], prog: str) -> Options:
    """A benchmark's options, once it is sure that what it measures can be written.

    Args:
        kind: Their dataclass, which has `output`.
        argv: The arguments.
        prog: The command, for its help.

    Raises:
        ConfigError: `output` cannot be written.
    """
    options = tyro.cli(kind, args=list(argv), prog=prog)
    if options.output is not None:
        require_file("output", options.output)
    return options


def write_json(file: Path, options: Any, bench: Any) -> None:
    """Write what a run measured.

    Args:
        file: The file.
        options: The run's options, a dataclass.
        bench: What it measured, a dataclass that has `targets`.
    """
    targets = [asdict(verdict) | {"met": verdict.met} for verdict in bench.targets]
    said = {"options": asdict(options), **asdict(bench), "targets": targets}
    file.write_text(f"{json.dumps(said, default=str, indent=2)}\n", encoding="utf-8")
