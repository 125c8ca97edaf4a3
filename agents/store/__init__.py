"""Trajectories on disk: an append-only journal, content-addressed images, and parquet made from them.

    RUN/trajectories.jsonl                       the journal, source of truth: one trajectory a line
    RUN/images/<sha256>                          every image once, as it is
    RUN/synced                                   how much of the journal has been forced to the disk
    RUN/parquet/trajectories-00000.parquet ...   what `seal` makes of it for `datasets`
    RUN/README.md                                the card by which `datasets.load_dataset(RUN)` finds them

A record is written after its images and in one piece, so a killed process or a full disk loses nothing that
was appended before, and a torn last line is recognised. docs/trajectories.md names every field.
"""

from agents.store.errors import StoreError, TornRecordWarning
from agents.store.full_disk import full_disk_told
from agents.store.layout import IMAGES, PARQUET, RECORDS
from agents.store.reader import TrajectoryReader, finished, read_trajectories
from agents.store.seal import seal
from agents.store.summary import Summary
from agents.store.writer import TrajectoryWriter

__all__ = [
    "IMAGES",
    "PARQUET",
    "RECORDS",
    "StoreError",
    "Summary",
    "TornRecordWarning",
    "TrajectoryReader",
    "TrajectoryWriter",
    "finished",
    "full_disk_told",
    "read_trajectories",
    "seal",
]
