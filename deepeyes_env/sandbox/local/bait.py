"""What the probes reach for: things of the host that show whether somebody was there."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "DEEPEYES_SANDBOX_CHECK"
"""An environment variable of the host while the check runs."""

_CONTENT = "of the host"


@dataclass(frozen=True, slots=True)
class Bait:
    """Things of the host, open to all of its users.

    Attributes:
        folder: A directory in which everybody may make files.
        tcp: A socket that listens at 127.0.0.1.
        abstract: A datagram socket with an abstract address.
    """

    folder: Path
    tcp: socket.socket
    abstract: socket.socket

    @property
    def file(self) -> Path:
        """A file that everybody may read and write."""
        return self.folder / "secret"

    def names(self) -> dict[str, object]:
        """The names under which a probe finds them."""
        return {
            "HOST_PID": os.getpid(),
            "HOST_VARIABLE": VARIABLE,
            "HOST_FOLDER": str(self.folder),
            "HOST_FILE": str(self.file),
            "HOST_PORT": self.tcp.getsockname()[1],
            "HOST_SOCKET": self.abstract.getsockname(),
        }

    def touched(self) -> list[str]:
        """What somebody has left here or changed."""
        found = [f"new file {path.name}" for path in self.folder.iterdir() if path != self.file]
        if not self.file.exists() or self.file.read_text(encoding="ascii") != _CONTENT:
            found.append("the file was changed")
        try:
            self.tcp.accept()[0].close()
            found.append("somebody connected")
        except BlockingIOError:
            pass
        return found


@contextmanager
def bait() -> Iterator[Bait]:
    """Lay the bait, and take it away afterwards. A sandbox that is to be tried must start inside."""
    with (
        tempfile.TemporaryDirectory(prefix="deepeyes-check-") as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract,
    ):
        laid = Bait(Path(folder), tcp, abstract)
        laid.folder.chmod(0o777)
        laid.file.write_text(_CONTENT, encoding="ascii")
        laid.file.chmod(0o666)
        tcp.setblocking(False)
        abstract.bind("")  # the kernel chooses an abstract address (`unix(7)`, autobind)
        os.environ[VARIABLE] = _CONTENT
        try:
            yield laid
        finally:
            del os.environ[VARIABLE]
