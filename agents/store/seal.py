"""Makes a run loadable by `datasets`: its journal as parquet shards, with a card that names them.

    seal("runs/mine")
    datasets.load_dataset("runs/mine", split="train")       # or ("parquet", data_files="runs/mine/parquet/*")

Shards are made from the journal alone and hold its images once more. Those that are complete are never
written again, so a run can be sealed as often as it grows; one that is interrupted leaves whole shards only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.store.layout import CARD, PARQUET, remove_unfinished
from agents.store.parquet import to_row, trajectory_schema
from agents.store.parquet_files import import_pyarrow, write_file
from agents.store.reader import TrajectoryReader

SHARD_RECORDS = 100
"""Trajectories in a shard: half a gigabyte (`datasets.config.MAX_SHARD_SIZE`) at five megabytes of images
each, and the most that another sealing writes again."""

SOURCE_KEY = "deepeyes_gym.journal_bytes"
"""Metadata of a shard that say which part of the journal it was made from."""

_CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: parquet/*.parquet
---

Trajectories of DeepEyes Gym. `datasets.load_dataset("<this directory>", split="train")` loads them.
"""


def seal(directory: Path | str, shard_records: int = SHARD_RECORDS) -> list[Path]:
    """Bring a run's parquet shards up to date with its journal.

    Args:
        directory: The run's directory; nobody else may be sealing it.
        shard_records: Trajectories in a shard.

    Returns:
        All shards, in the order of the journal; none for an empty run.

    Raises:
        ConfigError: pyarrow is not installed.
        StoreError: There is no run, or a record or an image cannot be read.
        OSError: The disk is full or broken; the shards that are there are whole.
    """
    run = Path(directory)
    with TrajectoryReader(run) as reader:
        (run / PARQUET).mkdir(exist_ok=True)
        remove_unfinished(run / PARQUET)
        starts = range(0, len(reader), shard_records)
        shards = [run / PARQUET / f"trajectories-{number:05}.parquet" for number in range(len(starts))]
        for shard, first in zip(shards, starts, strict=True):
            _bring_up_to_date(shard, reader, first, min(first + shard_records, len(reader)))
    for stale in set((run / PARQUET).glob("trajectories-*.parquet")) - set(shards):
        stale.unlink()
    if not (run / CARD).exists():
        (run / CARD).write_text(_CARD)
    return shards


def _bring_up_to_date(shard: Path, reader: TrajectoryReader, first: int, stop: int) -> None:
    begin, end = reader.span(first, stop)
    schema = trajectory_schema(**{SOURCE_KEY: f"{begin}-{end}"})
    if not shard.is_file() or _metadata(shard) != schema.metadata:
        write_file(shard, schema, (to_row(reader[number]) for number in range(first, stop)))


def _metadata(shard: Path) -> Any:
    """What a shard says of itself; a shard appears under its name only when it is whole."""
    import_pyarrow()
    import pyarrow.parquet as pq

    return pq.read_schema(shard).metadata
