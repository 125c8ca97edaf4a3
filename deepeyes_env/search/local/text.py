"""Text search with tantivy: BM25 over title and body, the same list in every process.

A query is a bag of words: nothing in it is syntax, so no query can be wrong. That is as lenient as a parser
can be, and a policy sends everything: `it's`, open brackets, `capital: france`.

Determinism: one writer thread and one segment for the same run of pages, k + `SPARE_HITS` fetched, ties
broken by the page's place (measured over 404 queries in `search-and-benchmarks` B.1: more writer threads gave
equal scores but other orders).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import tantivy

from deepeyes_env.search.local.page import Page
from deepeyes_env.search.local.snippet import SNIPPET_CHARS, focus

SPARE_HITS = 10
"""Hits fetched beyond k, so that ties at the cut are broken by us and not by the engine."""

MAX_TERMS = 64
"""Different words of a query that count; the rest of a longer one is ignored."""

SCORE_DIGITS = 5
"""Decimals of a score that count. BM25 scores of words are between 0 and about 15, and the engine adds them
up as float32 in an order that varies from page to page, which moves the seventh digit of equal ones."""

WRITER_BYTES = 4_000_000_000
"""Memory that a writer may take before it begins another segment; it takes what it needs. tantivy accepts up
to 4 GiB. Words of four letters, all of them different, were seen to take between 16 and 24 bytes for each
character, and other texts less."""

STOP_WORDS = """
a an and are as at be been but by did do does for from had has have he her his how i if in into is it its
me my no not of on or she so such than that the their them then there these they this to was we were what
when where which who whom whose why will with would you your
"""
"""Lucene's English stop words and the words that questions are made of. Leaving them out of queries makes
tantivy 2 to 8 times as fast (`search-and-benchmarks` B.1)."""

_ANALYZER, _FREQUENCIES = "english", "freq"
"""Nothing asks for phrases, so the index holds how often a word is in a page but not where."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page that has some of the words.

    Attributes:
        place: The page's place in the corpus.
        score: BM25 of title and body.
        page: The page.
        snippet: The part of its body that has most of the words.
    """

    place: int
    score: float
    page: Page
    snippet: str


def english() -> tantivy.TextAnalyzer:
    """Words, lower case, accents folded, stop words out, Porter stems."""
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(40))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.custom_stopword(STOP_WORDS.split()))
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


def well_formed(text: str) -> str:
    """`text` with half surrogate pairs replaced, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


class SegmentWriter:
    """Writes an index of one segment; about 20 microseconds a page, in a thread of the engine's own."""

    def __init__(self, directory: str | None = None) -> None:
        """Begin an index.

        Args:
            directory: An empty directory for it; None keeps it in memory.
        """
        builder = tantivy.SchemaBuilder()
        for name in ("title", "body"):
            builder.add_text_field(name, tokenizer_name=_ANALYZER, index_option=_FREQUENCIES)
        builder.add_bytes_field("stored", stored=True, indexed=False)
        self._index = tantivy.Index(builder.build(), directory)
        self._index.register_tokenizer(_ANALYZER, english())
        self._writer = self._index.writer(WRITER_BYTES, num_threads=1)

    def add(self, title: str, body: str, stored: bytes | None = None) -> None:
        """Add the next page; waits while the engine is 10,000 behind.

        Args:
            title: Title.
            body: Text.
            stored: What the index gives back for the page.

        Raises:
            ValueError: The engine cannot write.
        """
        try:
            document = _document(title, body, stored)
        except UnicodeEncodeError:
            document = _document(well_formed(title), well_formed(body), stored)
        try:
            self._writer.add_document(document)
        except ValueError:
            self._writer.commit()  # fails with the cause, where adding only says that there is one
            raise

    def finish(self) -> tantivy.Index:
        """Write all that is not written.

        Returns:
            The index, whose documents are numbered in the order in which they came.

        Raises:
            ValueError: The engine cannot write.
        """
        self._writer.commit()
        self._writer.wait_merging_threads()
        self._index.reload()
        if self._index.searcher().num_segments > 1:
            raise RuntimeError("the pages did not fit one segment: their run is too long for WRITER_BYTES")
        return self._index


def _document(title: str, body: str, stored: bytes | None) -> tantivy.Document:
    document = tantivy.Document()
    document.add_text("title", title)
    document.add_text("body", body)
    if stored is not None:
        document.add_bytes("stored", stored)
    return document


class TextIndex:
    """An immutable full-text index over pages. Safe to use from many threads."""

    def __init__(
        self,
        pages: Sequence[Page],
        index: tantivy.Index | None = None,
        segments: Iterable[int] = (),
        title_boost: float = 1.0,
    ) -> None:
        """Index `pages` in memory, or take an index of them.

        Args:
            pages: The pages; those that are found are looked up here.
            index: An index of their titles and bodies that is there already.
            segments: Number of pages in each of its segments.
            title_boost: What a word in the title counts beside one in the body. Less than 1 is better where
                titles are single words, as in a dictionary (`search-and-benchmarks` B.1).
        """
        self._pages = pages
        self._analyzer = english()
        if index is None:
            writer = SegmentWriter()
            for page in pages:
                writer.add(page.title, page.body)
            index, segments = writer.finish(), (len(pages),)
        self._schema, self._searcher = index.schema, index.searcher()
        self._offsets = list(accumulate(segments, initial=0))
        self._title_boost = title_boost

    def search(self, query: str, k: int) -> list[Found]:
        """The best pages for a query.

        Args:
            query: Any text.
            k: Most hits wanted.

        Returns:
            Best first, ties by place; empty when no page has any of the words.
        """
        terms = list(dict.fromkeys(self._analyzer.analyze(well_formed(query))))[:MAX_TERMS]
        if not terms:
            return []
        # Counting all matches would keep the engine from leaving out those that cannot be among the best.
        hits = self._searcher.search(self._any_of(terms), limit=k + SPARE_HITS, count=False).hits
        ranked = sorted(
            (-round(score, SCORE_DIGITS), self._offsets[address.segment_ord] + address.doc)
            for score, address in hits
        )
        return [self._found(place, -score, set(terms)) for score, place in ranked[:k]]

    def _any_of(self, terms: list[str]) -> tantivy.Query:
        in_title, in_body = (
            [
                (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, field, term, _FREQUENCIES))
                for term in terms
            ]
            for field in ("title", "body")
        )
        if self._title_boost != 1:
            in_title = [
                (should, tantivy.Query.boost_query(query, self._title_boost)) for should, query in in_title
            ]
        return tantivy.Query.boolean_query(in_title + in_body)

    def _found(self, place: int, score: float, terms: set[str]) -> Found:
        page = self._pages[place]
        body = well_formed(page.body)
        return Found(place, score, page, focus(body, terms, self._analyzer.analyze, SNIPPET_CHARS))
