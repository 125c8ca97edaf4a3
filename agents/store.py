"""Trajectories on disk: append-only JSON lines, and images once each under the SHA-256 of their bytes.

    RUN/trajectories.jsonl      one trajectory per line; token arrays as compressed base64
    RUN/images/<sha256>         the encoded image, as it is

A record is written after its images and in one piece, so whatever happens (a killed process, a full disk),
every line but the last is whole, and a torn last line is recognised and reported. One process writes a run
at a time; readers need no lock.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import mmap
import os
import tempfile
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.trajectory import (
    SCHEMA_VERSION,
    ImageSpan,
    SeedLineage,
    Trajectory,
    Turn,
    check_trajectory,
)
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward

RECORDS, IMAGES = "trajectories.jsonl", "images"

ARRAYS = ("input_ids", "loss_mask", "logprobs")

KEPT_IMAGES = 64
"""Images that a reader keeps in memory: the samples of a group share theirs."""


class StoreError(ValueError):
    """Stored trajectories that cannot be read, or a run that cannot be written; the message says where."""


class TornRecordWarning(UserWarning):
    """The last record was cut off while it was written; all records before it were read."""


class TrajectoryWriter:
    """Appends trajectories to a run; use it as a context manager.

    A torn last line that an earlier writer left is removed, with a `TornRecordWarning`.

    Args:
        directory: The run's directory; made if missing.

    Raises:
        StoreError: Another process writes this run.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        (self.directory / IMAGES).mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.directory / RECORDS, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise StoreError(
                f"another writer has {self.directory / RECORDS} open; use another run"
            ) from error
        self._remove_torn_line()

    def append(self, trajectory: Trajectory) -> None:
        """Write one trajectory.

        Raises:
            TrajectoryError: The trajectory breaks an invariant; nothing is written.
            OSError: The disk is full or broken; everything appended before stays readable.
        """
        check_trajectory(trajectory)
        for image in trajectory.images:
            self._write_image(image)
        data = json.dumps(_to_record(trajectory), separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            _write_all(self._file, data)
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        """Force everything to the disk and let go of the run."""
        os.fsync(self._file)
        os.close(self._file)

    def __enter__(self) -> TrajectoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_image(self, image: EncodedImage) -> None:
        target = self.directory / IMAGES / image.sha256
        if target.exists():
            return
        handle, name = tempfile.mkstemp(prefix=".", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(image.data)
            os.replace(name, target)
        except OSError:
            os.unlink(name)
            raise

    def _remove_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        if size == 0:
            return
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
            whole = data.rfind(b"\n") + 1
        if whole < size:
            _warn_torn(self.directory / RECORDS)
            os.ftruncate(self._file, whole)


def read_trajectories(directory: Path | str) -> Iterator[Trajectory]:
    """Read a run in the order in which it was written; the run may still be growing.

    A torn last line is skipped with a `TornRecordWarning`.

    Args:
        directory: The run's directory.

    Yields:
        The trajectories; equal images are one object while they are close together.

    Raises:
        StoreError: There is no run, a line in the middle is damaged, an image is missing or is not what its
        name
            says, or the run was written by a version with another schema.
    """
    path = Path(directory) / RECORDS
    if not path.is_file():
        raise StoreError(f"{directory} holds no trajectories: {RECORDS} is missing")
    images = _ImageReader(path.parent / IMAGES)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                _warn_torn(path)
                return
            yield _from_line(line, f"{path}:{number}", images)


class _ImageReader:
    """Reads images by hash and keeps the last `KEPT_IMAGES`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept: OrderedDict[str, EncodedImage] = OrderedDict()

    def __call__(self, sha256: str, width: int, height: int) -> EncodedImage:
        if sha256 not in self._kept:
            self._kept[sha256] = EncodedImage(self._read(sha256), width, height, sha256)
        self._kept.move_to_end(sha256)
        if len(self._kept) > KEPT_IMAGES:
            self._kept.popitem(last=False)
        return self._kept[sha256]

    def _read(self, sha256: str) -> bytes:
        path = self._directory / sha256
        if path.parent != self._directory or not path.is_file():
            raise StoreError(f"the image {path} is missing")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"the image {path} is damaged: its bytes do not have the hash that names it")
        return data


def _to_record(trajectory: Trajectory) -> dict[str, Any]:
    images = [{"sha256": i.sha256, "width": i.width, "height": i.height} for i in trajectory.images]
    return {
        "schema": SCHEMA_VERSION,
        "task_id": trajectory.task_id,
        "family": trajectory.family,
        "skills": list(trajectory.skills),
        "system_prompt": trajectory.system_prompt,
        "prompt": trajectory.prompt,
        "question": trajectory.question,
        "reference": trajectory.reference,
        "answer": trajectory.answer,
        "outcome": trajectory.outcome.value,
        "reward": asdict(trajectory.reward),
        "turns": [asdict(turn) for turn in trajectory.turns],
        "images": images,
        "image_spans": [asdict(span) for span in trajectory.image_spans],
        "lineage": asdict(trajectory.lineage),
        "token_exact": trajectory.token_exact,
        "versions": dict(trajectory.versions),
        **{name: _pack(getattr(trajectory, name)) for name in ARRAYS},
    }


def _from_line(line: bytes, where: str, images: _ImageReader) -> Trajectory:
    try:
        record = json.loads(line)
        if record["schema"] != SCHEMA_VERSION:
            raise StoreError(
                f"the record has schema {record['schema']}, this version of deepeyes-gym reads "
                f"{SCHEMA_VERSION}; read it with the version that wrote it, or roll out again"
            )
        return _from_record(record, images)
    except StoreError as error:
        raise StoreError(f"{where}: {error}") from error
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise StoreError(f"{where}: the record is damaged ({type(error).__name__}: {error})") from error


def _from_record(record: Mapping[str, Any], images: _ImageReader) -> Trajectory:
    spans = [ImageSpan(s["start"], s["length"], tuple(s["grid"])) for s in record["image_spans"]]
    return Trajectory(
        task_id=record["task_id"],
        family=record["family"],
        skills=tuple(record["skills"]),
        system_prompt=record["system_prompt"],
        prompt=record["prompt"],
        question=record["question"],
        reference=record["reference"],
        answer=record["answer"],
        outcome=Outcome(record["outcome"]),
        reward=Reward(**record["reward"]),
        turns=tuple(Turn(**turn) for turn in record["turns"]),
        images=tuple(images(**image) for image in record["images"]),
        image_spans=tuple(spans),
        lineage=SeedLineage(**record["lineage"]),
        token_exact=record["token_exact"],
        versions=record["versions"],
        input_ids=_unpack(record["input_ids"]),
        loss_mask=_unpack(record["loss_mask"]),
        logprobs=_unpack(record["logprobs"]),
    )


def _pack(array: npt.NDArray[Any]) -> dict[str, str]:
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return {"type": array.dtype.name, "data": base64.b64encode(zlib.compress(data)).decode()}


def _unpack(packed: Mapping[str, str]) -> npt.NDArray[Any]:
    data = zlib.decompress(base64.b64decode(packed["data"]))
    kind = np.dtype(packed["type"])
    return np.frombuffer(data, dtype=kind.newbyteorder("<")).astype(kind)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _warn_torn(path: Path) -> None:
    warnings.warn(
        f"the last record of {path} was cut off while it was written and is left out",
        TornRecordWarning,
        stacklevel=3,
    )
