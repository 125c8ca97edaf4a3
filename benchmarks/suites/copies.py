"""Opens the rows of a benchmark: the release on the hub at one revision, or a copy on this machine.

    copy = open_copy(suite)                                # hub, revision resolved and told
    copy = open_copy(suite, path="data/VStarBench.tsv")    # VLMEvalKit's file; its md5 is told and checked

A copy is a parquet, TSV, JSON or JSON Lines file, or a folder of them with pictures. Rows are read when they
are asked for; no picture is decoded here. What of a copy is not as published is said in `Copy.warnings`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.suites.row import Row
from benchmarks.suites.suite import Release, Suite
from benchmarks.suites.tables import Joined, Table, open_table
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

KINDS = (".parquet", ".tsv", ".jsonl", ".json")
"""Files of rows by their endings; of a folder the first kind is taken that it has."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The rows of a benchmark as they lie somewhere.

    Attributes:
        table: The rows.
        suite: Name of the suite that reads them.
        origin: The data set's id, or the path.
        folder: Where paths of pictures begin, or None.
        source: What names these very rows: `hub`, `config`, `split` and `revision`, or `md5` by file name.
        warnings: What is not as published.
    """

    table: Table
    suite: str
    origin: str
    folder: Path | None
    source: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def row(self, number: int) -> Row:
        """Row `number`, from 0.

        Raises:
            IndexError: There is no such row.
            DatasetError: It cannot be read.
        """
        if not 0 <= number < len(self.table):
            raise IndexError(f"row {number} is outside the {len(self.table)} rows of {self.origin!r}")
        return Row(self.table.row(number), self.suite, self.origin, number, folder=self.folder)


def open_copy(suite: Suite, path: str | Path | None = None, revision: str | None = None) -> Copy:
    """Open a suite's rows.

    Args:
        suite: The suite; its first release is loaded.
        path: A copy on this machine, in place of the hub.
        revision: A commit of the hub in place of the release's, for example that of a run which is resumed.

    Raises:
        ConfigError: A library is missing, or a copy was given together with a revision.
        DatasetError: There is nothing to read.
    """
    if path is None:
        return _from_hub(suite, suite.card.releases[0], revision)
    if revision is not None:
        raise ConfigError(f"revision = {revision!r}: a copy by path has none; its md5 says what it is")
    return _from_path(suite, Path(path))


def _from_hub(suite: Suite, release: Release, revision: str | None) -> Copy:
    from benchmarks.suites.hub import HubTable, fetch, resolve

    if not release.hub:
        raise DatasetError(
            suite.card.name, "its rows are on no hub", f"give a copy by path, from {suite.card.paper}"
        )
    commit = resolve(release.hub, revision or release.revision)
    named = {"hub": release.hub, "config": release.config, "split": release.split, "revision": commit}
    if release.files:
        return replace(_from_path(suite, fetch(release.hub, commit)), origin=release.hub, source=named)
    table = HubTable(release, commit)
    return Copy(table, suite.card.name, release.hub, None, named | {"split": table.split})


def _from_path(suite: Suite, path: Path) -> Copy:
    files = [path] if path.is_file() else _files(path, suite.card.releases)
    table = Joined(tuple(map(open_table, files)))
    sums = {file.name: md5(file) for file in files}
    warnings = _unlike("md5", sums, _published(suite, "md5"))
    longer = _published(suite, "sha256")
    warnings += _unlike("sha256", {file.name: sha256(file) for file in files if file.name in longer}, longer)
    folder = path.parent if path.is_file() else path
    return Copy(table, suite.card.name, str(path), folder, {"md5": sums}, warnings)


def _files(folder: Path, releases: tuple[Release, ...]) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(folder, "is not there", f"give a file ({', '.join(KINDS)}) or a folder of them")
    for kind in KINDS:
        if found := sorted(folder.rglob(f"*{kind}")):
            return _of_split(found, folder, releases[0])
    raise DatasetError(folder, "has no rows in it", f"expected files that end in {', '.join(KINDS)}")


def _of_split(files: list[Path], folder: Path, release: Release) -> list[Path]:
    """The files of the release's configuration and split, where files are named by them as the hub's are."""
    if release.config:
        files = [file for file in files if release.config in file.relative_to(folder).parts] or files
    splits = {release.split, f"{release.split}-"}
    return [
        file for file in files if file.stem in splits or file.name.startswith(f"{release.split}-")
    ] or files


def _published(suite: Suite, kind: Literal["md5", "sha256"]) -> dict[str, str]:
    return {
        name: expected for release in suite.card.releases for name, expected in getattr(release, kind).items()
    }


def _unlike(kind: str, found: Mapping[str, str], published: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {kind} is {found[name]}, published is {expected}; this copy is not the release"
        for name, expected in published.items()
        if name in found and found[name] != expected
    )


def md5(path: Path) -> str:
    """The MD5 sum of a file, as VLMEvalKit publishes them; a name of content, not a protection."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as the pointers of Git LFS name it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
