"""A client of `/retrieve` servers: Search-R1's, its imitations', and `deepeyes serve search`.

A request is `{"queries": [text], "topk": number, "return_scores": true}`. Three shapes of a reply are known,
and all are read: hits as `{"document": {...}, "score": number}`, hits that are documents themselves, and hits
in `document` without id and score. A document has `contents`, of which the first line is the title, in
quotes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import DEFAULT_HITS, Hit, Operation, Region, SearchErrorKind, SearchResponse
from deepeyes_env.search.caps import SNIPPET_CHARS, TITLE_CHARS
from deepeyes_env.search.live.failure import SearchFailure, answer, checked
from deepeyes_env.search.live.hits import DATE_CHARS, ranked, text_of, web_address
from deepeyes_env.search.live.json_client import JsonClient, Key
from deepeyes_env.secret import read_secret

BACKEND = "retrieve"

TIMEOUT_SECONDS = 30.0
"""Wall time of a request, as of verl's client (`search-and-benchmarks` A.1)."""

TOKEN_VARIABLE = "DEEPEYES_SEARCH_TOKEN"
"""Environment variable with the token that a search server asks for."""

_ID_CHARS = 200


class RetrieveEngine:
    """Text search by a `/retrieve` server. Safe to use from many threads; tries once."""

    lacks = frozenset({Operation.IMAGE})

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Prepare a client; nothing is sent before the first search.

        If there is a token in DEEPEYES_SEARCH_TOKEN, it is sent as `Authorization: Bearer`.

        Args:
            url: Address of the route, such as `http://127.0.0.1:8000/retrieve`.
            timeout_seconds: Wall time of one request.

        Raises:
            ConfigError: The address or the token cannot be sent.
        """
        base, _, self._route = url.rstrip("/").rpartition("/")
        if "//" not in base or not web_address(url):
            raise ConfigError(f"url = {url!r}: wanted is a route, such as http://127.0.0.1:8000/retrieve")
        self._seconds = timeout_seconds
        has_token = read_secret(TOKEN_VARIABLE) is not None
        key = Key(TOKEN_VARIABLE, header="Authorization", prefix="Bearer ") if has_token else Key("")
        self._client = JsonClient(base, timeout_seconds, key)

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best passages; see `SearchEngine`."""
        return answer(BACKEND, self._seconds, lambda: self._ask(query, k))

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """Always `unsupported`: these servers search texts only."""
        detail = "a /retrieve server searches texts only; take image_search out of tools or another engine"
        return SearchResponse(error=SearchErrorKind.UNSUPPORTED, detail=detail, backend=BACKEND)

    def _ask(self, query: str, k: int) -> SearchResponse:
        body = {"queries": [checked(query, k)], "topk": k, "return_scores": True}
        # The form of the request is ours, so the policy has no part in its refusal.
        reply = self._client.request("POST", self._route, body=body, bad_request=SearchErrorKind.UNAVAILABLE)
        hits = ranked((read_hit(item) for item in _only_list(reply.get("result"))), k)
        error = None if hits else SearchErrorKind.NO_RESULTS
        return SearchResponse(hits, error, backend=BACKEND)


def read_hit(item: Any) -> Hit:
    """One hit of a reply, without its rank.

    Args:
        item: A document, or an object that holds one in `document`.

    Raises:
        SearchFailure: It is none of both.
    """
    outer = item if isinstance(item, Mapping) else {}
    document = outer.get("document", outer)
    contents = document.get("contents") if isinstance(document, Mapping) else None
    if not isinstance(contents, str):
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, "a hit of the reply has no document with contents")
    first, _, rest = contents.strip().partition("\n")
    title, text = (_unquoted(first.strip()), rest) if rest.strip() or _is_quoted(first) else ("", first)
    return Hit(
        0,
        text_of(title, TITLE_CHARS),
        web_address(document.get("url")),
        text_of(text, SNIPPET_CHARS),
        text_of(document.get("date"), DATE_CHARS) or None,
        doc_id=text_of(document.get("id"), _ID_CHARS),
        score=_score(outer.get("score")),
    )


def _only_list(result: Any) -> list[Any]:
    """The hits of the one query."""
    if not isinstance(result, list) or len(result) != 1 or not isinstance(result[0], list):
        detail = "the reply's `result` is no list of one list: is another service there?"
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, detail)
    return result[0]


def _is_quoted(line: str) -> bool:
    line = line.strip()
    return len(line) >= 2 and line[0] == line[-1] == '"'


def _unquoted(line: str) -> str:
    return line[1:-1] if _is_quoted(line) else line


def _score(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < sys.float_info.max else 0.0
