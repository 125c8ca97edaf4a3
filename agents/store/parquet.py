"""Trajectories as rows of parquet: every field of `Trajectory`, images inside, nothing lost.

Only half surrogate pairs, which no parquet text can hold, become question marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.store.errors import OtherSchemaError, StoreError
from agents.store.fields import from_fields, spans_of, to_fields
from agents.store.parquet_files import (
    image_column,
    image_value,
    import_pyarrow,
    text,
    with_metadata,
)
from agents.trajectory import ARRAYS, SCHEMA_VERSION, ImageSpan, Trajectory
from deepeyes_env.images import EncodedImage

if TYPE_CHECKING:
    import pyarrow as pa

VERSION_KEY = "deepeyes_gym.trajectory_schema"
"""Metadata of a file that holds the schema version."""

PATCH = 14
"""Side of a patch in pixels (Qwen2.5-VL `vision_config.patch_size`): a span's grid gives its image's size."""


def trajectory_schema(**metadata: str) -> pa.Schema:
    """The columns: the fields of `Trajectory` under their names.

    Args:
        metadata: What else the file is to say of itself.
    """
    pa = import_pyarrow()
    whole, number, words = pa.int64(), pa.float64(), pa.string()
    turn = pa.struct(
        {
            "start": whole,
            "end": whole,
            "text": words,
            "action": words,
            "observation": words,
            "tool_ok": pa.bool_(),
            "finish_reason": words,
        }
    )
    columns = {
        "task_id": words,
        "family": words,
        "skills": pa.list_(words),
        "system_prompt": words,
        "prompt": words,
        "question": words,
        "reference": words,
        "answer": words,
        "outcome": words,
        "reward": pa.struct({"accuracy": number, "format": number, "total": number}),
        "turns": pa.list_(turn),
        "images": image_column(),
        "image_spans": pa.list_(pa.struct({"start": whole, "length": whole, "grid": pa.list_(whole)})),
        "lineage": pa.struct({"run_seed": whole, "step": whole, "prompt": whole, "sample": whole}),
        "token_exact": pa.bool_(),
        "versions": pa.list_(pa.struct({"name": words, "version": words})),
        "input_ids": pa.list_(whole),
        "loss_mask": pa.list_(pa.bool_()),
        "logprobs": pa.list_(pa.float32()),
    }
    return with_metadata(pa.schema(columns), ["images"], **{VERSION_KEY: str(SCHEMA_VERSION)}, **metadata)


def to_row(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory as the values of one row."""
    versions = [{"name": n, "version": v} for n, v in trajectory.versions.items()]
    arrays = {name: getattr(trajectory, name) for name in ARRAYS}
    images = [image_value(image) for image in trajectory.images]
    return {**_storable(to_fields(trajectory) | {"versions": versions}), **arrays, "images": images}


def from_row(row: Mapping[str, Any]) -> Trajectory:
    """The trajectory of a row, as pyarrow gives it in plain Python values.

    Raises:
        KeyError: A column is missing.
    """
    return from_fields(
        row,
        images=tuple(_image(*pair) for pair in zip(row["images"], spans_of(row), strict=True)),
        versions={entry["name"]: entry["version"] for entry in row["versions"]},
        **{name: np.array(row[name], kind) for name, kind in ARRAYS.items()},
    )


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file's rows in bounded memory.

    Args:
        path: A parquet file of trajectories.

    Raises:
        StoreError: It is no parquet file of trajectories, or one of another schema.
    """
    pa = import_pyarrow()
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path} cannot be read as parquet ({error})") from error
    with file:
        version = (file.schema_arrow.metadata or {}).get(VERSION_KEY.encode())
        if version is None:
            raise StoreError(f"{path} is no parquet file of trajectories: its metadata lack {VERSION_KEY}")
        if version.decode() != str(SCHEMA_VERSION):
            raise OtherSchemaError(
                f"{path} has schema {version.decode()}, this version of deepeyes-gym reads {SCHEMA_VERSION}; "
                "read it with the version that wrote it, or export it again"
            )
        for batch in file.iter_batches(batch_size=1):
            yield batch.to_pylist()[0]


def _image(value: Mapping[str, Any], span: ImageSpan) -> EncodedImage:
    _, rows, columns = span.grid
    return EncodedImage(value["bytes"], PATCH * columns, PATCH * rows, value["path"]).shared()


def _storable(value: Any) -> Any:
    match value:
        case str():
            return text(value)
        case dict():
            return {key: _storable(inner) for key, inner in value.items()}
        case list():
            return [_storable(inner) for inner in value]
        case _:
            return value
