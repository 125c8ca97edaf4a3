"""The contender that most code agents use today: one ipykernel per session, driven by `jupyter_client`."""

from __future__ import annotations

import base64
import io
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.speed.contender import MODULES, Answer, open_picture

NEEDS = ("jupyter_client", "ipykernel")
START_SECONDS = 120.0
"""For a kernel to answer; about one second on an idle machine."""
CELL_SECONDS = 120.0


class IPythonKernel:
    """A new kernel process for each session. It has no walls: the cell can do what the user can."""

    name = "ipykernel"
    burst = 1
    cells = 20
    reads_files = True

    def __init__(self, *, libraries: bool = True) -> None:
        """Nothing starts before the first session.

        Args:
            libraries: Import what our sessions have imported; without, a kernel starts in half the time.
        """
        self._libraries = libraries

    def open(self, picture: Path | None = None) -> KernelSession:
        """Start a kernel."""
        session = KernelSession()
        if self._libraries:
            session.run("import " + ", ".join(MODULES))
        if picture is not None:
            session.run(open_picture(picture))
        return session

    def close(self) -> None:
        """There is nothing to free."""


class KernelSession:
    """One kernel and its client."""

    def __init__(self) -> None:
        from jupyter_client.manager import KernelManager

        self._manager = KernelManager()
        self._manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=START_SECONDS)

    def run(self, code: str) -> Answer:
        """Run one cell.

        Raises:
            RuntimeError: The cell failed.
        """
        messages: list[dict[str, Any]] = []
        # Polls the channels; reading one after the other by `get_iopub_msg` took seven times as long.
        reply = self._client.execute_interactive(
            code, allow_stdin=False, output_hook=messages.append, timeout=CELL_SECONDS
        )
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"a benchmark's cell failed in the kernel: {reply['content']}")
        contents = [message["content"] for message in messages]
        text = "".join(content["text"] for content in contents if "text" in content)
        encoded = [content["data"]["image/png"] for content in contents if "data" in content]
        return Answer(text.rstrip("\n"), tuple(map(_decode, encoded)))

    def close(self) -> None:
        """Kill the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


def missing() -> bool:
    """Whether the extra `bench` is not installed."""
    return any(find_spec(name) is None for name in NEEDS)


def _decode(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
