"""Client of the original's code servers in both dialects (reference 2.1).

v1 is `POST /jupyter_sandbox`, v2 `POST /run_jupyter`; requests are the same, replies differ in how pictures
and values are written. Neither says how a cell ended, so it is read off stderr, unless the server is ours,
which adds `cell_status`.

State is the server's: ours keeps a live process per session, and says when it opened one (`new_session`), so
that a session that it lost is its failure and not the policy's. The original restores what pickles, so that
there generators, open files and modules' state (a seeded `random`) do not survive a cell. Its v1 loses what
is printed to stderr and every picture that `plt.show()` does not draw, and shows open figures again. Its v2
fails, rather than times out, on a cell that never ends.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.loopback import direct_mounts
from deepeyes_env.sandbox.base import (
    STATE_LOST,
    TIMEOUT_TEXT,
    CellResult,
    CellStatus,
    SandboxError,
    SandboxLimits,
    SandboxUnavailableError,
)
from deepeyes_env.sandbox.config import HttpSandboxConfig
from deepeyes_env.sandbox.remote import clean, decode_images, sendable, setup_cell
from deepeyes_env.secret import read_secret

try:
    import httpx
    import tenacity
except ImportError as error:
    raise SandboxUnavailableError(
        "a code server needs httpx and tenacity: pip install 'deepeyes-gym[http]'"
    ) from error

CONNECT_SECONDS = 10.0
"""Wall time for a connection to be made."""

CLEAR_SECONDS = 5.0
"""Wall time for the server to forget a session."""

KEEPALIVE_SECONDS = 2.0
"""An idle connection is dropped before the server does it (uvicorn: 5 s), which could lose a request."""

MAX_RETRY_AFTER_SECONDS = 10.0
"""Longest pause that a server's `Retry-After` is believed."""

_STATUSES = frozenset(CellStatus)
_SOFT_TIMEOUT = re.compile(r"^(\S+\.)?TimeoutException\b|^Timed out waiting for Jupyter kernel", re.MULTILINE)
_FAILED = re.compile(
    r"Traceback \(most recent call last\)|^(SyntaxError|IndentationError|TabError)\b", re.MULTILINE
)
_LOSSES = (
    "it was idle for too long (raise --server.idle-seconds), the server was started anew, or a balancer "
    "sends the cells of one session to several servers"
)
_MENDS = {
    401: "set {token} to the server's token",
    403: "set {token} to the server's token",
    404: "it does not speak this dialect; try dialect = 'jupyter_sandbox' or 'run_jupyter'",
    413: "the images are too large for it; raise its limit on request bodies or lower max_pixels",
}


class HttpSandbox:
    """Sessions on a code server; see the `Sandbox` protocol."""

    def __init__(self, config: HttpSandboxConfig, limits: SandboxLimits | None = None) -> None:
        """Prepare a client; nothing is sent before the first session.

        Args:
            config: Where the server is and what it speaks.
            limits: What a reply may hold, and the time of a cell. Memory, threads and files are for the
                server to limit.

        Raises:
            ConfigError: The address or the token cannot be sent.
        """
        self._server = _CodeServer(config)
        self._dialect = config.dialect
        self._limits = limits or SandboxLimits()

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> HttpSession:
        """Open a session; see `Sandbox.open`."""
        return HttpSession(self._server, self._dialect, images, seed, self._limits)

    def close(self) -> None:
        """Drop the connections; see `Sandbox.close`. Sessions left open expire on the server."""
        self._server.close()


class HttpSession:
    """A session on a code server; see the `Session` protocol."""

    def __init__(
        self,
        server: _CodeServer,
        path: str,
        images: Sequence[Image.Image],
        seed: int,
        limits: SandboxLimits,
    ) -> None:
        """Load the images; called by `HttpSandbox.open`."""
        self._server = server
        self._path = path
        self._limits = limits
        self._id = secrets.token_hex(16)
        self._setup = setup_cell([_inline(image) for image in images], seed)
        self._lost = False
        self._closed = False
        try:
            self._load()
        except SandboxError as error:
            if not isinstance(error, _NotTaken):  # else the server knows nothing of it
                self.close()
            raise

    def run(self, code: str) -> CellResult:
        """Run one cell; see `Session.run`."""
        if self._closed:
            raise SandboxError("this session is closed")
        if not code.strip():
            return CellResult(CellStatus.OK)  # the servers refuse an empty cell
        reopened = self._lost
        if reopened:
            self._load()
        output = self._ask(code)
        if output.get("new_session") is True:
            self.close()  # the empty one that the server has opened, so that no later cell runs in it
            raise SandboxError(f"the code server has lost this session: {_LOSSES}")
        result = read_output(output, self._limits)
        self._lost = result.status in STATE_LOST
        return result.after_reopening if reopened else result

    def close(self) -> None:
        """End the session; see `Session.close`."""
        if self._closed:
            return
        self._closed = True
        self._server.clear(self._id)

    def _load(self) -> None:
        result = read_output(self._ask(self._setup), self._limits)
        if not result.ok:
            raise SandboxError(f"the code server could not load the images: {result.stderr[-500:]}")
        self._lost = False

    def _ask(self, code: str) -> dict[str, Any]:
        """The `output` object for a cell."""
        seconds = self._limits.cell_seconds
        body = {"session_id": self._id, "code": sendable(code), "timeout": seconds}
        reply = self._server.post(self._path, body, seconds)
        output = reply.get("output")
        if reply.get("status") != "success" or not isinstance(output, dict):
            raise SandboxError(f"the code server refused a cell: {str(output)[:200]!r}")
        return output


def read_output(output: dict[str, Any], limits: SandboxLimits) -> CellResult:
    """What the `output` object of either dialect says."""
    stdout, stdout_cut = clean(output.get("stdout"), limits)
    stderr, stderr_cut = clean(output.get("stderr"), limits)
    encoded = output.get("images")
    images, images_cut = decode_images(encoded if isinstance(encoded, list) else (), limits)
    told = output.get("cell_status")
    status = CellStatus(told) if isinstance(told, str) and told in _STATUSES else _status(stderr)
    truncated = stdout_cut or stderr_cut or images_cut or output.get("truncated") is True
    return CellResult(status, stdout, stderr, images, truncated)


def _status(stderr: str) -> CellStatus:
    """How a cell ended, as far as its stderr tells; the original keeps the state before a timeout."""
    if stderr.rstrip().endswith(TIMEOUT_TEXT) or _SOFT_TIMEOUT.search(stderr):
        return CellStatus.TIMEOUT
    return CellStatus.EXCEPTION if _FAILED.search(stderr) else CellStatus.OK


def _inline(image: Image.Image) -> str:
    data = base64.b64encode(EncodedImage.from_pil(image).data).decode()
    return f'__import__("io").BytesIO(__import__("base64").b64decode("{data}"))'


class _NotTaken(SandboxError):
    """The server did not take the request on, so that it can be sent again."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _CodeServer:
    """JSON in, JSON out, under limits of size and time. Safe to use from many threads."""

    def __init__(self, config: HttpSandboxConfig) -> None:
        self._config = config
        token = read_secret(config.token_variable)
        try:
            self._client = httpx.Client(
                base_url=config.url.rstrip("/") + "/",
                headers={"Accept-Encoding": "identity"}
                | ({"Authorization": f"Bearer {token}"} if token else {}),
                limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_SECONDS),
                mounts=direct_mounts(config.url),
            )
        except httpx.InvalidURL as error:
            raise ConfigError(f"the sandbox's url: {error}") from error
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_NotTaken),
            stop=tenacity.stop_after_delay(config.retry_seconds),
            wait=_pause,
            reraise=True,
        )

    def close(self) -> None:
        self._client.close()

    def post(self, path: str, body: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request and read the reply.

        Args:
            path: Path below the server's address.
            body: What is sent as JSON.
            seconds: Time that the server may take for the work itself.

        Raises:
            SandboxError: There is no usable reply.
        """
        # `copy`: a Retrying object keeps statistics of the call that goes on, per thread.
        data: bytes = self._retrying.copy()(self._post, path, body, seconds + self._config.patience_seconds)
        try:
            reply = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise SandboxError("the code server's reply is no JSON; is another service there?") from error
        if not isinstance(reply, dict):
            raise SandboxError("the code server's reply is no JSON object; is another service there?")
        return reply

    def clear(self, session_id: str) -> None:
        """Tell the server that a session is over; if that fails, it expires there by itself."""
        with contextlib.suppress(SandboxError):
            self._post("clear_session", {"session_id": session_id}, CLEAR_SECONDS)

    def _post(self, path: str, body: dict[str, Any], seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            with self._client.stream("POST", path, json=body, timeout=timeout) as response:
                _check(response, self._config.token_variable)
                return _read(response, self._config.max_reply_bytes, lambda: time.monotonic() > deadline)
        except SandboxError:
            raise
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _NotTaken(
                f"the code server cannot be reached ({str(error) or type(error).__name__}): "
                "start it (`deepeyes serve sandbox`) or correct the sandbox's url"
            ) from error
        except httpx.TimeoutException as error:
            raise SandboxError(
                f"the code server gave no reply within {seconds:g} s: it is overloaded or hangs; "
                "raise patience_seconds or give it more processes"
            ) from error
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client was closed
            raise SandboxError(f"the connection to the code server broke: {type(error).__name__}") from error


def _check(response: httpx.Response, token_variable: str) -> None:
    code = response.status_code
    if response.is_success:
        return
    if code in (429, 503) and "Retry-After" in response.headers:
        raise _NotTaken(
            "the code server is busy: raise its limits, or run fewer episodes at a time",
            _seconds(response.headers["Retry-After"]),
        )
    mend = _MENDS.get(code, "look at its log").format(token=token_variable)
    raise SandboxError(f"the code server answered {code} {response.reason_phrase}: {mend}")


def _read(response: httpx.Response, limit: int, late: Callable[[], bool]) -> bytes:
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > limit:
            raise SandboxError(f"the code server's reply exceeds max_reply_bytes = {limit}")
        if late():
            raise httpx.ReadTimeout("the reply drips")
    return bytes(data)


def _seconds(header: str) -> float:
    """The pause that a `Retry-After` in seconds asks for; a date in its place counts as one second."""
    return min(float(header), MAX_RETRY_AFTER_SECONDS) if header.isdecimal() else 1.0


_BACKOFF = tenacity.wait_random_exponential(multiplier=0.1, max=2.0)


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, _NotTaken) else None
    return _BACKOFF(state) if told is None else told
