"""The contender that this is about: the local sandbox, used through its public interface only."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from benchmarks.speed.contender import Answer
from deepeyes_env.images import decode_rgb, freeze
from deepeyes_env.sandbox import LocalSandbox, SandboxLimits
from deepeyes_env.sandbox import Session as SandboxSession
from deepeyes_env.sandbox.local.client import AHEAD


class Ours:
    """Sessions of one `LocalSandbox`."""

    name = "ours"
    burst = 20
    cells = 200
    reads_files = False

    def __init__(self, ahead: int = AHEAD) -> None:
        """Start the sandbox, which takes about a second and is paid once per training run.

        Args:
            ahead: Processes that wait for a session.
        """
        self._ahead = ahead
        self._sandbox = LocalSandbox(SandboxLimits(), ahead=ahead)
        self.open().close()

    def wait_for_pool(self) -> None:
        """Wait until as many processes wait as may, as they do while a policy thinks about its turn.

        Awake, like a host that trains: after a sleep everything takes several times as long.
        """
        while self._sandbox.usage.ahead < self._ahead:
            os.sched_yield()

    def open(self, picture: Path | None = None) -> OurSession:
        """Open a session; the host decodes the picture, which it needs for the model anyway."""
        images = [] if picture is None else [decode(picture)]
        return OurSession(self._sandbox.open(images))

    def open_decoded(self, image: Image.Image) -> OurSession:
        """Open a session with a picture that the host has decoded before, as for a group of rollouts."""
        return OurSession(self._sandbox.open([freeze(image)]))

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()


class OurSession:
    """A session of the local sandbox."""

    def __init__(self, session: SandboxSession) -> None:
        self._session = session

    def run(self, code: str) -> Answer:
        """Run one cell.

        Raises:
            RuntimeError: The cell failed.
        """
        result = self._session.run(code)
        if not result.ok:
            raise RuntimeError(f"a benchmark's cell failed: {result}")
        return Answer(result.stdout.rstrip("\n"), result.images)

    def close(self) -> None:
        """End the session."""
        self._session.close()


def decode(picture: Path) -> Image.Image:
    """Decode a picture in the host, as the environment does."""
    return decode_rgb(picture.read_bytes())
