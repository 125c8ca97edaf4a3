"""ddgs: text search without a key, by reading one search engine's result pages.

One backend by name: the library's `auto` shuffles them. The backend's class is asked and not `DDGS.text`,
which says "No results found." also where a site refused to answer; a refusal must not count as the policy's
poor query.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import DEFAULT_HITS, Operation, Region, SearchErrorKind, SearchResponse
from deepeyes_env.search.live.config import DdgsConfig
from deepeyes_env.search.live.failure import SearchFailure, answer, checked, on_one_line, refusal
from deepeyes_env.search.live.hits import hits_of

PROXY_VARIABLE = "DDGS_PROXY"
"""Environment variable with a proxy's address, by the library's own name for it; it may hold a password."""

_TOO_MANY = 202
"""DuckDuckGo's status for a client that asks too often; others say 429."""


class DdgsEngine:
    """A `SearchEngine` on ddgs: text only. Safe to use from many threads."""

    lacks = frozenset({Operation.IMAGE})

    def __init__(self, config: DdgsConfig) -> None:
        """Nothing is sent before the first search.

        Args:
            config: How to ask.

        Raises:
            ConfigError: ddgs is not installed, or a setting cannot be used.
        """
        self._config = config
        self._backend = _backend_class(config.backend)
        self._name = f"ddgs/{config.backend}"

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`."""
        proxy = os.environ.get(PROXY_VARIABLE, "")
        return answer(self._name, self._config.timeout_seconds, lambda: self._text(query, k), (proxy,))

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """Always `unsupported`: ddgs finds pictures by words, not pages by pictures."""
        return SearchResponse(
            error=SearchErrorKind.UNSUPPORTED,
            detail="ddgs cannot search by image; take Serper or SerpAPI for it, or image_search out of tools",
            backend=self._name,
        )

    def _text(self, query: str, k: int) -> SearchResponse:
        found = self._ask(checked(query, k))
        hits = hits_of(
            [vars(item) for item in found], min(k, self._config.max_results), url="href", snippet="body"
        )
        return SearchResponse(hits, error=None if hits else SearchErrorKind.NO_RESULTS, backend=self._name)

    def _ask(self, query: str) -> list[Any]:
        from ddgs.exceptions import RatelimitException, TimeoutException

        # One for each search: backends keep what they ask about in themselves.
        backend = self._backend(
            proxy=os.environ.get(PROXY_VARIABLE) or None,
            timeout=max(1, round(self._config.timeout_seconds)),
            verify=self._config.certificates or True,
        )
        backend.http_client = watched = _Watched(backend.http_client)
        try:
            found = backend.search(
                query=query, region=self._config.region, safesearch=self._config.safesearch
            )
        except RatelimitException as error:
            raise SearchFailure(SearchErrorKind.RATE_LIMITED, on_one_line(str(error))) from error
        except TimeoutException as error:
            raise SearchFailure(SearchErrorKind.TIMEOUT, on_one_line(str(error))) from error
        except Exception as error:  # a page that has changed makes it stumble over anything
            raise SearchFailure(
                SearchErrorKind.UNAVAILABLE, f"{type(error).__name__}: {on_one_line(str(error))}"
            ) from error
        if found is None and watched.status == 200:
            raise SearchFailure(SearchErrorKind.UNAVAILABLE, "the site sent an empty page")
        if found is None:
            status = 429 if watched.status == _TOO_MANY else watched.status
            raise refusal(status, {}, "", "", SearchErrorKind.UNAVAILABLE)
        return list(found)


class _Watched:
    """A backend's HTTP client, and the status of its last reply, which the backend keeps to itself."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.status = 0

    def request(self, *args: Any, **options: Any) -> Any:
        response = self._client.request(*args, **options)
        self.status = response.status_code
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _backend_class(name: str) -> Any:
    try:
        backends = importlib.import_module("ddgs.engines").ENGINES["text"]
    except ImportError as error:
        raise ConfigError("search without a key needs ddgs: pip install 'deepeyes-gym[web]'") from error
    if name not in backends:
        raise ConfigError(f"backend = {name!r} is none of {', '.join(sorted(backends))}")
    return backends[name]
