"""Serper (serper.dev): Google's text results, and Google Lens by the address of a picture."""

from __future__ import annotations

from typing import Any

from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.fetch import Fetcher
from deepeyes_env.search.live.config import SerperConfig
from deepeyes_env.search.live.google import GoogleEngine, Reply, items_in
from deepeyes_env.search.live.json_client import JsonClient, Key
from deepeyes_env.search.live.upload import Upload, load_upload

MAX_HITS = 100
"""Most results of one request (serper.dev's playground)."""

MAX_CREDITS = 100
"""Most credits that a reply is believed to have taken, far above any price: nonsense must not use up a run's
budget."""

_PICTURES = ("thumbnailUrl", "imageUrl")


class SerperEngine(GoogleEngine):
    """A `SearchEngine` on Serper."""

    def __init__(
        self,
        config: SerperConfig,
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
            _Serper(config), _PICTURES, upload, (fetcher or Fetcher()) if config.thumbnails else None
        )


class _Serper:
    name = "serper"

    def __init__(self, config: SerperConfig) -> None:
        self.seconds = config.timeout_seconds
        self._config = config
        key = Key(config.key_variable, header="X-API-KEY")
        self._client = JsonClient(config.base_url, config.timeout_seconds, key)

    @property
    def secrets(self) -> tuple[str]:
        return (self._client.key.value(),)

    def text(self, query: str, k: int) -> Reply:
        return self._ask("search", {"q": query, "num": min(k, MAX_HITS)}, SearchErrorKind.BAD_REQUEST)

    def lens(self, address: str) -> Reply:
        # The address is ours, so the policy has no part in it.
        return self._ask("lens", {"url": address}, SearchErrorKind.UNAVAILABLE)

    def _ask(self, path: str, body: dict[str, Any], bad_request: SearchErrorKind) -> Reply:
        place = {"gl": self._config.country, "hl": self._config.language}
        reply = self._client.request("POST", path, body={**body, **place}, bad_request=bad_request)
        credits = reply.get("credits")
        count = credits if isinstance(credits, int) and 0 <= credits <= MAX_CREDITS else 1
        return Reply(items_in(reply, "organic", "searchParameters"), count * self._config.dollars_per_credit)
