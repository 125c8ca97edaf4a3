"""LiteLLM's search: text only; Perplexity, Tavily, Brave, Exa, Google PSE, SearXNG, Serper and others."""

from __future__ import annotations

import importlib
import math
import os
from typing import Any

from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import DEFAULT_HITS, Operation, Region, SearchErrorKind, SearchResponse
from deepeyes_env.search.live.config import LiteLLMSearchConfig
from deepeyes_env.search.live.failure import answer, checked, refusal
from deepeyes_env.search.live.hits import hits_of
from deepeyes_env.secret import require_secret

MAX_HITS = 20
"""Most results of one request (LiteLLM's documentation of `max_results`)."""


class LiteLLMSearchEngine:
    """A `SearchEngine` on LiteLLM: text only. Safe to use from many threads."""

    lacks = frozenset({Operation.IMAGE})

    def __init__(self, config: LiteLLMSearchConfig) -> None:
        """Import LiteLLM, which takes seconds; nothing is sent before the first search.

        Args:
            config: Whom and how to ask.

        Raises:
            ConfigError: LiteLLM is not installed, the key is missing, or a setting cannot be used.
        """
        self._config = config
        self._is_understood = False
        known = sorted(provider.value for provider in _litellm().types.utils.SearchProviders)
        if config.provider not in known:
            raise ConfigError(f"provider = {config.provider!r} is none of {', '.join(known)}")
        self._name = f"litellm/{config.provider}"
        self._options: dict[str, Any] = {"search_provider": config.provider}
        if config.base_url:
            self._options["api_base"] = config.base_url
        if config.country:
            self._options["country"] = config.country
        if config.key_variable:
            require_secret(config.key_variable)

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`."""
        return answer(
            self._name, self._config.timeout_seconds, lambda: self._text(query, k), self._key().values()
        )

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """Always `unsupported`: LiteLLM has no search by image."""
        return SearchResponse(
            error=SearchErrorKind.UNSUPPORTED,
            detail="LiteLLM cannot search by image; take Serper or SerpAPI, or image_search out of tools",
            backend=self._name,
        )

    def _key(self) -> dict[str, str]:
        """Read at each search, so that the engine can be pickled without it."""
        variable = self._config.key_variable
        return {"api_key": require_secret(variable)} if variable else {}

    def _text(self, query: str, k: int) -> SearchResponse:
        reply = self._ask(checked(query, k), k)
        self._is_understood = True
        hits = hits_of([result.model_dump() for result in reply.results], k, url="url")
        return SearchResponse(
            hits,
            error=None if hits else SearchErrorKind.NO_RESULTS,
            backend=self._name,
            cost=_dollars(reply),
        )

    def _ask(self, query: str, k: int) -> Any:
        try:
            return _litellm().search(
                query=query,
                max_results=min(k, MAX_HITS),
                timeout=self._config.timeout_seconds,
                num_retries=0,
                **self._options,
                **self._key(),
            )
        except Exception as error:  # it wraps what it stumbles over in classes of several libraries
            status = getattr(error, "status_code", None)
            headers = dict(getattr(error, "litellm_response_headers", None) or {})
            # Below the first line it explains how to report a bug.
            message = (str(error).splitlines() or [type(error).__name__])[0]
            status = status if isinstance(status, int) else 500
            variable = self._config.key_variable or "the environment variable that LiteLLM reads"
            raise refusal(status, headers, message, variable, proven=self._is_understood) from error


def _litellm() -> Any:
    # Else its import fetches a table of prices from the network, and keys from a file `.env` nearby.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    try:
        litellm: Any = importlib.import_module("litellm")
    except ImportError as error:
        raise ConfigError("LiteLLM's search needs it: pip install 'deepeyes-gym[litellm]'") from error
    if not hasattr(litellm, "search"):
        raise ConfigError("this LiteLLM has no search: pip install -U 'deepeyes-gym[litellm]'")
    litellm.suppress_debug_info = True  # else it prints advice to standard output at each failure
    return litellm


def _dollars(reply: Any) -> float:
    """What LiteLLM's table of prices says about the request; 0 where it knows nothing."""
    cost = getattr(reply, "_hidden_params", {}).get("response_cost")
    return float(cost) if isinstance(cost, int | float) and math.isfinite(cost) and cost > 0 else 0.0
