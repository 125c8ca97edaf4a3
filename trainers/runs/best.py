"""The best model of a run: that of the step with the highest accuracy on the validation split.

    RUN/best/
        best.json          the step and its accuracy
        model/             the weights of its checkpoint, as hard links: they outlive it and cost no room

An evaluation that the infrastructure spoiled does not count: which tasks it failed would decide.

A step that is the best so far is checkpointed, whether a checkpoint is due or not, and `RUN/best` is only
ever made from a checkpoint. So whatever moment a run is killed at, either `RUN/best` is the best step of the
history that it resumes with, or the checkpoint of that step is there to make it from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trainers.runs.checkpoint import CheckpointError, appearing, checkpoint_path, mend
from trainers.runs.health import THRESHOLDS
from trainers.runs.lasting import linked

CRITERION = "eval/accuracy"
"""The metric that decides, higher is better."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluated step.

    Attributes:
        step: Steps finished.
        accuracy: Its `eval/accuracy`.
    """

    step: int
    accuracy: float


def best_step(history: Sequence[Mapping[str, float]], before: int = 0) -> Best | None:
    """The step of highest `eval/accuracy`, the earliest of equals; None if no evaluation counts.

    Args:
        history: Metrics of successive steps.
        before: Steps before the first of them.
    """
    found = None
    for step, row in enumerate(history, start=before + 1):
        if CRITERION in row and spoiled(row) is None and (found is None or row[CRITERION] > found.accuracy):
            found = Best(step, row[CRITERION])
    return found


def spoiled(metrics: Mapping[str, float]) -> str | None:
    """Why a step's evaluation does not count; None if it does, or if there was none."""
    failed, episodes = metrics.get("eval/infra_failures", 0), metrics.get("eval/episodes", 0)
    if not failed or failed < THRESHOLDS.failures * episodes:
        return None
    return f"the infrastructure ended {failed:.0f} of {episodes:.0f} episodes"


def keep_best(run_dir: Path, best: Best | None) -> Path | None:
    """Make `RUN/best` the model of the best step.

    Args:
        run_dir: Directory of the run.
        best: What `best_step` finds.

    Returns:
        The model's directory. None if there is no best step, or if its model is gone: then the run was
        resumed from a checkpoint before the newest one. An older `RUN/best` stays until there is a new one;
        its `best.json` says what it is.

    Raises:
        CheckpointError: It could not be written; an older `RUN/best` is as it was.
    """
    directory = run_dir / "best"
    if best is not None and _marked(directory) == asdict(best):
        return directory / "model"
    source = None if best is None else checkpoint_path(run_dir, best.step) / "model"
    if best is None or source is None or not source.exists():
        return None
    try:
        with appearing(directory) as partial:
            linked(source, partial / "model")
            (partial / "best.json").write_text(json.dumps(asdict(best)))
    except OSError as error:
        raise CheckpointError(
            f"could not make {directory} from the checkpoint of step {best.step} ({error}). {mend(error)}, "
            "then resume."
        ) from error
    return directory / "model"


def _marked(directory: Path) -> object:
    marker = directory / "best.json"
    return json.loads(marker.read_text()) if marker.exists() else None
