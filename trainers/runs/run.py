"""What both training loops do around a step: resume, record, evaluate, save, stop on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from transformers import PreTrainedTokenizerBase

from deepeyes_env.errors import require_folder
from trainers.config import DapoConfig, SftConfig, fixed_settings
from trainers.dapo.sampling import Sampled
from trainers.distributed.engine import Engine
from trainers.distributed.ranks import PeerFailed, Ranks
from trainers.distributed.shares import with_pictures
from trainers.lock import held
from trainers.runs.best import Best, best_step, keep_best, spoiled
from trainers.runs.checkpoint import (
    CheckpointError,
    checkpoint_path,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
    take_back,
)
from trainers.runs.health import summary, with_health
from trainers.runs.interrupt import Interrupted, StopRequest, stop_on_signal
from trainers.runs.metrics import Evaluate, Metrics, OnStep, Recorder, StepReport, prefixed, read_metrics
from trainers.runs.progress import Progress


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the caller of a trainer hands in besides model and data.

    Attributes:
        run_dir: Where checkpoints, `metrics.jsonl` and tracker files go; None writes nothing.
        resume: Checkpoint directory to continue from.
        on_step: Called after every step, in the first process.
        evaluate: Evaluation hook; called in every process, of which the first one's answer counts.
        eval_every: Steps between its calls; it is also called after the last step.
    """

    run_dir: Path | None = None
    resume: Path | None = None
    on_step: OnStep | None = None
    evaluate: Evaluate | None = None
    eval_every: int = 1


class Run:
    """A run between its steps; made by `open_run`.

    Every process has one; they go through the same steps at the same time.

    Attributes:
        ranks: The processes.
        progress: How far it has come.
        history: The metrics of every step so far; those before a resume too when `run_dir` has them.
        recorder: Where the numbers go.
        stop: Whether somebody asked this process to stop; `ranks.any` says whether any was asked.
        in_flight: Waits until the policy is idle; gives what it has sampled ahead for the next steps.
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
        health: bool,
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
        self.in_flight: Callable[[], tuple[Sampled, ...]] = tuple
        self._health = health
        self._saved = _own_checkpoint(hooks, progress.step)  # of the step that it has come to
        self.history: list[Metrics] = engine.ranks.tell(read_metrics(hooks.run_dir, progress.step))[0]
        self._before = progress.step - len(self.history)
        self._begun = progress.step
        self._keep_best()

    def end_step(self, report: StepReport, progress: Progress) -> None:
        """Evaluate, record and save what is due after a step.

        Raises:
            Interrupted: A stop was requested and more steps were to come.
            CheckpointError: Saving failed.
            Exception: What the evaluation raised, when the step is recorded and saved without it.
        """
        self.progress, self._saved = progress, None
        try:
            found = self._evaluation()
        except Exception as error:
            if self.ranks.share(error):
                self._record(report)
                self._rescue()
            raise
        self._record(replace(report, metrics=report.metrics | found))
        if self._due(self._config.save_every) or self._is_best():
            self._save()
        if self.ranks.any(self.stop.made) and progress.step < self._total:
            self.interrupt()

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """A block between two steps; if it fails, the finished ones are saved before its error goes on."""
        try:
            yield
        except (Interrupted, CheckpointError):  # they have tried
            raise
        except Exception as error:
            if self.ranks.share(error):
                self._rescue()
            raise

    def _rescue(self) -> None:
        """Save the state after the last finished step, and say where it is."""
        if self.progress.step == self._begun:
            return
        state = f"the state after step {self.progress.step}"
        try:
            saved = self._saved or self._save()
        except (CheckpointError, PeerFailed) as error:
            self.recorder.tell(f"{state} is not saved: {error}")
            return
        if saved is not None:
            self.recorder.tell(f"{state} is saved in {saved}; add --resume to go on from it")

    def _record(self, report: StepReport) -> None:
        report = replace(report, metrics=self._judged(report.metrics))
        self.history.append(report.metrics)
        with self.ranks.together("recording a step"):
            self.recorder.record(report)
        if self._hooks.on_step is not None:
            self._call(self._hooks.on_step, report)

    def _call(self, on_step: OnStep, report: StepReport) -> None:
        """In the first process, with all pictures."""
        everything = range(len(report.trajectories)) if self.ranks.first else ()
        trajectories = with_pictures(self.ranks, report.trajectories, everything)
        with self.ranks.together("calling on_step"):
            if self.ranks.first:
                on_step(replace(report, trajectories=tuple(trajectories)))

    def interrupt(self) -> NoReturn:
        """Save the state after the last finished step, unless it is saved, and stop; for every process.

        Raises:
            Interrupted: Always.
        """
        raise Interrupted(self.progress.step, self._saved or self._save())

    def finish(self) -> None:
        """Say how healthy the run was, and which step was its best."""
        if self._health:
            self.recorder.tell(summary(self.history, self._before))
        if best := self._best():
            model = self._keep_best()
            where = f": {model}" if model else ", whose checkpoint is gone" if self._hooks.run_dir else ""
            self.recorder.tell(f"best: step {best.step} with eval/accuracy {best.accuracy:.4g}{where}")

    def _evaluation(self) -> Metrics:
        if self._hooks.evaluate is None or not self._due(self._hooks.eval_every):
            return {}
        self.in_flight()  # with other weights than those that are to be evaluated
        self.recorder.working("evaluating")
        found = prefixed("eval", self.ranks.tell(dict(self._hooks.evaluate(self.progress.step)))[0])
        if reason := spoiled(found):
            self.recorder.tell(
                f"step {self.progress.step}: its evaluation does not count for the best: {reason}"
            )
        return found

    def _judged(self, metrics: Metrics) -> Metrics:
        if not self._health:
            return metrics
        metrics, news = with_health(self.history, metrics)
        for finding in news:
            self.recorder.tell(f"step {self.progress.step}: {finding.message}")
        return metrics

    def _best(self) -> Best | None:
        return best_step(self.history, self._before)

    def _is_best(self) -> bool:
        best = self._best()
        return best is not None and best.step == self.progress.step

    def _keep_best(self) -> Path | None:
        run_dir = self._hooks.run_dir
        with self.ranks.together("keeping the best model"):
            return keep_best(run_dir, self._best()) if run_dir is not None and self.ranks.first else None

    def _due(self, every: int) -> bool:
        return self.progress.step % every == 0 or self.progress.step == self._total

    def _save(self) -> Path | None:
        run_dir = self._hooks.run_dir
        if run_dir is None:
            return None
        progress = replace(self.progress, ahead=self.in_flight())
        keep = self._config.keep
        saved = save_checkpoint(run_dir, progress, self._engine, self._tokenizer, self._settings, keep)
        self._saved = saved
        self._keep_best()
        return saved


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
    health: bool = False,
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
        health: Whether the rules of `trainers.runs.health` look at every step.

    Raises:
        CheckpointError: `hooks.resume` cannot be resumed, or `hooks.run_dir` holds another run, or one is
            at work there.
        ConfigError: Nothing can be written into `hooks.run_dir`.
    """
    with _own_directory(hooks, engine.ranks):
        settings = {project: fixed_settings(config), **data}
        progress = load_checkpoint(hooks.resume, engine, settings) if hooks.resume else Progress()
        with engine.ranks.together("taking back later steps"):
            if hooks.run_dir is not None and _own_checkpoint(hooks, progress.step) and engine.ranks.first:
                take_back(hooks.run_dir, progress.step)
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
            run = Run(config, engine, tokenizer, hooks, settings, total, progress, recorder, stop, health)
            yield run
            run.finish()


@contextmanager
def _own_directory(hooks: Hooks, ranks: Ranks) -> Iterator[None]:
    """Have the run's directory, in which no other run may write meanwhile."""
    with ExitStack() as stack:
        with ranks.together("looking at the run's directory"):
            require_run_dir(hooks.run_dir, hooks.resume)
            if hooks.run_dir is not None and ranks.first:
                stack.enter_context(_alone(hooks.run_dir))
        yield


@contextmanager
def _alone(run_dir: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(held(run_dir))
        except BlockingIOError as error:
            raise CheckpointError(
                f"another process trains in {run_dir}; wait for it, or choose another directory"
            ) from error
        yield


def _own_checkpoint(hooks: Hooks, step: int) -> Path | None:
    """What the run goes on from, if it is a checkpoint in its own directory."""
    if hooks.run_dir is None or hooks.resume is None:
        return None
    own = checkpoint_path(hooks.run_dir, step)
    return own if hooks.resume.resolve() == own.resolve() else None


def require_run_dir(run_dir: Path | None, resume: Path | None) -> None:
    """Refuse a directory that a run cannot write, or that holds another run; nothing is made yet.

    Args:
        run_dir: The run's directory, if it has one.
        resume: What the run goes on from, if it does.

    Raises:
        CheckpointError: It already holds the checkpoints of a run.
        ConfigError: Nothing can be written there.
    """
    if run_dir is None:
        return
    require_folder("run_dir", run_dir)
    if resume is None and checkpoints(run_dir):
        raise CheckpointError(
            f"{run_dir} already holds the checkpoints of a run; resume it, or choose another directory"
        )
