"""What both training loops do around a step: resume, record, evaluate, save, stop on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from transformers import PreTrainedTokenizerBase

from trainers.checkpoint import CheckpointError, Progress, checkpoints, load_checkpoint, save_checkpoint
from trainers.config import DapoConfig, SftConfig, fixed_settings
from trainers.engine import Engine
from trainers.interrupt import Interrupted, StopRequest, stop_on_signal
from trainers.metrics import Evaluate, Metrics, OnStep, Recorder, StepReport, prefixed, read_metrics
from trainers.shares import with_pictures


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the caller of a trainer hands in besides model and data.

    Attributes:
        run_dir: Where checkpoints, `metrics.jsonl` and tracker files go; None writes nothing.
        resume: Checkpoint directory to continue from.
        on_step: Called after every step, in the first process.
        evaluate: Evaluation hook; called in every process, of which the first one's answer counts.
    """

    run_dir: Path | None = None
    resume: Path | None = None
    on_step: OnStep | None = None
    evaluate: Evaluate | None = None


class Run:
    """A run between its steps; made by `open_run`.

    Every process has one; they go through the same steps at the same time.

    Attributes:
        ranks: The processes.
        progress: How far it has come.
        history: The metrics of every step so far; those before a resume too when `run_dir` has them.
        recorder: Where the numbers go.
        stop: Whether somebody asked this process to stop; `ranks.any` says whether any was asked.
    """

    def __init__(
        self,
        config: SftConfig | DapoConfig,
        engine: Engine,
        tokenizer: PreTrainedTokenizerBase,
        hooks: Hooks,
        settings: Mapping[str, Any],
        total: int,
        progress: Progress,
        recorder: Recorder,
        stop: StopRequest,
    ) -> None:
        self._config = config
        self._engine = engine
        self._tokenizer = tokenizer
        self._hooks = hooks
        self._settings = settings
        self._total = total
        self.ranks = engine.ranks
        self.progress = progress
        self.recorder = recorder
        self.stop = stop
        self.history: list[Metrics] = engine.ranks.tell(read_metrics(hooks.run_dir, progress.step))[0]

    def end_step(self, report: StepReport, progress: Progress) -> None:
        """Evaluate, record and save what is due after a step.

        Raises:
            Interrupted: A stop was requested and more steps were to come.
            CheckpointError: Saving failed.
        """
        self.progress = progress
        report = replace(report, metrics=report.metrics | self._evaluation())
        self.history.append(report.metrics)
        self.recorder.record(report)
        if self._hooks.on_step is not None:
            self._call(self._hooks.on_step, report)
        if self._due(self._config.save_every):
            self._save()
        if self.ranks.any(self.stop.made) and progress.step < self._total:
            self.interrupt()

    def _call(self, on_step: OnStep, report: StepReport) -> None:
        """In the first process, with all pictures."""
        everything = range(len(report.trajectories)) if self.ranks.first else ()
        trajectories = with_pictures(self.ranks, report.trajectories, everything)
        with self.ranks.together("recording a step"):
            if self.ranks.first:
                on_step(replace(report, trajectories=tuple(trajectories)))

    def interrupt(self) -> NoReturn:
        """Save the state after the last finished step and stop; every process has to call it.

        Raises:
            Interrupted: Always.
        """
        raise Interrupted(self.progress.step, self._save())

    def _evaluation(self) -> Metrics:
        if self._hooks.evaluate is None or not self._due(self._config.eval_every):
            return {}
        self.recorder.working("evaluating")
        return prefixed("eval", self.ranks.tell(dict(self._hooks.evaluate(self.progress.step)))[0])

    def _due(self, every: int) -> bool:
        return self.progress.step % every == 0 or self.progress.step == self._total

    def _save(self) -> Path | None:
        run_dir = self._hooks.run_dir
        if run_dir is None:
            return None
        keep = self._config.keep
        return save_checkpoint(run_dir, self.progress, self._engine, self._tokenizer, self._settings, keep)


@contextmanager
def open_run(
    project: str,
    config: SftConfig | DapoConfig,
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    hooks: Hooks,
    *,
    data: Mapping[str, Any],
    total: int,
    shown: Sequence[str],
) -> Iterator[Run]:
    """Start or resume a run.

    Args:
        project: `sft` or `dapo`.
        config: Settings.
        engine: Model, optimiser and schedule.
        tokenizer: Saved in checkpoints.
        hooks: What the caller handed in.
        data: What else a resumed run must share with the run it continues, by name.
        total: Steps of the whole run.
        shown: Metrics to show on the console.

    Raises:
        CheckpointError: `hooks.resume` cannot be resumed, or `hooks.run_dir` holds another run.
    """
    with engine.ranks.together("looking at the run's directory"):
        _check_run_dir(hooks)
    settings = {project: fixed_settings(config), **data}
    progress = load_checkpoint(hooks.resume, engine, settings) if hooks.resume else Progress()
    recorder = Recorder(
        engine.accelerator,
        config,
        total=total,
        done=progress.step,
        run_dir=hooks.run_dir,
        project=project,
        shown=shown,
    )
    with recorder, stop_on_signal() as stop:
        yield Run(config, engine, tokenizer, hooks, settings, total, progress, recorder, stop)


def _check_run_dir(hooks: Hooks) -> None:
    if hooks.run_dir is not None and hooks.resume is None and checkpoints(hooks.run_dir):
        raise CheckpointError(
            f"{hooks.run_dir} already holds the checkpoints of a run; resume it, or choose another directory"
        )
