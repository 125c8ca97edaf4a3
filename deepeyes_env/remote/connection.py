"""A client's session on an environment server: requests under limits of size and time, images by hash."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from deepeyes_env.errors import ConfigError, require_url
from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.kept_images import KeptImages
from deepeyes_env.loopback import direct_mounts, is_loopback
from deepeyes_env.remote.error import (
    TOKEN_VARIABLE,
    ConnectionBroken,
    RemoteError,
    SessionLost,
    Unreachable,
)
from deepeyes_env.remote.wire import MAX_DETAIL, PROTOCOL, Json, MalformedError, dump, load
from deepeyes_env.secret import read_secret
from deepeyes_env.stripes import Stripes

try:
    import httpx
    import tenacity
except ImportError as error:
    raise ConfigError(
        "a remote environment needs httpx and tenacity: pip install 'deepeyes-gym[http]'"
    ) from error

CONNECT_SECONDS = 10.0
"""Wall time for a connection to be made, and for the greeting."""

CONNECT_ATTEMPTS = 4
"""Attempts to make a connection: one of many may fail while the server and all its episodes are well."""

REPLY_SECONDS = 600.0
"""Longest turn: a cell of the released environment may take 200 s (reference 1.5), and may have to wait."""

CLOSE_SECONDS = 5.0
"""Wall time for the server to forget an episode; if it does not hear of it, the session's end does it."""

KEEPALIVE_SECONDS = 2.0
"""An idle connection is dropped before the server does it (uvicorn: 5 s), which could lose a request."""

MAX_REPLY_BYTES = 64 << 20
"""Largest reply: room for a losslessly encoded picture of `MAX_PIXELS`."""

MAX_REFUSAL_BYTES = 16 << 10
"""Largest body of a refusal that is read: room for `MAX_DETAIL` characters, however they are written."""

_MENDS = {
    400: "call it by its address or a name that it knows",
    401: f"set {TOKEN_VARIABLE} to its token",
    404: "it knows the episode no more",
    409: "the episode has a turn in progress",
    410: "the session has ended: it was idle for too long, or the server was started anew",
    413: "the turn is longer than the server takes",
    422: "client and server do not agree",
    503: "it is full: raise its limits or play fewer episodes at a time",
}

_reaching = tenacity.retry(
    retry=tenacity.retry_if_exception_type(Unreachable),
    stop=tenacity.stop_after_attempt(CONNECT_ATTEMPTS) | tenacity.stop_after_delay(1.5 * CONNECT_SECONDS),
    wait=tenacity.wait_exponential(multiplier=0.2),  # 1.4 s in all when the server refuses
    reraise=True,
)


@dataclass(frozen=True, slots=True)
class Lease:
    """An open session.

    Attributes:
        path: Its path on the server.
        stream: Holds its stream open.
        chunks: What comes on it; httpx would close the stream with this iterator.
    """

    path: str
    stream: ExitStack
    chunks: Iterator[bytes]


class Connection:
    """At most one session at a time, opened when it is needed. Safe to use from many threads.

    Attributes:
        generation: How often it was closed; whoever began before goes on in no session of a later one.
    """

    def __init__(self, url: str) -> None:
        """Prepare a client; nothing is sent before it is needed.

        Args:
            url: The server's address.

        Raises:
            ConfigError: The address or the token cannot be used.
        """
        require_url("remote", url)
        self.generation = 0
        self._url = url
        self._server = _named(url)
        self._token = read_secret(TOKEN_VARIABLE)
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._images = KeptImages()
        self._asking = Stripes()
        self._client: httpx.Client | None = None

    def greeting(self) -> Json:
        """Open a session and give what the server says of itself.

        Raises:
            RemoteError: It cannot be opened.
        """
        with self._lock:
            self._end()
            return self._open()

    def lease(self, generation: int) -> Lease:
        """The session; a new one if there is none.

        Args:
            generation: That in which the caller's work began.

        Raises:
            RemoteError: No session can be opened, or the connection was closed since.
        """
        with self._lock:
            if generation != self.generation:
                raise RemoteError("the environment was closed while an episode began in it")
            if self._lease is None:
                self._open()
            assert self._lease is not None
            return self._lease

    def drop(self, lease: Lease) -> None:
        """Forget a session that is lost."""
        with self._lock:
            if self._lease is lease:
                self._end()

    def close(self) -> None:
        """End the session and all that runs in it. Idempotent; whoever goes on opens a new one."""
        with self._lock:
            self.generation += 1
            self._end()
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def post(self, lease: Lease, path: str, body: Json) -> Json:
        """Ask for something in a session.

        Raises:
            SessionLost: The session is gone; forgotten here too.
            RemoteError: There is no usable reply.
        """
        data = self._ask(lease, "POST", path, REPLY_SECONDS, dump(body))
        try:
            return load(data)
        except MalformedError as error:
            raise RemoteError(f"the server's reply is not ours ({error}): what runs there?") from error

    def delete(self, lease: Lease, path: str) -> None:
        """Tell the server that something is over."""
        self._ask_once(lease, "DELETE", path, CLOSE_SECONDS)

    def image(self, lease: Lease, name: str) -> EncodedImage:
        """An image by its hash; asked for unless it is kept.

        Raises:
            RemoteError: The server does not send it.
        """
        with self._asking.of(hash(name)):  # the slots of a group want the same one at the same time
            return self._images.get(name) or self._fetch(lease, name)

    # --- Inside --------------------------------------------------------------------------------------------

    def _fetch(self, lease: Lease, name: str) -> EncodedImage:
        data = self._ask(lease, "GET", f"/images/{name}", REPLY_SECONDS)
        if hashlib.sha256(data).hexdigest() != name:
            raise RemoteError("an image is not the one that was asked for: its hash is another")
        try:
            image = EncodedImage.from_bytes(data)
        except ImageError as error:
            raise RemoteError(f"the server sent an unusable image: {error}") from error
        self._images.add(image)
        return image

    @property
    def _http(self) -> httpx.Client:
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def _make_client(self) -> httpx.Client:
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        limits = httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_SECONDS)
        try:
            url = self._url.rstrip("/")
            return httpx.Client(base_url=url, headers=headers, limits=limits, mounts=direct_mounts(url))
        except httpx.InvalidURL as error:
            raise ConfigError(f"remote = {self._url!r}: {error}") from error

    @_reaching
    def _open(self) -> Json:
        """Open a session; under the lock."""
        with ExitStack() as stack:
            timeout = httpx.Timeout(CONNECT_SECONDS)
            with _failures(self._server):
                response = stack.enter_context(self._http.stream("POST", "/sessions", timeout=timeout))
                _check(response, self._server)
                chunks = response.iter_raw()
                line = _first_line(chunks)
            try:
                greeting = load(line)
            except MalformedError as error:
                raise RemoteError(f"no environment server: {error}") from error
            name = greeting.get("session")
            if greeting.get("protocol") != PROTOCOL or not isinstance(name, str) or not name.isidentifier():
                raise RemoteError(f"no environment server of protocol {PROTOCOL}: use the same version")
            self._lease = Lease(f"/sessions/{name}", stack.pop_all(), chunks)
            return greeting

    def _end(self) -> None:
        lease, self._lease = self._lease, None
        self._images.clear()
        if lease is not None:
            lease.stream.close()

    @_reaching
    def _ask(self, lease: Lease, method: str, path: str, seconds: float, body: bytes | None = None) -> bytes:
        return self._ask_once(lease, method, path, seconds, body)

    def _ask_once(
        self, lease: Lease, method: str, path: str, seconds: float, body: bytes | None = None
    ) -> bytes:
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        try:
            with _failures(self._server):
                url = lease.path + path
                with self._http.stream(method, url, content=body, timeout=timeout) as response:
                    _check(response, self._server)
                    return _read(response, MAX_REPLY_BYTES, lambda: time.monotonic() > deadline)
        except SessionLost:
            self.drop(lease)
            raise


def _named(url: str) -> str:
    """The server as messages name it: with the variable of the proxy through which it is asked."""
    parts, proxies = urlsplit(url), getproxies()
    scheme = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    host = parts.hostname or ""
    if scheme is None or is_loopback(host) or proxy_bypass(host):
        return "the environment server"
    return f"the environment server, asked through the proxy of {scheme}_proxy,"


@contextmanager
def _failures(server: str) -> Iterator[None]:
    """Failures of the network as `RemoteError`, whose message names the server as `server`."""
    try:
        yield
    except RemoteError:
        raise
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Unreachable(
            f"{server} cannot be reached ({str(error) or type(error).__name__}): "
            "start it (`deepeyes serve env`) or correct the address"
        ) from error
    except httpx.TimeoutException as error:
        raise RemoteError(f"{server} gave no reply in time: it is overloaded or hangs") from error
    except (httpx.HTTPError, httpx.StreamError, RuntimeError) as error:  # RuntimeError: the client was closed
        raise ConnectionBroken(
            f"the connection to {server} broke ({type(error).__name__}): look whether it runs"
        ) from error


def _check(response: httpx.Response, server: str) -> None:
    code = response.status_code
    if response.is_success:
        return
    kind = SessionLost if code == 410 else RemoteError
    mend = _MENDS.get(code, "look at its log")
    raise kind(f"{server} answered {code}: {mend}{_detail(response)}")


def _detail(response: httpx.Response) -> str:
    """What the server says of its refusal, in brackets; short and printable, as it may be anybody's."""
    deadline = time.monotonic() + CONNECT_SECONDS
    try:
        body = load(_read(response, MAX_REFUSAL_BYTES, lambda: time.monotonic() > deadline))
    except (RemoteError, MalformedError, httpx.HTTPError):
        return ""
    said = str(body.get("detail", ""))[:MAX_DETAIL]
    return f" ({''.join(mark if mark.isprintable() else ' ' for mark in said)})" if said else ""


def _first_line(chunks: Iterator[bytes]) -> bytes:
    deadline = time.monotonic() + CONNECT_SECONDS
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if b"\n" in data:
            return bytes(data.partition(b"\n")[0])
        if len(data) > MAX_REPLY_BYTES or time.monotonic() > deadline:
            break
    raise RemoteError("no environment server: it does not greet")


def _read(response: httpx.Response, limit: int, late: Callable[[], bool]) -> bytes:
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > limit:
            raise RemoteError(f"a reply of the environment server exceeds {limit} bytes")
        if late():
            raise httpx.ReadTimeout("the reply drips")
    return bytes(data)
