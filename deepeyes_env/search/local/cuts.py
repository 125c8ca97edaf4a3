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
    two seconds to index, and a million passages have eight.

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


def cut(entries: Iterable[Entry], cuts: Cuts) -> Iterator[tuple[Entry, bool]]:
    """Cut a corpus into runs.

    Args:
        entries: The documents in order.
        cuts: How long runs are.

    Returns:
        Each document, and whether a run begins with it.
    """
    length = chars = 0
    begins = True
    for entry in entries:
        document = entry.document
        own = len(document.title) + len(document.body)
        if begins or chars + own > cuts.chars:
            begins = True
            length = chars = 0
        yield entry, begins
        length += 1
        chars += own
        may_end = length >= cuts.least and _may_end(document.id, cuts.one_in)
        begins = may_end or length >= cuts.most


def _may_end(name: str, one_in: int) -> bool:
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) % one_in == 0
