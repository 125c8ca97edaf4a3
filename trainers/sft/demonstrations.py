"""What SFT imitates: trajectories of several runs and files as one sequence, read one by one when asked for.

data = open_demonstrations([Path("runs/teacher"), Path("sft_part_0.json")], vocabulary, cache=cache)
data[17]                   # reads that trajectory and no other
print(data.report())       # what was left out, and why
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import overload

from agents.convert import sft_json
from agents.convert.importer import Importer
from agents.cut import cut_at_turn
from agents.store import RECORDS, TrajectoryReader
from agents.trajectory import Trajectory, TrajectoryError, check_tokens
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.sft.conversion import UNLIMITED, Limits, convert, demonstration

JSON_FILES = "sft*.json"
"""The released parts (`sft_part_0.json`, ...) and what `deepeyes export --format sft` writes (`sft.json`)."""

SHOWN = 5
"""Records left out that a report names; the rest is counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One source of demonstrations.

    Attributes:
        name: What reports call it.
        reader: Its trajectories.
        chosen: Numbers of those that are used.
        max_tokens: Longer ones are cut at the end of a turn.
        cut: How many are.
        left_out: Why others are not used, one line each.
    """

    name: str
    reader: TrajectoryReader
    chosen: Sequence[int]
    max_tokens: int
    cut: int = 0
    left_out: Sequence[str] = ()

    def __getitem__(self, number: int) -> Trajectory:
        fitting = cut_at_turn(self.reader[self.chosen[number]], self.max_tokens)
        assert fitting is not None, "chosen are those whose first turn fits"
        return fitting

    @property
    def sha256(self) -> str:
        """Hash of what is imitated: the journal, which names its images by hash, and the choice from it."""
        digest = hashlib.sha256()
        with self.reader.path.open("rb") as file:
            remaining = self.reader.span(0, len(self.reader))[1]
            while remaining and (chunk := file.read(min(remaining, 1 << 20))):
                digest.update(chunk)
                remaining -= len(chunk)
        digest.update(repr((list(self.chosen), self.max_tokens)).encode())
        return digest.hexdigest()

    def report(self) -> str:
        """What became of its records, in words."""
        lines = [f"{self.name}: {len(self.chosen)} demonstrations"]
        if self.cut:
            lines.append(
                f"  {self.cut} of them cut at the end of a turn: longer than {self.max_tokens} tokens"
            )
        if self.left_out:
            lines.append(f"  {len(self.left_out)} left out:")
            lines += [f"    {reason}" for reason in self.left_out[:SHOWN]]
        if len(self.left_out) > SHOWN:
            lines.append(f"    and {len(self.left_out) - SHOWN} more")
        return "\n".join(lines)


class Demonstrations(Sequence[Trajectory]):
    """The demonstrations of all parts, in order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._ends = list(accumulate(len(part.chosen) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, number: int) -> Trajectory: ...
    @overload
    def __getitem__(self, number: slice) -> list[Trajectory]: ...
    def __getitem__(self, number: int | slice) -> Trajectory | list[Trajectory]:
        """Read one, or a list of some."""
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} demonstrations, no number {number}")
        number %= len(self)
        part = bisect_right(self._ends, number)
        return self.parts[part][number - (self._ends[part - 1] if part else 0)]

    @property
    def sha256(self) -> str:
        """Hash of everything that is imitated, whichever folders it lies in."""
        return hashlib.sha256("".join(part.sha256 for part in self.parts).encode()).hexdigest()

    def report(self) -> str:
        """What became of the records of every part."""
        return "\n".join(part.report() for part in self.parts)

    def close(self) -> None:
        """Close the files. Idempotent."""
        for part in self.parts:
            part.reader.close()


def open_demonstrations(
    paths: Iterable[Path],
    vocabulary: Vocabulary,
    *,
    cache: Path,
    limits: Limits,
    image_root: Path | None = None,
    only_right: bool = True,
) -> Demonstrations:
    """Open what `paths` name.

    Args:
        paths: Directories of trajectories, JSON files of the released SFT data, or directories of those.
        vocabulary: The tokenizer of the model to be trained.
        cache: Where JSON files are kept as trajectories (`trainers.sft.conversion`).
        limits: How large a demonstration may be. The images of stored trajectories stay as they are.
        image_root: Folder of the JSON files' images; None is each file's own.
        only_right: Leave out stored trajectories whose answer is wrong. Records of JSON files were chosen for
            being right (reference 4.1) and need no `<answer>`, as long chains of thought have none.

    Raises:
        ConfigError: A path names neither.
        DatasetError: A JSON file is no list of records.
        StoreError: A run is damaged, or the cache cannot be written.
    """
    parts = []
    for path in paths:
        if (path / RECORDS).is_file():
            parts.append(_stored(path, vocabulary, limits, only_right))
        else:
            parts += [_converted(file, image_root, vocabulary, limits, cache) for file in _json_files(path)]
    return Demonstrations(parts)


def look_into(path: Path, vocabulary: Vocabulary, limits: Limits, image_root: Path | None, count: int) -> str:
    """Read the first demonstrations of a path with their images, and keep nothing.

    Args:
        path: As for `open_demonstrations`.
        vocabulary: The tokenizer of the model to be trained.
        limits: How large a demonstration may be.
        image_root: As for `open_demonstrations`.
        count: How many of each file.

    Returns:
        What was seen.

    Raises:
        ConfigError: The path names nothing to train on.
        DatasetError: None of the first records of a JSON file can be used.
        StoreError: A stored one is damaged.
        TrajectoryError: A stored one is of another tokenizer.
    """
    if (path / RECORDS).is_file():
        with TrajectoryReader(path) as reader:
            for trajectory in islice(reader, count):
                check_tokens(trajectory, vocabulary)
            return f"{path}: {len(reader)} trajectories"
    importer = Importer(vocabulary, max_tokens=UNLIMITED, max_pixels=limits.max_pixels)
    seen = []
    for file in _json_files(path):
        errors: list[ValueError] = []
        records = list(sft_json.read(file, image_root or file.parent))
        for record in records[:count]:
            try:
                demonstration(record, importer, limits)
            except (DatasetError, TrajectoryError) as error:
                errors.append(error)
        if errors and len(errors) == len(records[:count]):
            raise errors[0]
        seen.append(f"{file}: {len(records)} records, {len(errors)} of the first {count} cannot be used")
    return "\n".join(seen)


def _stored(run: Path, vocabulary: Vocabulary, limits: Limits, only_right: bool) -> Part:
    """A run of trajectories, of which one pass without images tells the usable ones."""
    chosen, cut, left_out = [], 0, []
    with TrajectoryReader(run, pictures=False) as reader:
        for number, one in enumerate(reader):
            where = f"{run}, record {number} ({one.task_id})"
            if not one.turns:
                left_out.append(f"{where}: nobody speaks in it")
            elif only_right and one.reward.accuracy <= 0:
                left_out.append(f"{where}: the answer is wrong")
            elif (fault := _fault(one, vocabulary)) is not None:
                left_out.append(f"{where}: {fault}")
            elif (fitting := cut_at_turn(one, limits.max_tokens)) is None:
                left_out.append(f"{where}: its first turn ends beyond {limits.max_tokens} tokens")
            else:
                chosen.append(number)
                cut += fitting is not one
    return Part(str(run), TrajectoryReader(run), chosen, limits.max_tokens, cut, left_out)


def _fault(trajectory: Trajectory, vocabulary: Vocabulary) -> TrajectoryError | None:
    """What is wrong with its tokens; without this a model would see them at their turn, hours later."""
    try:
        check_tokens(trajectory, vocabulary)
    except TrajectoryError as error:
        return error
    return None


def _converted(
    file: Path, image_root: Path | None, vocabulary: Vocabulary, limits: Limits, cache: Path
) -> Part:
    done = convert(file, image_root, vocabulary, limits, cache)
    chosen = range(done.written)
    reader = TrajectoryReader(done.run)
    return Part(str(file), reader, chosen, limits.max_tokens, done.cut, done.left_out)


def _json_files(path: Path) -> Iterator[Path]:
    files = sorted(path.glob(JSON_FILES)) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise ConfigError(
            f"data = {str(path)!r}: neither a directory of trajectories ({RECORDS}) nor a JSON file of SFT "
            f"records, nor a directory of such files ({JSON_FILES})"
        )
    yield from files
