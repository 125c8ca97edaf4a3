"""Results of stages on disk, each under the key of what it was made from, and whole or not there.

OUT/stages/<name>-<key>/stage.json        name, key, settings, keys of its inputs
OUT/stages/<name>-<key>/records.jsonl     what it found, one record a line (most stages)
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.convert.whole_directory import whole_directory
from deepeyes_env.errors import ConfigError
from trainers.curation.keys import plain, stage_key
from trainers.lock import held

RECORDS_FILE, DESCRIPTION = "records.jsonl", "stage.json"

Record = dict[str, Any]


class CurationError(ValueError):
    """A curation that cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's result.

    Attributes:
        name: The stage.
        key: What it was made from.
        directory: Where it lies.
    """

    name: str
    key: str
    directory: Path

    @property
    def ref(self) -> str:
        """What stages that are made from it call it."""
        return f"{self.name}-{self.key}"

    def records(self) -> Iterator[Record]:
        """What it found, in order.

        Raises:
            CurationError: The disk lost some of it.
        """
        path = self.directory / RECORDS_FILE
        try:
            with path.open(encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)
        except (OSError, ValueError) as error:
            raise CurationError(
                f"{path} is damaged ({error}); remove {self.directory} and start again"
            ) from error


class Stages:
    """The results in one directory.

    Args:
        directory: Holds one directory per result; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        for unfinished in directory.glob(".*-*.*"):  # as `whole_directory` names them
            if unfinished.is_dir():
                shutil.rmtree(unfinished)

    def find(self, name: str, settings: Any, inputs: Sequence[str] = ()) -> Stage | None:
        """The result, if it is there."""
        stage = self._stage(name, settings, inputs)
        return stage if stage.directory.is_dir() else None

    def record(
        self,
        name: str,
        settings: Any,
        inputs: Sequence[str],
        compute: Callable[[], Iterable[Record]],
    ) -> Stage:
        """The result, computed if it is not there.

        Args:
            name: The stage.
            settings: What else decides the result (`keys.stage_key`).
            inputs: Names by content of what it is made from (`Stage.ref`, `keys.content_ref`).
            compute: Gives its records.
        """
        return self.record_beside(name, settings, inputs, lambda directory: compute())

    def record_beside(
        self,
        name: str,
        settings: Any,
        inputs: Sequence[str],
        compute: Callable[[Path], Iterable[Record]],
    ) -> Stage:
        """The same for records that come while files are written beside them, into the given directory."""

        def write(directory: Path) -> None:
            with (directory / RECORDS_FILE).open("w", encoding="utf-8") as file:
                for record in compute(directory):
                    file.write(json.dumps(plain(record), separators=(",", ":")) + "\n")
                file.flush()
                os.fsync(file.fileno())

        return self.build(name, settings, inputs, write)

    def build(self, name: str, settings: Any, inputs: Sequence[str], write: Callable[[Path], None]) -> Stage:
        """The same for a result that is more than records.

        Args:
            name: The stage.
            settings: What else decides the result.
            inputs: The results that it is made from.
            write: Writes it into an empty directory.

        Raises:
            CurationError: The disk refuses.
        """
        stage = self._stage(name, settings, inputs)
        if not stage.directory.is_dir():
            description = {
                "name": name,
                "key": stage.key,
                "settings": plain(settings),
                "inputs": list(inputs),
            }
            with making(stage.directory), whole_directory(stage.directory) as directory:
                write(directory)
                (directory / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
        return stage

    def _stage(self, name: str, settings: Any, inputs: Sequence[str]) -> Stage:
        key = stage_key(name, settings, inputs)
        return Stage(name, key, self.directory / f"{name}-{key}")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Have a directory for oneself.

    Raises:
        ConfigError: It cannot be written.
        CurationError: Another process has it.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held(directory))
        except BlockingIOError as error:
            raise CurationError(
                f"another process curates in {directory}; wait for it, or use another --out"
            ) from error
        except OSError as error:
            raise ConfigError(f"out = {str(directory)!r}: cannot be written ({error.strerror})") from error
        yield


@contextmanager
def making(what: Path) -> Iterator[None]:
    """A block that writes something, and may find that the disk refuses.

    Raises:
        CurationError: It does.
    """
    try:
        yield
    except OSError as error:
        raise CurationError(
            f"{what} could not be made ({error}); make room on the disk, or see that the place can be "
            "written, then start again: what is finished is not made anew"
        ) from error


def require_name(name: Path) -> None:
    """See that `point` can take a name, before everything is computed for it.

    Raises:
        CurationError: Something of somebody else has it.
    """
    if name.exists() and not name.is_symlink():
        raise CurationError(
            f"{name} is there and no link to a result of this command; move it away, or use another --out"
        )


def point(name: Path, stage: Stage) -> None:
    """Let a lasting name lead to a result: a relative link, replaced in one step.

    Raises:
        CurationError: The disk refuses.
    """
    link = name.with_name(f".{name.name}.new")
    with making(name):
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(stage.directory, name.parent))
        os.replace(link, name)
