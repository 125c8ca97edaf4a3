"""One request for JSON to a service, capped in bytes and time. No retries: those are a wrapper's."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.fetch import FetchError
from deepeyes_env.search.fetch.unpack import ACCEPTED_ENCODING, unpack
from deepeyes_env.search.live.failure import SearchFailure, refusal, shown
from deepeyes_env.search.patience import Deadline

try:
    import httpx
except ImportError as error:
    raise ConfigError("live search needs httpx: pip install 'deepeyes-gym[web]'") from error

MAX_REPLY_BYTES = 4_000_000
"""Bytes of one reply; a hundred hits are about a tenth of that."""

KEY_PARAMETER = "api_key"
"""The query parameter in which SerpAPI takes its key; kept out of logs here."""


class JsonClient:
    """A client of one service. Safe to use from many threads."""

    def __init__(self, base_url: str, seconds: float, key_variable: str, headers: Mapping[str, str]) -> None:
        """Nothing is connected yet. Proxies are taken from the environment, as any client of the web does.

        Args:
            base_url: Address that paths are added to.
            seconds: Wall time of one request.
            key_variable: Environment variable that a refused key comes from.
            headers: Sent with each request.

        Raises:
            ConfigError: It is no address of http or https.
        """
        _keep_keys_out_of_logs()
        self._seconds = seconds
        self._key_variable = key_variable
        try:
            url = httpx.URL(base_url.rstrip("/") + "/")
        except httpx.InvalidURL as error:
            raise ConfigError(f"base_url = {base_url!r} is no address ({error})") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(f"base_url = {base_url!r} is no address of http or https")
        self._client = httpx.Client(
            base_url=url,
            timeout=seconds,
            headers={**headers, "Accept": "application/json", "Accept-Encoding": ACCEPTED_ENCODING},
            limits=httpx.Limits(max_connections=None),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        bad_request: SearchErrorKind = SearchErrorKind.BAD_REQUEST,
    ) -> dict[str, Any]:
        """Ask once.

        Returns:
            The reply, a JSON object.

        Raises:
            SearchFailure: There is none.
        """
        deadline = Deadline(self._seconds)
        try:
            with self._client.stream(method, path, params=params, json=body) as response:
                encoding = response.headers.get("content-encoding", "")
                raw = unpack(_until(deadline, response), encoding, MAX_REPLY_BYTES)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise SearchFailure(SearchErrorKind.TIMEOUT, f"no answer in {self._seconds:g} seconds") from error
        except (httpx.HTTPError, FetchError) as error:
            detail = error.detail if isinstance(error, FetchError) else f"{type(error).__name__}: {error}"
            raise SearchFailure(SearchErrorKind.UNAVAILABLE, shown(detail)) from error
        if response.status_code != 200:
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise refusal(response.status_code, headers, _message_in(raw), self._key_variable, bad_request)
        return _object_in(raw)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _until(deadline: Deadline, response: httpx.Response) -> Any:
    for chunk in response.iter_raw():
        deadline.left()
        yield chunk


def _object_in(raw: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, "the reply is no JSON") from error
    if not isinstance(reply, dict):
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, "the reply is no JSON object")
    return reply


def _message_in(raw: bytes) -> str:
    """What a refusal says: the field that services use for it, or nothing (a page of HTML helps nobody)."""
    try:
        reply = _object_in(raw)
    except SearchFailure:
        return ""
    for name in ("message", "error", "detail"):
        if isinstance(reply.get(name), str):
            return str(reply[name])
    return ""


class _WithoutKeys(logging.Filter):
    """httpx logs every address at level INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_key(part) for part in record.args)
        return True


def _without_key(part: object) -> object:
    if isinstance(part, httpx.URL) and KEY_PARAMETER in part.params:
        return part.copy_set_param(KEY_PARAMETER, "REDACTED")
    return part


def _keep_keys_out_of_logs() -> None:
    logger = logging.getLogger("httpx")
    if not any(isinstance(known, _WithoutKeys) for known in logger.filters):
        logger.addFilter(_WithoutKeys())
