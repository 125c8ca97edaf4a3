"""Where a corpus is cut into runs of documents, each of which becomes one segment of the index.

A cut depends on the name of the document after which it is made, as rsync's rolling cuts depend on bytes. So
a change of one document changes the run it is in, and what is appended changes the last run, while all other
runs stay what they were and need not be indexed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from deepeyes_env.search.corpora.document import Document


@dataclass(frozen=True, slots=True)
class Cuts:
    """How long runs are.

    Fewer runs make faster queries, shorter runs make cheaper changes. A run of 100,000 passages takes about
    four seconds to index, and a million passages have eleven.

    Attributes:
        one_in: One document in so many may end a run.
        least: Documents of a run, except the corpus's last one.
        most: Most documents of a run.
        chars: Most characters of a run, so that it fits the writer's memory; a longer document is a run of
            its own.
    """

    one_in: int = 1 << 17
    least: int = 1 << 15
    most: int = 1 << 18
    chars: int = 60_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive documents.

    Attributes:
        digest: Hash of all that the index holds of them, 32 hexadecimal digits.
        documents: As the index stores them.
        pictures: Number of the document in the run, and name of its picture, of each that has one.
        chars: Characters of titles and bodies, or a few more.
    """

    digest: str
    documents: list[bytes]
    pictures: list[tuple[int, str]]
    chars: int


class Entry(NamedTuple):
    """A document ready to be stored; a tuple, because that is made in half the time.

    Attributes:
        document: The document.
        stored: As the index stores it.
        picture: Name of its picture, or None.
    """

    document: Document
    stored: bytes
    picture: str | None


def runs(entries: Iterable[Entry], cuts: Cuts, version: int) -> Iterator[Run]:
    """Cut a corpus into runs.

    Args:
        entries: The documents in order.
        cuts: How long runs are.
        version: Of what the index makes of them; part of each digest.
    """
    documents: list[bytes] = []
    pictures: list[tuple[int, str]] = []
    chars = 0
    for entry in entries:
        length = len(entry.document.title) + len(entry.document.body)
        if documents and chars + length > cuts.chars:
            yield Run(_digest(documents, version), documents, pictures, chars)
            documents, pictures, chars = [], [], 0
        if entry.picture is not None:
            pictures.append((len(documents), entry.picture))
        documents.append(entry.stored)
        chars += length
        is_cut = len(documents) >= cuts.least and _may_end(entry.document.id, cuts.one_in)
        if is_cut or len(documents) >= cuts.most:
            yield Run(_digest(documents, version), documents, pictures, chars)
            documents, pictures, chars = [], [], 0
    if documents:
        yield Run(_digest(documents, version), documents, pictures, chars)


def _may_end(name: str, one_in: int) -> bool:
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) % one_in == 0


def _digest(documents: list[bytes], version: int) -> str:
    digest = hashlib.blake2b(str(version).encode(), digest_size=16)
    for stored in documents:
        digest.update(len(stored).to_bytes(8))
        digest.update(stored)
    return digest.hexdigest()
