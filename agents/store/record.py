"""One trajectory as one line of the journal: JSON, with its token arrays as compressed base64 at the end."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from agents.store.errors import OtherSchemaError, StoreError
from agents.store.summary import Summary, summarise_record
from agents.trajectory import SCHEMA_VERSION, ImageSpan, SeedLineage, Trajectory, Turn
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward

ARRAYS = ("input_ids", "loss_mask", "logprobs")

_ARRAYS_BEGIN = f',"{ARRAYS[0]}":{{"type":'.encode()
"""Where a line's arrays begin. No text can hold this: inside a JSON string a quotation mark is escaped."""

Read = TypeVar("Read")

ReadImage = Callable[[str, int, int], EncodedImage]
"""Gives the image of a hash, width and height."""


def to_line(trajectory: Trajectory) -> bytes:
    """The trajectory's line, line break included; its images are named by their hashes."""
    return json.dumps(_to_record(trajectory), separators=(",", ":")).encode() + b"\n"


def trajectory_from_line(line: bytes, where: str, images: ReadImage) -> Trajectory:
    """Read a line.

    Args:
        line: The line.
        where: What messages call it.
        images: Where its images are.

    Raises:
        StoreError: It is damaged, of another schema, or an image is missing or damaged.
    """
    return _read(line, where, lambda record: _from_record(record, images))


def summary_from_line(line: bytes, where: str) -> Summary:
    """Read a line's summary without looking at its arrays and images.

    Raises:
        StoreError: It is damaged or of another schema.
    """
    head, _, arrays = line.partition(_ARRAYS_BEGIN)
    return _read(head + b"}" if arrays else line, where, summarise_record)


def _read(line: bytes, where: str, take: Callable[[Mapping[str, Any]], Read]) -> Read:
    try:
        record = json.loads(line)
        if record["schema"] != SCHEMA_VERSION:
            raise OtherSchemaError(
                f"the record has schema {record['schema']}, this version of deepeyes-gym reads "
                f"{SCHEMA_VERSION}; read it with the version that wrote it, or roll out again"
            )
        return take(record)
    except StoreError as error:
        raise type(error)(f"{where}: {error}") from error
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise StoreError(f"{where}: the record is damaged ({type(error).__name__}: {error})") from error


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


def _from_record(record: Mapping[str, Any], images: ReadImage) -> Trajectory:
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
        images=tuple(images(one["sha256"], one["width"], one["height"]) for one in record["images"]),
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
