"""`deepeyes export`: a run's trajectories in the format of another library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.progress import track

from agents.convert.formats import FORMATS, Format
from agents.convert.whole_directory import whole_directory
from agents.store import StoreError, Summary, TrajectoryReader, full_disk_told
from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome

FormatName = Literal["parquet", "sft", "rl", "openai", "openai-files", "llama-factory", "trl"]
OutcomeName = Literal["answered", "truncated", "malformed", "infra_failed"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Write a run's trajectories in the format of another library; docs/trajectories.md says what each keeps.

    Attributes:
        run: Directory of the run.
        out: Directory to write; it appears when everything is in it.
        format: parquet (everything, for datasets), sft (DeepEyesV2's JSON), rl (DeepEyesV2's parquet, the
            tasks only), openai (JSON Lines, images inside), openai-files (images beside), llama-factory
            (sharegpt with dataset_info.json), trl (messages and images as parquet).
        only: Only trajectories whose answer is right, or only the others.
        outcome: Only episodes that ended so; default: all but those whose infrastructure failed.
        family: Only tasks of these families.
    """

    run: tyro.conf.Positional[Path]
    out: tyro.conf.Positional[Path]
    format: FormatName
    only: Literal["all", "right", "wrong"] = "all"
    outcome: tuple[OutcomeName, ...] = ()
    family: tuple[str, ...] = ()

    def takes(self, summary: Summary) -> bool:
        """Whether a trajectory is wanted."""
        right = summary.reward.accuracy > 0 and summary.outcome is not Outcome.INFRA_FAILED
        scored = summary.outcome is not Outcome.INFRA_FAILED
        return (
            (summary.outcome.value in self.outcome if self.outcome else scored)
            and (self.only == "all" or right == (self.only == "right"))
            and (not self.family or summary.family in self.family)
        )


@dataclass(slots=True)
class Export:
    """What has become of the run's trajectories.

    Attributes:
        written: How many were handed to the format.
        filtered: How many the options leave out.
        refused: Why the format could not hold others -> how many.
    """

    written: int
    filtered: int
    refused: Counter[str]


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: The output is there already, or a library is missing.
        SystemExit: The run cannot be read, or the disk is full; the message says why.
    """
    options = tyro.cli(ExportOptions, args=list(argv), prog="deepeyes export")
    try:
        export = run(options)
    except StoreError as error:
        raise SystemExit(f"deepeyes export: {error}") from error
    console = Console()
    console.print(f"{export.written} trajectories as {options.format}: {options.out}", soft_wrap=True)
    if export.filtered:
        console.print(f"{export.filtered} left out by the filters", soft_wrap=True)
    for reason, count in export.refused.most_common():
        console.print(f"{count} left out because {reason}", soft_wrap=True, markup=False)


def run(options: ExportOptions) -> Export:
    """Write what `options` ask for.

    Args:
        options: What to write, and where.

    Raises:
        ConfigError: The output is there already, or a library is missing.
        StoreError: The run cannot be read, or the disk is full.
    """
    export = Export(0, 0, Counter())
    with (
        full_disk_told(options.out, "run the same command again"),
        TrajectoryReader(options.run) as reader,
        whole_directory(options.out) as directory,
    ):
        FORMATS[options.format].write(_chosen(reader, options, export), directory)
    return export


def _chosen(reader: TrajectoryReader, options: ExportOptions, export: Export) -> Iterator[Trajectory]:
    form: Format = FORMATS[options.format]
    numbers = track(range(len(reader)), "exporting", console=Console(stderr=True))
    for number in numbers:
        if not options.takes(reader.summary(number)):
            export.filtered += 1
            continue
        trajectory = reader[number]
        if (reason := form.obstacle(trajectory)) is not None:
            export.refused[reason] += 1
            continue
        export.written += 1
        yield trajectory
