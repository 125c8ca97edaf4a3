"""Text search with tantivy: BM25 over title and body, in memory, the same list in every process.

Determinism: one writer thread, k + `SPARE_HITS` fetched, ties broken by the page's place (measured over 404
queries in `search-and-benchmarks` B.1: more writer threads gave equal scores but other orders).
"""

from __future__ import annotations

from collections.abc import Sequence

import tantivy

from deepeyes_env.search.local.page import Page
from deepeyes_env.search.local.snippet import SNIPPET_CHARS, focus

SPARE_HITS = 10
"""Hits fetched beyond k, so that ties at the cut are broken by us and not by the engine."""

MAX_TERMS = 64
"""Different words of a query that count; the rest of a longer one is ignored."""

WRITER_BYTES = 30_000_000
"""Memory of the one writer thread; tantivy refuses less than 15 MB."""

STOP_WORDS = """
a an and are as at be been but by did do does for from had has have he her his how i if in into is it its
me my no not of on or she so such than that the their them then there these they this to was we were what
when where which who whom whose why will with would you your
"""
"""Lucene's English stop words and the words that questions are made of. Leaving them out of queries makes
tantivy 2 to 8 times as fast (`search-and-benchmarks` B.1)."""


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


class TextIndex:
    """An immutable full-text index over pages. Safe to use from many threads."""

    def __init__(self, pages: Sequence[Page]) -> None:
        """Index `pages`; about 60 microseconds each."""
        self._pages = pages
        self._analyzer = english()
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("title", tokenizer_name="english")
        builder.add_text_field("body", tokenizer_name="english")
        builder.add_unsigned_field("place", stored=True)
        self._schema = builder.build()
        index = tantivy.Index(self._schema)
        index.register_tokenizer("english", self._analyzer)
        writer = index.writer(heap_size=WRITER_BYTES, num_threads=1)
        for place, page in enumerate(pages):
            writer.add_document(tantivy.Document(title=page.title, body=page.body, place=place))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self._searcher = index.searcher()

    def search(self, query: str, k: int) -> list[tuple[int, str]]:
        """The best pages for a query.

        The query is a bag of words: nothing in it is syntax, so no query can be wrong.

        Args:
            query: Any text.
            k: Most hits wanted.

        Returns:
            `(place of the page, snippet)`, best first; empty when no page has any of the words.
        """
        terms = list(dict.fromkeys(self._analyzer.analyze(query)))[:MAX_TERMS]
        if not terms:
            return []
        found = self._searcher.search(self._any_of(terms), limit=k + SPARE_HITS).hits
        ranked = sorted(
            ((-score, int(self._searcher.doc(address)["place"][0])) for score, address in found),
        )
        return [(place, self._snippet(place, terms)) for _, place in ranked[:k]]

    def _any_of(self, terms: list[str]) -> tantivy.Query:
        clauses = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, field, term))
            for field in ("title", "body")
            for term in terms
        ]
        return tantivy.Query.boolean_query(clauses)

    def _snippet(self, place: int, terms: list[str]) -> str:
        return focus(self._pages[place].body, set(terms), self._analyzer.analyze, SNIPPET_CHARS)
