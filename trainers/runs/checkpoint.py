"""Checkpoints: everything that a run needs to go on as if it had never stopped.

A checkpoint is a directory that appears whole or not at all:

    RUN/checkpoints/step-000004/
        checkpoint.json    step, draws, settings and their hash
        model/             weights, configuration and tokenizer; plain transformers loads it
        adapter/           with LoRA the adapters alone, as PEFT has them; `model` has them merged
        optimizer.pt       the optimiser; of a sharded model in parts, in the directory optimizer/
        state.pt           schedule, and the random state of every process
        groups/            groups that have been sampled and wait to be trained (DAPO): surplus ones, and
                           those of steps that were sampled ahead

It is written under another name, flushed to the disk and renamed; a full disk or a killed process leaves the
checkpoint before it untouched. With several processes the first one writes; those of a sharded model write
their parts of the optimiser's state, so they need to see the same directory.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from torch.distributed.checkpoint import CheckpointException

from agents.qwen import Qwen
from agents.store import StoreError, TrajectoryWriter, read_trajectories
from trainers.dapo.sampling import Group
from trainers.distributed.engine import Engine
from trainers.distributed.ranks import Ranks
from trainers.distributed.shares import with_pictures
from trainers.lora import save_weights
from trainers.runs.progress import Progress, describe, restore

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMAT = 5
"""Version of the layout; another one is refused."""


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says when there is no room: on the disk, in a quota, in a file."""

TORCH_READERS = ("PytorchStreamReader", "inline_container")
"""What torch's readers of files call themselves there."""

TORCH_WRITERS = ("PytorchStreamWriter", "inline_container")
"""What torch's writers of files call themselves in their `RuntimeError`, which has no kind of its own."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be written or used; the message says what to do."""


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((run_dir / "checkpoints").glob("step-*"))


def checkpoint_path(run_dir: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps is, if there is one."""
    return run_dir / "checkpoints" / f"step-{step:06d}"


def latest_checkpoint(run_dir: Path) -> Path:
    """The newest checkpoint of a run.

    Raises:
        CheckpointError: There is none.
    """
    found = checkpoints(run_dir)
    if not found:
        raise CheckpointError(f"{run_dir} holds no checkpoint to resume from; start without --resume")
    return found[-1]


def save_checkpoint(
    run_dir: Path,
    progress: Progress,
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    settings: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write a checkpoint, then remove the oldest beyond `keep`. Every process has to call it.

    Args:
        run_dir: Directory of the run.
        progress: How far it has come.
        engine: Holds model, optimiser and schedule.
        tokenizer: Saved next to the model.
        settings: What a resumed run must share (`fixed_settings`).
        keep: Checkpoints to keep.

    Returns:
        The checkpoint's directory.

    Raises:
        CheckpointError: It could not be written; the checkpoints before it are as they were.
        PeerFailed: Another process could not.
    """
    final = checkpoint_path(run_dir, progress.step)
    waiting = _with_pictures(engine.ranks, progress.waiting)
    whole = engine.whole()
    try:
        with _appearing_for_all(final, engine.ranks) as partial:
            engine.save(partial)
            with engine.ranks.together("writing a checkpoint"):
                if engine.ranks.first:
                    save_weights(Qwen(whole, tokenizer), partial)
                    _write_groups(partial / "groups", waiting)
                    _write_json(partial / "checkpoint.json", _description(progress, settings, engine.layout))
    except (OSError, SafetensorError, RuntimeError, CheckpointException) as error:
        if not is_of_writing(error):
            raise
        older = checkpoints(run_dir)
        rest = f"the last good one is {older[-1]}" if older else "there is none before it"
        raise CheckpointError(
            f"could not write the checkpoint {final} ({error}); {rest}. {mend(error)}, then resume."
        ) from error
    if engine.ranks.first:
        others = [one for one in checkpoints(run_dir) if one != final]
        for old in others[: max(0, len(others) + 1 - keep)]:
            disappear(old)
    return final


def take_back(run_dir: Path, step: int) -> None:
    """Remove the checkpoints after a step, from which the run goes on another way.

    Left there, they would pass for newer than those that it is going to write.
    """
    for later in checkpoints(run_dir):
        if later.name > checkpoint_path(run_dir, step).name:
            disappear(later)


def is_of_writing(error: BaseException) -> bool:
    """Whether writing a file failed, and not a GPU, another process or the program."""
    if isinstance(error, RuntimeError):
        return any(name in str(error) for name in TORCH_WRITERS)
    return isinstance(error, OSError | SafetensorError | CheckpointException)


def mend(error: BaseException) -> str:
    """What to do where writing a file failed; torch's, safetensors' and shutil's errors have no number."""
    number = getattr(error, "errno", None)
    return "Make room on the disk" if number in (None, *FULL) else "See that the place can be written"


def load_checkpoint(directory: Path, engine: Engine, settings: Mapping[str, Any]) -> Progress:
    """Put a run back where it was.

    Args:
        directory: The checkpoint.
        engine: Gets weights, optimiser, schedule and random state.
        settings: Settings of the run that wants to go on.

    Returns:
        How far the run had come.

    Raises:
        CheckpointError: `directory` is no checkpoint, is damaged, or is one of other settings.
        ConfigError: It holds adapters of another model.
    """
    description = _read_description(directory)
    _check_settings(directory, description["settings"], settings)
    _check_layout(directory, description["layout"], engine.layout)
    try:
        engine.load(directory)
        groups = _read_groups(directory / "groups", description["groups"])
    except (OSError, EOFError, UnpicklingError, SafetensorError, CheckpointException, StoreError) as error:
        raise _damaged(directory, error) from error
    except RuntimeError as error:
        if not any(name in str(error) for name in TORCH_READERS):
            raise
        raise _damaged(directory, error) from error
    return restore(description, groups)


def _damaged(directory: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(
        f"{directory} is damaged ({error}); remove it to go on from the checkpoint before it, or begin anew "
        "if there is none"
    )


def _description(progress: Progress, settings: Mapping[str, Any], layout: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "layout": layout,
        **describe(progress),
        "settings": _plain(settings),
        "settings_sha256": hashlib.sha256(_canonical(settings)).hexdigest(),
    }


def _read_description(directory: Path) -> dict[str, Any]:
    try:
        description = json.loads((directory / "checkpoint.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{directory} is no checkpoint ({error}); give a directory such as RUN/checkpoints/step-000004"
        ) from error
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"{directory} has checkpoint format {description.get('format')!r}, this version reads {FORMAT}; "
            "resume it with the version of the project that wrote it"
        )
    return description


def _check_settings(directory: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    before, now = dict(_flat(stored)), dict(_flat(_plain(wanted)))
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if differing:
        listed = "; ".join(f"{key}: {before.get(key)!r} then, {now.get(key)!r} now" for key in differing)
        raise CheckpointError(
            f"{directory} was written with other settings ({listed}); set them back to resume it, or start a "
            "new run in another directory"
        )


def _check_layout(directory: Path, stored: str, wanted: str) -> None:
    if stored != wanted:
        raise CheckpointError(
            f"{directory} holds the optimiser of a {stored} model, this run's is {wanted}; launch it with "
            f"the accelerate configuration that it had, or start a new run from {directory / 'model'}"
        )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _canonical(settings: Mapping[str, Any]) -> bytes:
    return json.dumps(settings, sort_keys=True, default=_as_json).encode()


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(_canonical(settings))


def _as_json(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


@contextmanager
def appearing(final: Path) -> Iterator[Path]:
    """A directory that takes the name `final` only when the block ends well and all is on the disk."""
    final.parent.mkdir(parents=True, exist_ok=True)
    partial, old = final.with_name(f".writing-{final.name}"), _old(final)
    for left in (partial, old):  # by a killed process
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        _flush(partial)
        if final.exists():
            final.rename(old)
        partial.rename(final)
        _flush_directory(final.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _appearing_for_all(final: Path, ranks: Ranks) -> Iterator[Path]:
    """`appearing`, begun and ended by the first process; all of them may write into it."""
    with ExitStack() as stack:
        with ranks.together("beginning a checkpoint"):
            if ranks.first:
                _clear(final.parent)
                stack.enter_context(appearing(final))
        yield final.with_name(f".writing-{final.name}")
        with ranks.together("ending a checkpoint"):
            stack.close()


def _clear(directory: Path) -> None:
    """Remove what killed processes left; what others put there, as file managers do, is none of ours."""
    for name in (".writing-step-*", ".old-step-*"):
        for left in directory.glob(name):
            if left.is_dir():
                shutil.rmtree(left)


def disappear(directory: Path) -> None:
    """Remove a directory; killed half-way, it no longer has its name."""
    shutil.rmtree(old := _old(directory), ignore_errors=True)
    shutil.rmtree(directory.rename(old))


def _old(directory: Path) -> Path:
    return directory.with_name(f".old-{directory.name}")


def _flush(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        for name in files:
            with open(Path(folder) / name, "rb") as file:
                os.fsync(file.fileno())
        _flush_directory(Path(folder))


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2))


def _with_pictures(ranks: Ranks, groups: Sequence[Group]) -> list[Group]:
    """The groups with all pictures in the first process, which writes them; nothing in the others."""
    members = [member for group in groups for member in group.members]
    whole = iter(with_pictures(ranks, members, range(len(members)) if ranks.first else ()))
    return [replace(g, members=tuple(itertools.islice(whole, len(g.members)))) for g in groups]


def _write_groups(directory: Path, groups: Sequence[Group]) -> None:
    with TrajectoryWriter(directory) as writer:
        for group in groups:
            for member in group.members:
                writer.append(member)


def _read_groups(directory: Path, described: Sequence[Mapping[str, int]]) -> list[Group]:
    stored = read_trajectories(directory)
    groups = [
        Group(row["draw"], row["step"], tuple(itertools.islice(stored, row["members"])), row["weights"])
        for row in described
    ]
    found, wanted = sum(len(group.members) for group in groups), sum(row["members"] for row in described)
    if found != wanted:
        raise StoreError(f"{directory} has {found} trajectories of {wanted}")
    return groups
