"""The released SFT data (reference 4.1) as a run of trajectories, tokenised once and kept by its content.

    CACHE/1f0c.../trajectories.jsonl, images/     what `agents.store` reads record by record
    CACHE/1f0c.../conversion.json                 appears last: what was written, cut and left out

The name is a hash of everything that decides the tokens: the file, the sizes of its images, the tokenizer and
the limits. A conversion that was interrupted goes on where it stopped; a finished one is used as it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from agents.convert import sft_json
from agents.convert.importer import Importer, Record
from agents.convert.json_files import read_list
from agents.cut import cut_at_turn
from agents.store import StoreError, TrajectoryReader, TrajectoryWriter, finished
from agents.trajectory import Trajectory, TrajectoryError, check_tokens
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import require
from deepeyes_env.images import MIN_PIXELS
from deepeyes_env.tasks.dataset_error import DatasetError

FORMAT = 1
"""Version of what a conversion makes of a record; another one is another cache entry."""

DESCRIPTION = "conversion.json"

CUT = "cut"
"""Entry in a trajectory's versions that names the limit at which it was cut."""

UNLIMITED = 2**31
"""The importer's own limit refuses a long record, while here it is cut at a turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a record may be.

    Attributes:
        max_tokens: Tokens of a conversation, images expanded (reference 4.2: `cutoff_len` 20480).
        max_pixels: Area to which larger images are shrunk (reference 4.2: 262144).
    """

    max_tokens: int = 20_480
    max_pixels: int = 262_144

    def __post_init__(self) -> None:
        require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")
        require(self.max_pixels >= MIN_PIXELS, "max_pixels", self.max_pixels, f"at least {MIN_PIXELS}")


@dataclass(frozen=True, slots=True)
class Conversion:
    """A finished conversion.

    Attributes:
        run: Directory of the trajectories.
        written: How many there are.
        cut: How many of them were too long and lost their last turns.
        left_out: Why others could not be used; each message names file and row.
    """

    run: Path
    written: int
    cut: int
    left_out: tuple[str, ...]


def convert(
    file: Path, image_root: Path | None, vocabulary: Vocabulary, limits: Limits, cache: Path
) -> Conversion:
    """Make trajectories of a file of the released SFT data, or find those made earlier.

    Args:
        file: A JSON list of `{"messages": ..., "images": ...}`.
        image_root: Folder that image paths are relative to and may not leave; None is the file's.
        vocabulary: The tokenizer of the model to be trained.
        limits: How large a record may be.
        cache: Directory of conversions.

    Raises:
        DatasetError: The file is no such list.
        StoreError: The cache cannot be written.
    """
    root = (image_root or file.parent).resolve()
    run = cache / _name(file, root, vocabulary, limits)
    with _alone(run):
        if not (run / DESCRIPTION).is_file():
            _convert(file, root, vocabulary, limits, run)
    described = json.loads((run / DESCRIPTION).read_text(encoding="utf-8"))
    return Conversion(run, described["written"], described["cut"], tuple(described["left_out"]))


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """One process at a time; those of one training run all ask, and all but the first find it done."""
    lock = run.with_name(f".{run.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise StoreError(f"{run.parent} cannot be written ({error}); name another --cache") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert(file: Path, root: Path, vocabulary: Vocabulary, limits: Limits, run: Path) -> None:
    importer = Importer(vocabulary, max_tokens=UNLIMITED, max_pixels=limits.max_pixels)
    left_out = []
    with TrajectoryWriter(run) as writer:
        done = finished(run)
        records = sft_json.read(file, root)
        for record in track(records, f"tokenising {file.name}", console=Console(stderr=True)):
            if record.task_id in done.get(record.lineage, ()):
                continue
            try:
                writer.append(demonstration(record, importer, limits))
            except (DatasetError, TrajectoryError) as error:
                left_out.append(str(error))
    with TrajectoryReader(run, pictures=False) as reader:
        described = {
            "file": file.name,
            "limits": asdict(limits),
            "written": len(reader),
            "cut": sum(CUT in trajectory.versions for trajectory in reader),
            "left_out": left_out,
        }
    unfinished = run / f".{DESCRIPTION}"
    unfinished.write_text(json.dumps(described, indent=1), encoding="utf-8")
    unfinished.replace(run / DESCRIPTION)


def demonstration(record: Record, importer: Importer, limits: Limits) -> Trajectory:
    """One record as it is imitated, cut at the end of a turn where it is too long.

    Raises:
        DatasetError: It cannot be used; the message names file, row and reason.
        TrajectoryError: It holds what no model may be trained on, such as a control token.
    """
    content = record.read()
    whole = content if isinstance(content, Trajectory) else importer(content, record.origin)
    for number, turn in enumerate(whole.turns):
        if turn.action == "invalid":
            raise record.origin.error(f"turn {number} holds a tool call that does not parse", "drop it")
    check_tokens(whole, importer.vocabulary)
    fitting = cut_at_turn(whole, limits.max_tokens)
    if fitting is None:
        raise record.origin.error(
            f"the first turn ends at token {whole.turns[0].end}, above max_tokens = {limits.max_tokens}",
            "raise max_tokens or drop it",
        )
    if fitting is not whole:
        return replace(fitting, versions={**fitting.versions, CUT: str(limits.max_tokens)})
    return fitting


def tokenizer_hash(vocabulary: Vocabulary) -> str:
    """SHA-256 of every token and its id."""
    entries = sorted(vocabulary.tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _name(file: Path, root: Path, vocabulary: Vocabulary, limits: Limits) -> str:
    """A hash of all that decides the tokens; of the images, whose bytes are many, the sizes."""
    parts = {
        "format": FORMAT,
        "records": hashlib.sha256(_bytes(file)).hexdigest(),
        "images": [[name, _size(root / name)] for name in _images(read_list(file))],
        "tokenizer": tokenizer_hash(vocabulary),
        "limits": asdict(limits),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(file, f"cannot be read ({error})", "give a JSON list of records") from error


def _images(records: Iterable[Any]) -> Iterator[str]:
    """The image paths that a file names, wherever they can be told."""
    for record in records:
        named = record.get("images") if isinstance(record, Mapping) else None
        yield from (str(name) for name in named if isinstance(name, str)) if isinstance(named, list) else ()


def _size(path: Path) -> int:
    """Bytes of a file; -1 where there is none, so that an image that comes later makes another conversion."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
