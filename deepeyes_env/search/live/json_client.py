"""One request for JSON to a service, capped in bytes and time. No retries: those are a wrapper's."""

from __future__ import annotations

import json
import logging
import os
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from deepeyes_env.errors import ConfigError
from deepeyes_env.loopback import direct_mounts
from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.fetch import FetchError
from deepeyes_env.search.fetch.unpack import ACCEPTED_ENCODING, unpack
from deepeyes_env.search.live.failure import SearchFailure, on_one_line, refusal
from deepeyes_env.search.patience import Deadline
from deepeyes_env.secret import require_secret

try:
    import httpx
except ImportError as error:
    raise ConfigError("live search needs httpx: pip install 'deepeyes-gym[web]'") from error

MAX_REPLY_BYTES = 4_000_000
"""Bytes of one reply; a hundred hits are about a tenth of that."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where a key comes from and how it is sent; it never holds the key itself.

    Attributes:
        variable: Environment variable with the key.
        header: Header to send it in; empty for none.
        parameter: Query parameter to send it in; empty for none.
        prefix: What stands before it in the header.
    """

    variable: str
    header: str = ""
    parameter: str = ""
    prefix: str = ""

    def value(self) -> str:
        """The key.

        Raises:
            ConfigError: It is missing.
        """
        return require_secret(self.variable)


class JsonClient:
    """A client of one service. Safe to use from many threads; pickles without the key."""

    def __init__(self, base_url: str, seconds: float, key: Key) -> None:
        """Nothing is connected yet. Proxies are taken from the environment, but not for this machine itself.

        Args:
            base_url: Address that paths are added to.
            seconds: Wall time of one request.
            key: Where the key comes from.

        Raises:
            ConfigError: The address cannot be read, or the key is missing.
        """
        self.key = key
        self._base_url = base_url
        self._seconds = seconds
        self._is_understood = False
        try:
            url = httpx.URL(base_url.rstrip("/") + "/")
        except httpx.InvalidURL as error:
            raise ConfigError(f"base_url = {base_url!r} is no address ({error})") from error
        if key.parameter:
            _keep_out_of_logs(key.parameter)
        headers = {"Accept": "application/json", "Accept-Encoding": ACCEPTED_ENCODING}
        self._new_client = partial(
            httpx.Client,
            base_url=url,
            timeout=seconds,
            headers=headers | ({key.header: key.prefix + key.value()} if key.header else {}),
            params={key.parameter: key.value()} if key.parameter else None,
            limits=httpx.Limits(max_connections=None),
            mounts=direct_mounts(base_url),
        )
        self._opened = os.getpid(), self._connect()

    def __reduce__(self) -> tuple[type[JsonClient], tuple[str, float, Key]]:
        return JsonClient, (self._base_url, self._seconds, self.key)

    def _connect(self) -> httpx.Client:
        """Nobody closes an engine: its connections go with it."""
        client = self._new_client()
        weakref.finalize(self, client.close)
        return client

    def _client(self) -> httpx.Client:
        """This process's connections: a forked one would mix its replies with its parent's."""
        owner, client = self._opened
        if owner != os.getpid():
            client = self._connect()
            self._opened = os.getpid(), client
        return client

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
            with self._client().stream(method, path, params=params, json=body) as response:
                encoding = response.headers.get("content-encoding", "")
                raw = unpack(_until(deadline, response), encoding, MAX_REPLY_BYTES)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise SearchFailure(SearchErrorKind.TIMEOUT, f"no answer in {self._seconds:g} seconds") from error
        except (httpx.HTTPError, FetchError) as error:
            detail = error.detail if isinstance(error, FetchError) else f"{type(error).__name__}: {error}"
            raise SearchFailure(SearchErrorKind.UNAVAILABLE, on_one_line(detail)) from error
        if response.status_code != 200:
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise refusal(
                response.status_code,
                headers,
                _message_in(raw),
                self.key.variable,
                bad_request,
                proven=self._is_understood,
            )
        reply = _object_in(raw)
        # Some refuse with status 200.
        self._is_understood = self._is_understood or "error" not in reply
        return reply


def _until(deadline: Deadline, response: httpx.Response) -> Iterator[bytes]:
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


class _WithoutKey(logging.Filter):
    """httpx logs every address at level INFO."""

    def __init__(self, parameter: str) -> None:
        super().__init__()
        self.parameter = parameter

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._without(part) for part in record.args)
        return True

    def _without(self, part: object) -> object:
        if isinstance(part, httpx.URL) and self.parameter in part.params:
            return part.copy_set_param(self.parameter, "SECRET")
        return part


def _keep_out_of_logs(parameter: str) -> None:
    logger = logging.getLogger("httpx")
    if not any(isinstance(known, _WithoutKey) and known.parameter == parameter for known in logger.filters):
        logger.addFilter(_WithoutKey(parameter))
