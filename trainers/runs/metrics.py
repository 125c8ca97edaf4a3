"""What a training step reports, and where its numbers go: console, `metrics.jsonl`, trackers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

from accelerate import Accelerator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agents.trajectory import Trajectory
from trainers.config import DapoConfig, SftConfig
from trainers.runs.checkpoint import CheckpointError, mend

Metrics = dict[str, float]
"""One step's numbers; the same for the same seed, so never a time."""


@dataclass(frozen=True, slots=True, eq=False)
class StepReport:
    """One finished step.

    Attributes:
        step: Steps finished so far, from 1.
        metrics: The step's numbers.
        seconds: Wall time by phase.
        trajectories: Everything sampled in this step (DAPO); empty in SFT.
    """

    step: int
    metrics: Metrics
    seconds: Mapping[str, float] = field(default_factory=dict)
    trajectories: tuple[Trajectory, ...] = ()


class Stopwatch:
    """Wall time by phase.

    Attributes:
        seconds: What has been measured.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Measure the block."""
        started = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started


OnStep = Callable[[StepReport], None]
"""Called after every step."""

Evaluate = Callable[[int], Mapping[str, float]]
"""Takes the number of finished steps; what it returns joins the step's metrics under `eval/`."""


class Recorder:
    """Writes each step to the console, to `metrics.jsonl` and to the trackers; in the first process only.

    Args:
        accelerator: Made with `log_with=config.trackers`.
        config: Names the trackers; trackers get it as the run's hyper-parameters.
        total: Steps of the whole run.
        done: Steps that were finished before; later lines of an interrupted run leave `metrics.jsonl`.
        run_dir: Where `metrics.jsonl` goes; None writes no file.
        project: The run's kind, `sft` or `dapo`.
        shown: Metrics to show next to the bar.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        config: SftConfig | DapoConfig,
        *,
        total: int,
        done: int,
        run_dir: Path | None,
        project: str,
        shown: Sequence[str],
    ) -> None:
        self._accelerator = accelerator
        first = accelerator.is_main_process
        self._shown = shown
        self._project = project
        self._file = run_dir / "metrics.jsonl" if run_dir is not None and first else None
        self._first = first
        self._visible = config.progress and first
        self._bar = _bar(self._visible)
        self._task = self._bar.add_task(project, total=total, completed=done, numbers="", doing="")
        if self._file is not None:
            _keep_lines(self._file, done)
        if config.trackers:
            accelerator.init_trackers(f"deepeyes-{project}", _hyper_parameters(config))

    def __enter__(self) -> Recorder:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        # Not `end_training`: it would also end the processes' talk, which goes on after training.
        for tracker in self._accelerator.trackers:
            tracker.finish()

    def working(self, what: str) -> None:
        """Say next to the bar what is being done."""
        self._bar.update(self._task, doing=what)

    def tell(self, text: str) -> None:
        """Say something that is worth a line of its own, whether progress is shown or not."""
        if not self._first:
            return
        self._bar.console.print(f"{self._project}: {text}", highlight=False, markup=False, soft_wrap=True)

    def record(self, report: StepReport) -> None:
        """Write one step.

        Raises:
            CheckpointError: It cannot be written.
        """
        if self._file is not None:
            line = json.dumps({"step": report.step, **report.metrics}) + "\n"
            try:
                _append(self._file, line)
            except OSError as error:
                raise CheckpointError(
                    f"could not write step {report.step} into {self._file} ({error}), and without "
                    f"its metrics a step is not saved. {mend(error)}, then resume."
                ) from error
        self._accelerator.log({**report.metrics, **prefixed("seconds", report.seconds)}, step=report.step)
        text = "  ".join(
            f"{name} {report.metrics[name]:.4g}" for name in self._shown if name in report.metrics
        )
        self._bar.update(self._task, completed=report.step, numbers=text, doing="")
        if self._visible and not self._bar.console.is_terminal:
            self._bar.console.print(f"{self._project} {report.step}  {text}", highlight=False)


def read_metrics(run_dir: Path | None, steps: int) -> list[Metrics]:
    """The metrics of a run's first `steps` steps, as far as `run_dir` has them."""
    rows = [] if run_dir is None else map(json.loads, _lines(run_dir / "metrics.jsonl"))
    return [{k: v for k, v in row.items() if k != "step"} for row in rows if row["step"] <= steps]


def prefixed(prefix: str, values: Mapping[str, float]) -> Metrics:
    """`values` with `prefix/` before every name."""
    return {f"{prefix}/{key}": value for key, value in values.items()}


def _bar(visible: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[numbers]}"),
        TextColumn("[dim]{task.fields[doing]}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not visible)


def _lines(path: Path) -> list[str]:
    """Whole lines; what a killed process left of one at the end is none."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith("\n")]


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line)
        file.flush()
        # A checkpoint may follow, and must not survive a power failure that its metrics do not.
        os.fsync(file.fileno())


def _keep_lines(path: Path, steps: int) -> None:
    """Keep the first `steps` steps; killed at any moment, the file is the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [line for line in _lines(path) if json.loads(line)["step"] <= steps]
    partial = path.with_name(f".writing-{path.name}")
    with partial.open("w") as file:
        file.writelines(kept)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _hyper_parameters(config: SftConfig | DapoConfig) -> dict[str, int | float | str | bool]:
    plain = (int, float, str, bool)
    return {k: v if isinstance(v, plain) else str(v) for k, v in asdict(config).items()}
