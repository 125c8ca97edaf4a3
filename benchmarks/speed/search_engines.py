"""The engines of the search benchmark: ours, bm25s and SQLite's FTS5, at the same work.

Each indexes title and passage of every line of a file in Search-R1's format, keeps the text, leaves stop
words out of queries, and answers with ids, titles and passages. Only ours stems words: the peers do so
on demand.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from deepeyes_env.search.corpora import Document, JsonLinesCorpus
from deepeyes_env.search.local.engine import LocalSearchEngine
from deepeyes_env.search.local.text import STOP_WORDS
from deepeyes_env.search.local.writer import update_index

Peer = Literal["bm25s", "FTS5"]

OURS = "ours"
BM25S: Peer = "bm25s"
FTS5: Peer = "FTS5"

_STOP_WORDS = frozenset(STOP_WORDS.split())
_WORD = re.compile(r"(?u)\w+")


class SearchContender(Protocol):
    """An engine."""

    def build(self, corpus: Path, directory: Path) -> None:
        """Index the corpus in the directory."""
        ...

    def open(self, directory: Path) -> None:
        """Open the index for searches."""
        ...

    def search(self, query: str, k: int) -> list[tuple[str, str, str]]:
        """Ids, titles and passages, best first."""
        ...


class Ours:
    """`deepeyes search index` and `LocalSearchEngine.open`."""

    def build(self, corpus: Path, directory: Path) -> None:
        """Index the corpus."""
        update_index(directory, JsonLinesCorpus(corpus))

    def open(self, directory: Path) -> None:
        """Map the index."""
        self._engine = LocalSearchEngine.open(directory)

    def search(self, query: str, k: int) -> list[tuple[str, str, str]]:
        """Search."""
        return [(hit.doc_id, hit.title, hit.snippet) for hit in self._engine.search_text(query, k).hits]


class Bm25s:
    """bm25s as its own documentation uses it: with numba, the index mapped, the corpus with it."""

    def __init__(self) -> None:
        import bm25s

        self._bm25s: Any = bm25s

    def build(self, corpus: Path, directory: Path) -> None:
        """Index the corpus."""
        documents = [_fields(document) for document in JsonLinesCorpus(corpus)]
        tokens = self._bm25s.tokenize(
            [f"{title} {body}" for _, title, body in documents],
            stopwords=list(_STOP_WORDS),
            show_progress=False,
        )
        index = self._bm25s.BM25(backend="numba")
        index.index(tokens, show_progress=False)
        kept = [{"id": name, "title": title, "text": body} for name, title, body in documents]
        index.save(str(directory), corpus=kept, show_progress=False)

    def open(self, directory: Path) -> None:
        """Map the index, and let numba compile."""
        self._index = self._bm25s.BM25.load(str(directory), load_corpus=True, mmap=True, show_progress=False)
        self.search("a query that is compiled for", 5)

    def search(self, query: str, k: int) -> list[tuple[str, str, str]]:
        """Search."""
        tokens = self._bm25s.tokenize(
            [query], stopwords=list(_STOP_WORDS), show_progress=False, return_ids=False
        )
        found, _ = self._index.retrieve(tokens, k=k, show_progress=False)
        return [(one["id"], one["title"], one["text"]) for one in found[0]]


class Fts5:
    """SQLite's full-text index; it knows no stop words, so they are left out of queries only."""

    def build(self, corpus: Path, directory: Path) -> None:
        """Index the corpus."""
        with closing(sqlite3.connect(directory / "index.db")) as database, database:
            database.execute("CREATE VIRTUAL TABLE passages USING fts5(id UNINDEXED, title, body)")
            database.executemany(
                "INSERT INTO passages VALUES (?, ?, ?)", map(_fields, JsonLinesCorpus(corpus))
            )

    def open(self, directory: Path) -> None:
        """Open the file."""
        self._database = sqlite3.connect(f"file:{directory / 'index.db'}?mode=ro", uri=True)

    def search(self, query: str, k: int) -> list[tuple[str, str, str]]:
        """Search."""
        words = [word for word in _WORD.findall(query.lower()) if word not in _STOP_WORDS]
        rows = self._database.execute(
            "SELECT id, title, body FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), k),
        )
        return rows.fetchall()


ENGINES: dict[str, type[SearchContender]] = {OURS: Ours, BM25S: Bm25s, FTS5: Fts5}

NEEDS: dict[str, tuple[str, ...]] = {BM25S: ("bm25s", "numba")}
"""What must be installed."""


def missing(name: str) -> bool:
    """Whether an engine is not installed."""
    return any(find_spec(module) is None for module in NEEDS.get(name, ()))


def _fields(document: Document) -> tuple[str, str, str]:
    return document.id, document.title, document.body
