"""One trajectory as one line of the journal: JSON, with its token arrays as compressed base64 at the end."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from agents.store.errors import OtherSchemaError, StoreError
from agents.store.fields import from_fields, to_fields
from agents.store.summary import Summary, summarise_record
from agents.trajectory import ARRAYS, SCHEMA_VERSION, Trajectory
from deepeyes_env.images import EncodedImage

_ARRAYS_BEGIN = f',"{next(iter(ARRAYS))}":{{"type":'.encode()
"""Where a line's arrays begin. No text can hold this: inside a JSON string a quotation mark is escaped."""

MOST_ARRAY_BYTES = 1 << 27
"""Largest token array that is unpacked, 128 MB: the ids of 16 million tokens, more than any model's context.
Zlib would make a thousand bytes of each byte of a line that somebody made up."""

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


def image_hashes(line: bytes) -> list[str]:
    """The names of a line's images; none if they cannot be read."""
    try:
        return [str(image["sha256"]) for image in json.loads(line)["images"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


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
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        raise StoreError(f"{where}: the record is damaged ({type(error).__name__}: {error})") from error


def _to_record(trajectory: Trajectory) -> dict[str, Any]:
    images = [{"sha256": i.sha256, "width": i.width, "height": i.height} for i in trajectory.images]
    return {
        "schema": SCHEMA_VERSION,
        **to_fields(trajectory),
        "images": images,
        "versions": dict(trajectory.versions),
        **{name: _pack(getattr(trajectory, name)) for name in ARRAYS},
    }


def _from_record(record: Mapping[str, Any], images: ReadImage) -> Trajectory:
    return from_fields(
        record,
        images=tuple(images(one["sha256"], one["width"], one["height"]) for one in record["images"]),
        versions=record["versions"],
        **{name: _unpack(record[name]) for name in ARRAYS},
    )


def _pack(array: npt.NDArray[Any]) -> dict[str, str]:
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return {"type": array.dtype.name, "data": base64.b64encode(zlib.compress(data)).decode()}


def _unpack(packed: Mapping[str, str]) -> npt.NDArray[Any]:
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(base64.b64decode(packed["data"]), MOST_ARRAY_BYTES)
    if not unpacking.eof:
        raise ValueError(f"a token array was cut off, or has more than {MOST_ARRAY_BYTES} bytes")
    kind = np.dtype(packed["type"])
    return np.frombuffer(data, dtype=kind.newbyteorder("<")).astype(kind)
