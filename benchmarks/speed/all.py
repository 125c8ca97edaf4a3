"""Every speed benchmark beside its peers, one after the other, on one page."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console

from benchmarks.speed.all_page import write_page
from benchmarks.speed.machine import this_machine
from benchmarks.speed.part import Part, Report, kept_report, perform
from deepeyes_env.errors import make_folder

BenchName = Literal["sandbox", "search", "worlds", "env", "env-ray", "rollout", "train", "stress"]

QUICK: dict[BenchName, tuple[str, ...]] = {
    "sandbox": ("--quick",),
    "search": ("--sizes", "1000", "--queries", "100", "--rounds", "1"),
    "worlds": ("--n", "5"),
    "env": (
        "--sides",
        "0",
        "112",
        "--latencies",
        "5",
        "--envs",
        "2",
        "--waves",
        "1",
        "--seconds",
        "0",
        "--rounds",
        "1",
    ),
    "env-ray": (
        *("--nodes", "1", "2", "--slots", "2", "--latency", "20"),
        *("--episodes", "1", "--rounds", "1"),
    ),
    "rollout": (
        *("--episodes", "8", "--at-once", "8", "--rows", "4", "--turns", "2", "--tokens", "16"),
        *("--latencies", "50", "--sides", "112", "--rounds", "1"),
    ),
    "train": ("--lengths", "256", "--rounds", "1", "--steps", "1"),
    "stress": ("--episodes", "16", "--rounds", "2"),
}
"""The benchmarks in their order, each with the arguments of its smallest run in which every contender works.
`mismatch` is none of them: it needs a rollout of the user's, and measures no speed."""

PACKAGES = (
    "deepeyes-gym",
    "numpy",
    "pillow",
    "gymnasium",
    "gem-llm",
    "ray",
    "tantivy",
    "bm25s",
    "numba",
    "jupyter-client",
    "ipykernel",
    "psutil",
    "torch",
    "transformers",
    "accelerate",
    "trl",
)
"""What is measured, its peers, and what they compute with."""


@dataclass(frozen=True, slots=True)
class AllBenchOptions:
    """Run all speed benchmarks, each in a process of its own, and write one page of all.

    Attributes:
        out: Folder of `index.html`, `all.json` and the parts. What it holds already is kept where command and
            versions are the same, so that an interrupted run goes on; failed parts are run again.
        only: Benchmarks to run; default: all.
        quick: The smallest runs: they show that everything works, not how fast it is.
    """

    out: Path = Path("bench")
    only: tuple[BenchName, ...] = ()
    quick: bool = False

    @property
    def parts(self) -> list[Part]:
        """All parts in order, those too that are not to be run."""
        return [Part.of(name, arguments if self.quick else ()) for name, arguments in QUICK.items()]


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: A benchmark failed; the others have run all the same.
    """
    options = tyro.cli(AllBenchOptions, args=list(argv), prog="deepeyes bench all")
    reports = run_all(options.parts, options.out, Console(), only=options.only, quick=options.quick)
    failed = [report.name for report in reports if report.failure is not None]
    if failed:
        raise SystemExit(f"deepeyes bench all: {', '.join(failed)} failed; run again to try only that again")


def run_all(
    parts: Sequence[Part], out: Path, console: Console, *, only: Collection[str] = (), quick: bool = False
) -> list[Report]:
    """Run parts one after the other; the page is written anew after each.

    Args:
        parts: All that belong on the page.
        out: Folder of all files.
        console: Shows what is going on.
        only: Names of those that are run; empty means all. The page shows of the others what is kept.
        quick: Whether the figures only show that everything works.

    Returns:
        The reports of those that were to be run.

    Raises:
        ConfigError: `out` cannot be a folder.
    """
    make_folder("out", out)
    found = versions()
    everything = {"quick": quick, "machine": this_machine(), "versions": found}
    chosen = [part for part in parts if not only or part.name in only]
    reports = {
        part.name: kept
        for part in parts
        if part not in chosen and (kept := kept_report(part, out, found)) is not None
    }
    for part in chosen:
        console.print(f"{part.name}: {part.shown}", style="dim", highlight=False, markup=False)
        reports[part.name] = perform(part, out, found)
        console.print(f"{part.name}: {said(reports[part.name])}", highlight=False, markup=False)
        names = [one.name for one in parts]
        shown = [reports[name] for name in names if name in reports]
        _write(out, everything, shown, [name for name in names if name not in reports])
    console.print(f"page: {out / 'index.html'}", highlight=False, soft_wrap=True)
    return [reports[part.name] for part in chosen]


def said(report: Report) -> str:
    """A report in a line."""
    names = {True: "met", False: "not met", None: "no peer"}
    counts = Counter(names[target["met"]] for target in report.targets)
    targets = ", ".join(f"{counts[name]} {name}" for name in names.values() if counts[name])
    if report.failure is not None:
        return f"failed: {report.failure.splitlines()[-1]}" + (f" ({targets})" if targets else "")
    return f"targets: {targets or 'none'}"


def versions() -> dict[str, str]:
    """What takes part, as it is installed; what is not installed is not named."""
    found = {"sqlite": sqlite3.sqlite_version}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    commit = _commit()
    return found | ({"commit": commit} if commit else {})


def _commit() -> str | None:
    """The commit of this checkout, with a hash of its changes if there are some; None where it is none."""
    try:
        commit, changes = _git("rev-parse", "--short=12", "HEAD"), _git("diff", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty-{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else commit


def _git(*arguments: str) -> str:
    told = subprocess.run(["git", *arguments], cwd=Path(__file__).parent, capture_output=True, check=True)
    return told.stdout.decode(errors="replace").strip()


def _write(
    out: Path, everything: Mapping[str, Any], reports: Sequence[Report], waiting: Sequence[str]
) -> None:
    said = {**everything, "parts": [asdict(report) for report in reports], "waiting": list(waiting)}
    (out / "all.json").write_text(f"{json.dumps(said, indent=2)}\n", encoding="utf-8")
    write_page(out / "index.html", said)
