"""SerpAPI (serpapi.com): Google's text results, and Google Lens by the address of a picture."""

from __future__ import annotations

from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.fetch import Fetcher
from deepeyes_env.search.live.config import SerpApiConfig
from deepeyes_env.search.live.failure import SearchFailure, refusal
from deepeyes_env.search.live.google import GoogleEngine, Reply, items_in
from deepeyes_env.search.live.json_client import JsonClient, Key
from deepeyes_env.search.live.upload import Upload, load_upload

_PICTURES = ("thumbnail", "image")
_NOTHING_FOUND = "hasn't returned any results"
"""How a reply says so, under `error` and with status 200."""


class SerpApiEngine(GoogleEngine):
    """A `SearchEngine` on SerpAPI. Google gives about ten results a page, of which one is asked for."""

    def __init__(
        self,
        config: SerpApiConfig,
        *,
        upload: Upload | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Read the key; nothing is sent before the first search.

        Args:
            config: How to ask.
            upload: Gives a picture a public address; None means what `config.upload` names.
            fetcher: Fetches thumbnails where `config.thumbnails` says so; None means with the usual limits.

        Raises:
            ConfigError: The key is missing, or a setting cannot be used.
        """
        if upload is None and config.upload:
            upload = load_upload(config.upload)
        super().__init__(
            _SerpApi(config), _PICTURES, upload, (fetcher or Fetcher()) if config.thumbnails else None
        )


class _SerpApi:
    name = "serpapi"

    def __init__(self, config: SerpApiConfig) -> None:
        self.seconds = config.timeout_seconds
        self._config = config
        key = Key(config.key_variable, parameter="api_key")
        self._client = JsonClient(config.base_url, config.timeout_seconds, key)

    @property
    def secrets(self) -> tuple[str]:
        return (self._client.key.value(),)

    def text(self, query: str, k: int) -> Reply:
        params = {"engine": "google", "q": query, "gl": self._config.country}
        return self._ask(params, "organic_results", SearchErrorKind.BAD_REQUEST)

    def lens(self, address: str) -> Reply:
        params = {
            "engine": "google_lens",
            "type": "visual_matches",
            "url": address,
            "country": self._config.country,
        }
        # The address is ours, so the policy has no part in it.
        return self._ask(params, "visual_matches", SearchErrorKind.UNAVAILABLE)

    def _ask(self, params: dict[str, str], name: str, bad_request: SearchErrorKind) -> Reply:
        whole = {**params, "hl": self._config.language, "output": "json"}
        reply = self._client.request("GET", "search.json", params=whole, bad_request=bad_request)
        message = reply.get("error")
        if isinstance(message, str):
            if _NOTHING_FOUND in message:
                return Reply([], self._config.dollars_per_search)
            raise _refused(message, self._config.key_variable)
        return Reply(items_in(reply, name, "search_metadata"), self._config.dollars_per_search)


def _refused(message: str, key_variable: str) -> SearchFailure:
    """Status 200 with an error: what was used up is told by the message, all else is theirs."""
    failure = refusal(403, {}, message, key_variable)
    if failure.kind == SearchErrorKind.BUDGET:
        return failure
    return refusal(500, {}, message, key_variable)
