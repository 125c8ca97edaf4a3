"""Hits of bounded size and harmless text, whatever a page or a service puts into them."""

from __future__ import annotations

import re
from dataclasses import replace

from deepeyes_env.protocol import neutralise
from deepeyes_env.search.base import Hit, SearchEngine, SearchResponse
from deepeyes_env.search.caps import MAX_HITS, SNIPPET_CHARS, TITLE_CHARS, URL_CHARS
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper

MAX_CHARS = 20_000
"""Characters of a whole response: about what the environment shows at most (`max_observation_chars`)."""

MAX_THUMBNAIL_BYTES = 5 << 20
"""Bytes of a thumbnail (search note A.4)."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control characters but tab and newline, marks that turn the direction of writing, soft hyphens and spaces
without width, lone surrogates, and tag characters and supplementary variation selectors, in which whole
sentences can be hidden. The joiners U+200C and U+200D
stay: Persian and Hindi are written with them."""


class Sanitised(Wrapper):
    """The outermost wrapper: whoever gets its responses need not trust the engine.

    Lengths and counts are capped, invisible characters dropped, protocol tags and chat special tokens lose
    their power by `protocol.neutralise`. Rendering an observation does the last again, because engines also
    come without this wrapper and because it removes text itself; here it serves all other users of an engine.
    """

    def __init__(self, engine: SearchEngine) -> None:
        """Put caps on an engine."""
        self.engine: SearchEngine = engine

    def answer(self, request: Request) -> SearchResponse:
        """The engine's response, capped and cleaned."""
        response = request.put_to(self.engine)
        hits: list[Hit] = []
        room = MAX_CHARS
        for hit in response.hits[: min(request.k, MAX_HITS)]:
            clean = clean_hit(hit, len(hits) + 1)
            room -= _length(clean)
            if room < 0:
                break
            hits.append(clean)
        return replace(response, hits=tuple(hits))


def clean_hit(hit: Hit, rank: int) -> Hit:
    """A hit of bounded size and harmless text."""
    picture = hit.thumbnail
    return Hit(
        rank,
        title=_line(hit.title, TITLE_CHARS),
        url=_line(hit.url, URL_CHARS),
        snippet=_clean(hit.snippet, SNIPPET_CHARS).strip(),
        date=_line(hit.date or "", TITLE_CHARS) or None,
        thumbnail=None if picture is None or len(picture.data) > MAX_THUMBNAIL_BYTES else picture,
        doc_id=_line(hit.doc_id, TITLE_CHARS),
        score=hit.score,
    )


def _length(hit: Hit) -> int:
    return len(hit.title) + len(hit.url) + len(hit.snippet) + len(hit.date or "") + len(hit.doc_id)


def _line(text: str, limit: int) -> str:
    """One line: a title with line breaks could pass for further hits."""
    return _clean(" ".join(_clean(text, 4 * limit).split()), limit).rstrip()


def _clean(text: str, limit: int) -> str:
    # Invisible characters are dropped first: without them, what was no tag may be one.
    return neutralise(_INVISIBLE.sub("", text[: 4 * limit]))[:limit]
