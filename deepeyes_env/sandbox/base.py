"""What a sandbox is: sessions that run cells of untrusted Python and give back plain data.

A `Sandbox` opens one `Session` per episode. A session is stateful like a Jupyter kernel. Whatever the cell
does is described by a `CellResult`; only failures of the sandbox itself raise (`SandboxError`), so that an
infrastructure failure can never be mistaken for the policy's fault.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from PIL import Image

from deepeyes_env.errors import require, require_seconds


class SandboxError(RuntimeError):
    """The sandbox itself failed (not the cell): the episode ends as `infra_failed` and is not scored."""


class SandboxUnavailableError(SandboxError):
    """This machine cannot give the demanded isolation; the message names the missing layer and the mend."""


TIMEOUT_TEXT = "TimeOutError: code execution timed out"
"""What a cell's stderr says at the deadline (reference 1.5)."""

CRASHED_TEXT = (
    "the process died (out of memory, tmp_bytes or tmp_files, a crash, or os._exit); all variables are lost"
)
"""What a cell's stderr says when its process died."""

REOPENED_TEXT = "[new process: the variables of earlier cells are gone, image_1 .. are loaded again]\n"
"""What the first cell after a violent end says on stderr."""


class CellStatus(StrEnum):
    """How a cell ended. All of these are the policy's doing."""

    OK = "ok"
    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    """Interrupted at the deadline; the session's state survived."""
    KILLED = "killed"
    """Killed at the deadline because it ignored the interrupt; the session is closed."""
    CRASHED = "crashed"
    """The process died (segfault, `os._exit`, out of memory, broken protocol); the session is closed."""


STATE_LOST = frozenset({CellStatus.KILLED, CellStatus.CRASHED})
"""Ends after which the session reopens with its images and nothing else."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Limits of one session, each with its unit.

    Attributes:
        cell_seconds: Wall time of one cell. The paper's prompt says 300 s and the released code uses 200 s
            (reference 1.5); cells of these tasks take milliseconds, so the default is short.
        cell_cpu_seconds: Processor time of one cell, all its threads together; None is as much as one thread
            can use in `cell_seconds`.
        session_seconds: Age at which a session ends, however it is used: what was forgotten goes.
        memory_bytes: Private memory a session may allocate beyond the imported libraries.
        threads: Threads a session may start.
        output_chars: Characters kept of stdout and of stderr, each; the middle of the rest is cut.
        images_per_cell: Images returned by one cell (reference 1.5: `max_images_per_round` = 10).
        pixels_per_image: Area of one returned image.
        pixels_per_cell: Area of all images returned by one cell: four of the largest. While the host takes
            them in, it holds 7 bytes for each pixel.
        tmp_bytes: Size of the private /tmp.
        tmp_files: Number of files in the private /tmp.
    """

    cell_seconds: float = 20.0
    cell_cpu_seconds: float | None = None
    session_seconds: float = 3_600.0
    memory_bytes: int = 1 << 30
    threads: int = 16
    output_chars: int = 8_000
    images_per_cell: int = 10
    pixels_per_image: int = 16_000_000
    pixels_per_cell: int = 64_000_000
    tmp_bytes: int = 64 << 20
    tmp_files: int = 1_000

    def __post_init__(self) -> None:
        for item in fields(self):
            limit = getattr(self, item.name)
            if limit is not None:
                require(0 < limit < math.inf, f"limits.{item.name}", limit, "above 0 and finite")
        require_seconds("limits.cell_seconds", self.cell_seconds)


@dataclass(frozen=True, slots=True)
class CellResult:
    """What one cell did.

    Attributes:
        status: How it ended.
        stdout: Captured standard output, truncated. A last expression is echoed as `Out[n]: ...`, where `n`
            counts the process's cells from 0.
        stderr: Captured standard error and the traceback, truncated.
        images: Pictures the cell showed, in order, at full resolution, RGB. They may be read-only, and
            observations may hold their pixels: copy one before you change it by pixel access or `frombytes`.
        truncated: Whether output or images were cut to the limits.
    """

    status: CellStatus
    stdout: str = ""
    stderr: str = ""
    images: tuple[Image.Image, ...] = ()
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the cell ran to its end."""
        return self.status is CellStatus.OK

    @property
    def after_reopening(self) -> CellResult:
        """The same of the first cell after a violent end, which says that the process is a new one."""
        return replace(self, stderr=REOPENED_TEXT + self.stderr)


@runtime_checkable
class Session(Protocol):
    """One stateful interpreter with `image_1 .. image_n` loaded."""

    def run(self, code: str) -> CellResult:
        """Run one cell.

        A session whose last cell was `KILLED` or `CRASHED` reopens itself with its images and otherwise empty
        state before the next cell, and says so on the next cell's stderr.

        Raises:
            SandboxError: The sandbox failed.
        """
        ...

    def close(self) -> None:
        """End the session and free everything it holds. Idempotent."""
        ...


@runtime_checkable
class Sandbox(Protocol):
    """A factory of sessions. Safe to use from many threads."""

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> Session:
        """Open a session.

        Args:
            images: RGB pictures bound to `image_1`, `image_2`, ...
            seed: Seeds `random` and NumPy's legacy generator inside the session.

        Raises:
            SandboxError: The session cannot be opened.
        """
        ...

    def close(self) -> None:
        """End every session and the sandbox itself. Idempotent."""
        ...
