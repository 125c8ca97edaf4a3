"""`deepeyes import`: conversations in the format of another library as a run of trajectories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.progress import track

from agents.convert.formats import FORMATS
from agents.convert.importer import Importer, Record
from agents.convert.same_tokenizer import require_same_tokenizer
from agents.run_tokenizer import TOKENIZER, keep_tokenizer
from agents.store import StoreError, TrajectoryReader, TrajectoryWriter, full_disk_told
from agents.trajectory import SeedLineage, Trajectory, TrajectoryError
from agents.transcript import MAX_TOKENS
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError, require
from deepeyes_env.images import MAX_PIXELS, MIN_PIXELS
from deepeyes_env.tasks.dataset_error import DatasetError

_SHOWN_ERRORS = 5
"""Records left out whose errors are shown; the rest is counted."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Make trajectories of conversations; records that the run holds already are passed over.

    Attributes:
        file: The file to read: JSON (sft), JSON Lines (openai), dataset_info.json (llama-factory), parquet or
            a folder of parquet files (trl, parquet).
        run: Directory that the trajectories are appended to.
        format: Whose format it is.
        tokenizer: Directory or hub id of the tokenizer that encodes the texts: that of the model to be
            trained. Default: the run's own, else that of the tiny model of `deepeyes quickstart`. The tokens
            of parquet stay as they are, and must be this one's; without it and in a run without any, nobody
            knows whose they are.
        image_root: Folder that image paths are relative to and may not leave; default: the file's.
        accuracy: What answered conversations are said to earn; demonstrations are kept as they are right.
        max_tokens: Tokens of a conversation above which it cannot be used (reference 1.5).
        max_pixels: Area to which larger images are shrunk.
        skip_bad: Leave out records that cannot be used, instead of stopping at the first.
    """

    file: tyro.conf.Positional[Path]
    run: tyro.conf.Positional[Path]
    format: Literal["parquet", "sft", "openai", "llama-factory", "trl"]
    tokenizer: str | None = None
    image_root: Path | None = None
    accuracy: float = 1.0
    max_tokens: int = MAX_TOKENS
    max_pixels: int = MAX_PIXELS
    skip_bad: bool = False


@dataclass(slots=True)
class Import:
    """What has become of the records.

    Attributes:
        written: How many have become trajectories.
        known: How many the run held already.
        errors: Why others could not be used.
    """

    written: int = 0
    known: int = 0
    errors: list[DatasetError] = field(default_factory=list)


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: An option cannot be used, or a library is missing.
        DatasetError: The file or a record cannot be used.
        SystemExit: The run cannot be written, or a stored trajectory cannot be read; the message says why.
    """
    options = tyro.cli(ImportOptions, args=list(argv), prog="deepeyes import")
    try:
        result = run(options)
    except (StoreError, TrajectoryError) as error:
        raise SystemExit(f"deepeyes import: {error}") from error
    console = Console(soft_wrap=True, markup=False, highlight=False)
    console.print(f"{result.written} trajectories from {options.file}: {options.run}")
    if result.written and options.format != "parquet":
        console.print("filled in: tokens, actions, outcomes, rewards, lineage (docs/trajectories.md)")
    if result.known:
        console.print(f"{result.known} were there already: same task and lineage")
    for bad in result.errors[:_SHOWN_ERRORS]:
        console.print(f"left out: {bad}")
    if len(result.errors) > _SHOWN_ERRORS:
        console.print(f"left out: {len(result.errors) - _SHOWN_ERRORS} more")


def run(options: ImportOptions) -> Import:
    """Read what `options` name.

    Args:
        options: What to read, and where to.

    Returns:
        What became of the records.

    Raises:
        ConfigError: An option cannot be used, or a library is missing.
        DatasetError: The file cannot be used; or a record, unless `skip_bad`.
        StoreError: The run cannot be written.
    """
    require(0 <= options.accuracy <= 1, "accuracy", options.accuracy, "in [0, 1]")
    require(options.max_pixels >= MIN_PIXELS, "max_pixels", options.max_pixels, f"at least {MIN_PIXELS}")
    require(options.max_tokens >= 1, "max_tokens", options.max_tokens, "at least 1")
    read = FORMATS[options.format].read
    assert read is not None, "the formats of the options hold turns"
    folder = options.file if options.file.is_dir() else options.file.parent
    records = read(options.file, options.image_root or folder)
    result = Import()
    with full_disk_told(options.run, "run the same command again"), TrajectoryWriter(options.run) as writer:
        importer = cache(partial(_importer, options))
        checked = options.tokenizer is not None or (options.run / TOKENIZER).is_dir()
        done = _held(options.run)
        for record in track(records, "importing", console=Console(stderr=True)):
            if (record.lineage, record.task_id) in done:
                result.known += 1
                continue
            try:
                writer.append(_trajectory(record, importer, checked))
                result.written += 1
            except DatasetError as error:
                if not options.skip_bad:
                    raise
                result.errors.append(error)
    return result


def _trajectory(record: Record, importer: Callable[[], Importer], checked: bool) -> Trajectory:
    """What a record becomes; one that is a trajectory stays as it is, its tokens `checked` or not."""
    content = record.read()
    if not isinstance(content, Trajectory):
        return importer()(content, record.origin)
    if checked:
        require_same_tokenizer(content, importer().vocabulary, record.origin)
    return content


def _held(run: Path) -> set[tuple[SeedLineage, str]]:
    """What the run holds, also what the infrastructure spoiled: that is no draw to be repeated here."""
    with TrajectoryReader(run, pictures=False) as reader:
        return {(one.lineage, one.task_id) for one in reader.summaries()}


def _importer(options: ImportOptions) -> Importer:
    return Importer(Vocabulary(_tokenizer(options)), options.accuracy, options.max_tokens, options.max_pixels)


def _tokenizer(options: ImportOptions) -> Any:
    """The tokenizer, which the run carries from here on."""
    own = options.run / TOKENIZER
    if not own.is_dir():
        tokenizer = _tiny_tokenizer() if options.tokenizer is None else _load(options.tokenizer)
        keep_tokenizer(options.run, Vocabulary(tokenizer))
        return tokenizer
    tokenizer = _load(str(own))
    if options.tokenizer is not None:
        wanted = _load(options.tokenizer)
        if wanted.get_vocab() != tokenizer.get_vocab():
            raise ConfigError(
                f"tokenizer = {options.tokenizer!r}: {options.run} was made with another; name a new run"
            )
    return tokenizer


def _load(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        Vocabulary(tokenizer)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"tokenizer = {name!r}: {error}; give the directory or hub id of a Qwen2.5-VL"
        ) from error
    return tokenizer


def _tiny_tokenizer() -> Any:
    from agents.corpus import quickstart_corpus
    from agents.tiny import build_tokenizer

    return build_tokenizer(quickstart_corpus())
