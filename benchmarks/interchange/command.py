"""`deepeyes eval export`: an evaluation in the files of VLMEvalKit, lmms-eval or Inspect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from agents.convert.whole_directory import whole_directory
from agents.store import StoreError
from benchmarks.interchange.exported import Exported
from benchmarks.run_folder import Run, read_run
from deepeyes_env.errors import ConfigError

FormatName = Literal["vlmevalkit", "lmms-eval", "inspect"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Write an evaluation as another harness would have; docs/benchmarks.md says what each keeps.

    Attributes:
        run: Folder of the evaluation.
        format: vlmevalkit (prediction files that its `evaluate` scores), lmms-eval (logged samples), inspect
            (logs for `inspect view`; needs the extra `inspect`).
        out: Folder to write; it appears when everything is in it.
        data: VLMEvalKit's own data file of the suite, `<LMUData>/<dataset>.tsv` (vlmevalkit only).
        suite: Which suite, where the run has several (vlmevalkit only).
    """

    run: tyro.conf.Positional[Path]
    format: FormatName
    out: Path
    data: Path | None = None
    suite: str | None = None

    def __post_init__(self) -> None:
        if self.format == "vlmevalkit" and self.data is None:
            raise ConfigError(
                "vlmevalkit: --data is missing: VLMEvalKit's file of the data set, <LMUData>/<dataset>.tsv, "
                "whose columns its evaluate reads"
            )
        for name in ("data", "suite"):
            if self.format != "vlmevalkit" and getattr(self, name) is not None:
                raise ConfigError(f"--{name} belongs to --format vlmevalkit")


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: An option cannot be used, the output is there already, or a library is missing.
        DatasetError: The run or the data file cannot be read.
        SystemExit: The run's trajectories cannot be read; the message says why.
    """
    options = tyro.cli(ExportOptions, args=list(argv), prog="deepeyes eval export")
    try:
        exported = export(options)
    except StoreError as error:
        raise SystemExit(f"deepeyes eval export: {error}") from error
    console = Console()
    console.print(f"{exported.samples} samples as {options.format}: {options.out}", soft_wrap=True)
    for counts, said in ((exported.left_out, "left out"), (exported.notes, "to be known of")):
        for reason, count in counts.most_common():
            console.print(f"{said} {count}: {reason}", soft_wrap=True, markup=False)


def export(options: ExportOptions) -> Exported:
    """Write what `options` ask for.

    Args:
        options: What to write, and where.

    Raises:
        ConfigError: An option cannot be used, the output is there already, or a library is missing.
        DatasetError: The run or the data file cannot be read.
        StoreError: The run's trajectories cannot be read.
    """
    run = read_run(options.run)
    with whole_directory(options.out) as directory:
        return _write(run, directory, options)


def _write(run: Run, directory: Path, options: ExportOptions) -> Exported:
    if options.data is not None:
        from benchmarks.interchange import vlmevalkit

        return vlmevalkit.write(run, directory, options.data, options.suite)
    if options.format == "lmms-eval":
        from benchmarks.interchange import lmms_samples

        return lmms_samples.write(run, directory)
    from benchmarks.interchange import inspect_log

    return inspect_log.write(run, directory)
