"""The formats by name: how each is written and read, and what it cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.convert import llama_factory, openai_messages, rl_parquet, sft_json, trajectory_parquet, trl
from agents.convert.chat import unanswered, wild_marker
from agents.convert.importer import Record
from agents.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        write: Writes trajectories into an empty directory.
        obstacle: Why the format cannot hold a trajectory, or None if it can.
        read: The records of a file; images that are not inside it lie in the folder that is given second.
            None for a format that holds no turns.
    """

    write: Callable[[Iterable[Trajectory], Path], None]
    obstacle: Callable[[Trajectory], str | None] = unanswered
    read: Callable[[Path, Path], Iterator[Record]] | None = None


def _nothing(trajectory: Trajectory) -> None:
    """The project's own format holds everything."""


FORMATS: dict[str, Format] = {
    "parquet": Format(trajectory_parquet.write, _nothing, trajectory_parquet.read),
    "sft": Format(sft_json.write, wild_marker, sft_json.read),
    "rl": Format(rl_parquet.write, rl_parquet.obstacle),
    "openai": Format(openai_messages.write, read=openai_messages.read),
    "openai-files": Format(openai_messages.write_with_files, read=openai_messages.read),
    "llama-factory": Format(llama_factory.write, llama_factory.obstacle, llama_factory.read),
    "trl": Format(trl.write, read=trl.read),
}
"""What `--format` takes."""
