"""`transformers serve` with a tiny Qwen2.5-VL: a chat server that this project has not written.

Run as a program it is the server: the processor without video is registered first, since Qwen's own cannot be
built without torchvision (stack notes section 5).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 240
"""For a server that starts on a machine with other work."""


@contextmanager
def serve(directory: Path) -> Iterator[tuple[str, str]]:
    """Serve the model of `talk.tiny` from `directory`.

    Yields:
        The address up to `/v1`, and the model's name.
    """
    from talk import tiny

    from agents.qwen import save_qwen

    checkpoint = directory / "checkpoint"
    save_qwen(tiny(), checkpoint)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = directory / "log"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, str(checkpoint), str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        _wait(server, port, log)
        yield f"http://127.0.0.1:{port}/v1", str(checkpoint)
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"transformers serve did not start:\n{log.read_text(errors='replace')}")


if __name__ == "__main__":
    from transformers.cli.serve import Serve

    import agents.qwen  # noqa: F401  registers the processor

    Serve(force_model=sys.argv[1], device="cpu", dtype="float32", host="127.0.0.1", port=int(sys.argv[2]))
