"""A document of somebody's corpus, on its way into an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a corpus.

    Attributes:
        name: The file it is in, for messages.
        read: Gives the encoded bytes.
    """

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Document:
    """One passage or one captioned picture.

    Attributes:
        id: Its name, of which the corpus has only one.
        title: Title.
        url: Address that is shown with a hit.
        body: Plain text.
        date: Publication date as text, or None.
        picture: Its picture, or None.
        file: The file it is from, for messages.
        row: Its row in the file, from 0, for messages; None when the file is the document.
    """

    id: str
    title: str
    url: str
    body: str
    date: str | None = None
    picture: Picture | None = None
    file: str = ""
    row: int | None = None


class Corpus(Protocol):
    """Documents in an order that is the same each time.

    Attributes:
        total: How much there is to read, in any unit; None when nobody knows.
        done: How much of it has been read.
    """

    total: int | None
    done: int

    def __iter__(self) -> Iterator[Document]:
        """The documents.

        Raises:
            DatasetError: Something cannot be read.
        """
        ...


def address(name: str) -> str:
    """The address of a document that has none of its own."""
    return f"corpus:{name}"
