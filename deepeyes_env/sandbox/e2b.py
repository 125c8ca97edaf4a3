"""Sessions on E2B: one virtual machine per session, without internet access, one code context in it.

Images go in once, as files. A cell over its time is interrupted by hanging up, which the service passes on to
the kernel; whether the state survived is asked for afterwards.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from deepeyes_env.errors import Portable
from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox.base import (
    CRASHED_TEXT,
    TIMEOUT_TEXT,
    CellResult,
    CellStatus,
    SandboxError,
    SandboxLimits,
    SandboxUnavailableError,
)
from deepeyes_env.sandbox.config import E2BSandboxConfig
from deepeyes_env.sandbox.remote import clean, decode_images, sendable, setup_cell
from deepeyes_env.secret import read_secret

try:
    import e2b_code_interpreter as sdk
    import httpx
except ImportError as error:
    raise SandboxUnavailableError("E2B needs its SDK: pip install 'deepeyes-gym[e2b]'") from error

FOLDER = "/tmp/deepeyes"
"""Where the images lie in the machine."""

PROBE_SECONDS = 5.0
"""Time that a kernel has to answer after its cell was interrupted, before it is restarted."""

_KILLED_TEXT = "the cell ignored the interrupt, so its process was restarted; all variables are lost"
_RESTARTED = "ContextRestarting"
"""Error name with which the service tells that the kernel died."""
_DISCONNECTED = "WebSocketError"
"""Error name with which the service tells that it lost its kernel; it has no traceback."""

_log = logging.getLogger(__name__)


class E2BSandbox:
    """Sessions on E2B; see the `Sandbox` protocol."""

    def __init__(self, config: E2BSandboxConfig | None = None, limits: SandboxLimits | None = None) -> None:
        """Prepare a client; nothing is sent before the first session.

        Args:
            config: Template, key and lifetimes.
            limits: What a reply may hold, and the time of a cell. Memory, threads and files are for the
                template to limit.

        Raises:
            SandboxUnavailableError: There is no key.
        """
        self._config = config or E2BSandboxConfig()
        self._limits = limits or SandboxLimits()
        self._key = read_secret(self._config.api_key_variable)
        if self._key is None:
            raise SandboxUnavailableError(f"E2B needs a key: set {self._config.api_key_variable}")
        self._lock = threading.Lock()
        self._sessions: set[E2BSession] = set()
        self._closed = False

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> E2BSession:
        """Open a session; see `Sandbox.open`."""
        if self._closed:
            raise SandboxError("the sandbox was closed")
        with _service("no machine"):
            machine = _Machine.create(
                template=self._config.template,
                timeout=self._config.session_seconds,
                allow_internet_access=False,
                api_key=self._key,
                request_timeout=self._config.request_seconds,
            )
        machine.max_reply_bytes = self._config.max_reply_bytes
        session = E2BSession(machine, self._limits, self._forget)
        with self._lock:
            self._sessions.add(session)
            is_late = self._closed  # while the machine was on its way, so `close` did not see it
        try:
            if is_late:
                raise SandboxError("the sandbox was closed")
            session.load(images, seed)
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        """End every session; see `Sandbox.close`."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _forget(self, session: E2BSession) -> None:
        with self._lock:
            self._sessions.discard(session)


class E2BSession:
    """A session on E2B; see the `Session` protocol."""

    def __init__(
        self, machine: _Machine, limits: SandboxLimits, on_close: Callable[[E2BSession], None]
    ) -> None:
        """Take over a machine; called by `E2BSandbox.open`."""
        self._machine = machine
        self._limits = limits
        self._on_close = on_close
        self._context: sdk.Context | None = None
        self._setup = ""
        self._cell = 0
        self._lost = False
        self._closed = False

    def load(self, images: Sequence[Image.Image], seed: int) -> None:
        """Send the images and start the kernel; called by `E2BSandbox.open`."""
        paths = [f"{FOLDER}/image_{number}.png" for number in range(1, len(images) + 1)]
        files = [
            {"path": path, "data": EncodedImage.from_pil(image).data}
            for path, image in zip(paths, images, strict=True)
        ]
        self._setup = setup_cell([repr(path) for path in paths], seed)
        with _service("the images did not arrive"):
            if files:
                self._machine.files.write_files(files)
        with _service("no code context"):
            self._context = self._machine.create_code_context()
        self._prepare()

    def run(self, code: str) -> CellResult:
        """Run one cell; see `Session.run`."""
        if self._closed:
            raise SandboxError("this session is closed")
        reopened = self._lost
        if reopened:
            with _service("the kernel did not restart"):
                self._machine.restart_code_context(self._context)
            self._prepare()
        result = self._run(code)
        self._cell += 1
        return result.after_reopening if reopened else result

    def close(self) -> None:
        """End the machine; see `Session.close`. If that fails, it ends at its lifetime."""
        if self._closed:
            return
        self._closed = True
        try:
            self._machine.kill()
        except Exception as error:
            _log.warning("E2B: a machine could not be ended, and runs on to its lifetime: %s", error)
        self._on_close(self)

    def _prepare(self) -> None:
        result = self._run(self._setup)
        if not result.ok:
            raise SandboxError(f"E2B: the images could not be loaded: {result.stderr[-500:]}")
        self._lost = False
        self._cell = 0

    def _run(self, code: str) -> CellResult:
        output = _Output()
        try:
            with _service("a cell failed"):
                self._execute(code, output, self._limits.cell_seconds)
        except _CutShort as end:
            return self._cut_short(output, end)
        error = output.error
        if error is None:
            return output.result(CellStatus.OK, self._limits, self._cell)
        if error.name == _RESTARTED:
            self._lost = True
            return CellResult(CellStatus.CRASHED, stderr=f"[{CRASHED_TEXT}]")
        if error.name == _DISCONNECTED and not error.traceback:
            raise SandboxError(f"E2B: the machine lost its kernel: {error.value}")
        output.stderr.append(error.traceback or f"{error.name}: {error.value}")
        return output.result(CellStatus.EXCEPTION, self._limits, self._cell)

    def _cut_short(self, output: _Output, end: _CutShort) -> CellResult:
        """Tell a cell that was interrupted from one whose kernel is gone, and both from a machine that is."""
        with _service("the machine's state is unknown"):
            if not self._machine.is_running():
                raise SandboxError(
                    "E2B: the machine is gone; raise session_seconds if it reached its lifetime"
                )
        try:
            with _service("the kernel's state is unknown"):
                self._execute("pass", _Output(), PROBE_SECONDS)
        except _CutShort:
            self._lost = True
            return CellResult(CellStatus.KILLED, stderr=f"{TIMEOUT_TEXT}\n[{_KILLED_TEXT}]")
        output.stderr.append(f"\n{end}" if "".join(output.stderr) else str(end))
        result = output.result(end.status, self._limits, self._cell)
        return CellResult(
            result.status, result.stdout, result.stderr, result.images, result.truncated or end.truncated
        )

    def _execute(self, code: str, output: _Output, seconds: float) -> None:
        try:
            self._machine.run_code(
                sendable(code),
                context=self._context,
                timeout=seconds,
                on_stdout=lambda message: output.stdout.append(message.line),
                on_stderr=lambda message: output.stderr.append(message.line),
                on_result=output.results.append,
                on_error=output.failed,
            )
        except sdk.TimeoutException as error:
            # The SDK says "timed out" of three things: the cell, the connection, and the machine. Only the
            # first can be the cell's fault.
            if not isinstance(error.__context__, httpx.ReadTimeout):
                raise
            raise _CutShort(TIMEOUT_TEXT, CellStatus.TIMEOUT, truncated=False) from error


class _CutShort(Portable):
    """The client hung up on a cell."""

    def __init__(self, message: str, status: CellStatus, *, truncated: bool) -> None:
        super().__init__(message)
        self.status = status
        self.truncated = truncated


class _Output:
    """What a cell has sent so far."""

    def __init__(self) -> None:
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self.results: list[sdk.Result] = []
        self.error: sdk.ExecutionError | None = None

    def failed(self, error: sdk.ExecutionError) -> None:
        """Keep the first error: the service may tell it twice."""
        self.error = self.error or error

    def result(self, status: CellStatus, limits: SandboxLimits, cell: int) -> CellResult:
        """The cell's result; a value without a picture is echoed as `Out[n]: ...`."""
        pictures: list[object] = []
        for item in self.results:
            picture = item.png or item.jpeg
            if picture:
                pictures.append(picture)
            elif item.text:
                self.stdout.append(f"Out[{cell}]: {item.text}\n" if item.is_main_result else f"{item.text}\n")
        images, images_cut = decode_images(pictures, limits)
        stdout, stdout_cut = clean("".join(self.stdout), limits)
        stderr, stderr_cut = clean("".join(self.stderr), limits)
        return CellResult(status, stdout, stderr, images, stdout_cut or stderr_cut or images_cut)


class _Machine(sdk.Sandbox):
    """The SDK's sandbox with bounds on a cell's time and on what it sends, which the SDK keeps in memory."""

    max_reply_bytes = 0

    @property
    def _client(self) -> httpx.Client:
        client = super()._client
        client.event_hooks = {"request": [_one_deadline], "response": [self._bound]}
        return client

    def _bound(self, response: httpx.Response) -> None:
        response.stream = _BoundedStream(response.stream, self.max_reply_bytes)


def _one_deadline(request: httpx.Request) -> None:
    """Make a cell's timeout what it says.

    The SDK sets it for reading and for writing, and its transport adds the two up to one deadline for the
    whole request (pyqwest 0.12, `convert_timeout`).
    """
    if request.url.path.endswith("/execute"):
        request.extensions["timeout"] = request.extensions["timeout"] | {"write": 0.0}


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: object, limit: int) -> None:
        assert isinstance(stream, httpx.SyncByteStream)
        self._stream = stream
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        for chunk in self._stream:
            total += len(chunk)
            if total > self._limit:
                text = f"[the cell's output exceeds {self._limit} bytes; it was interrupted]"
                raise _CutShort(text, CellStatus.EXCEPTION, truncated=True)
            yield chunk

    def close(self) -> None:
        self._stream.close()


@contextlib.contextmanager
def _service(problem: str) -> Iterator[None]:
    """Turn whatever the SDK raises into a `SandboxError`."""
    try:
        yield
    except (SandboxError, _CutShort):
        raise
    except sdk.AuthenticationException as error:
        raise SandboxError(f"E2B: {problem}: the key was refused; set the right one") from error
    except Exception as error:  # the SDK lets errors of its HTTP library and of parsing through
        raise SandboxError(f"E2B: {problem}: {type(error).__name__}: {str(error)[:300]}") from error
