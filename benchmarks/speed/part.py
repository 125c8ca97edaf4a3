"""One benchmark as a part of `deepeyes bench all`: a process of its own whose outcome is kept on disk."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text

MESSAGE_LINES = 12
"""Last lines of a failed process's output that are shown: a traceback's error and where it was raised."""


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark to be run.

    Attributes:
        name: Of the benchmark; names its files too.
        command: The process. It is given `--output FILE` and writes its targets and figures there, as
            `machine.write_json` does.
    """

    name: str
    command: tuple[str, ...]

    @classmethod
    def of(cls, name: str, arguments: Sequence[str]) -> Part:
        """A benchmark of `deepeyes bench`, with this interpreter."""
        return cls(name, (sys.executable, "-m", "deepeyes_env.cli", "bench", name, *arguments))

    @property
    def shown(self) -> str:
        """What a user types to run this part alone."""
        words = list(self.command)
        if words[1:3] == ["-m", "deepeyes_env.cli"]:
            words[:3] = ["deepeyes"]
        return shlex.join(words)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a part.

    Attributes:
        name: Of the part.
        command: What reproduces it.
        versions: Name -> version of what took part.
        failure: The end of its output where it failed, else None. It may have measured something before.
        seconds: Wall time.
        targets: Its verdicts, each with `met`.
        figures: Its rows.
    """

    name: str
    command: str
    versions: Mapping[str, str]
    failure: str | None
    seconds: float
    targets: Sequence[Mapping[str, Any]] = field(default=())
    figures: Sequence[Mapping[str, Any]] = field(default=())


def perform(part: Part, out: Path, versions: Mapping[str, str]) -> Report:
    """Run a part to its end, or take what an earlier run has finished with the same command and versions.

    Args:
        part: What to run.
        out: Folder of its files: `NAME.json` the report, `NAME.log` all that it printed.
        versions: What takes part.
    """
    if (earlier := kept_report(part, out, versions)) is not None:
        return earlier
    kept = out / f"{part.name}.json"
    report = _run(part, out, versions)
    unfinished = kept.with_suffix(".part")
    unfinished.write_text(f"{json.dumps(asdict(report), indent=2)}\n", encoding="utf-8")
    os.replace(unfinished, kept)
    return report


def kept_report(part: Part, out: Path, versions: Mapping[str, str]) -> Report | None:
    """What an earlier run has finished with the same command and versions, or None."""
    earlier = _read(out / f"{part.name}.json")
    return earlier if earlier is not None and _still_holds(earlier, part, versions) else None


def _still_holds(report: Report, part: Part, versions: Mapping[str, str]) -> bool:
    same = report.command == part.shown and report.versions == dict(versions)
    return same and report.failure is None


def _read(kept: Path) -> Report | None:
    try:
        return Report(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not there, torn, or of another version: it is run again
        return None


def _run(part: Part, out: Path, versions: Mapping[str, str]) -> Report:
    measured, log = out / f"{part.name}.measured.json", out / f"{part.name}.log"
    measured.unlink(missing_ok=True)
    begin = time.monotonic()
    with log.open("wb") as printed:
        status = subprocess.run(
            [*part.command, "--output", str(measured)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        ).returncode
    seconds = time.monotonic() - begin
    said = _measured(measured)
    failure = _message(status, log) if status or not said else None
    return Report(
        part.name,
        part.shown,
        dict(versions),
        failure,
        seconds,
        said.get("targets", []),
        said.get("figures", []),
    )


def _measured(file: Path) -> dict[str, Any]:
    """What the process wrote; empty where it did not, or was killed while it did."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _message(status: int, log: Path) -> str:
    plain = Text.from_ansi(log.read_text(encoding="utf-8", errors="replace")).plain
    lines = [line.rstrip() for line in plain.splitlines() if line.strip()]
    ended = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return "\n".join([*lines[-MESSAGE_LINES:], ended])
