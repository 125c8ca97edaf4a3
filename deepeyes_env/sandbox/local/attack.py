"""Tries the probes on a live sandbox, and sees what they left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from deepeyes_env.sandbox.base import CellResult, CellStatus, SandboxError, SandboxLimits
from deepeyes_env.sandbox.local.bait import Bait
from deepeyes_env.sandbox.local.client import LocalSandbox
from deepeyes_env.sandbox.local.probes import HELPERS, PROBES, Probe, error_line
from deepeyes_env.sandbox.local.session import LocalSession

LIMITS = SandboxLimits(
    cell_seconds=10.0,
    memory_bytes=128 << 20,
    threads=8,
    output_chars=2_000,
    tmp_bytes=4 << 20,
    tmp_files=50,
)
"""Limits that a probe meets quickly."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attack, or one look at what should still work.

    Attributes:
        threat: What was threatened, in a word.
        name: What was tried.
        held: Whether the sandbox held.
        how: How the cell ended, in its own words or the host's.
        seconds: What it took.
    """

    threat: str
    name: str
    held: bool
    how: str
    seconds: float


def attack(sandbox: LocalSandbox, bait: Bait) -> Iterator[Attempt]:
    """Run every probe in a session of its own, then look at the sibling, a new session and the host.

    Args:
        sandbox: The sandbox, with `LIMITS`, started after the bait was laid.
        bait: What to reach for.

    Yields:
        Each attempt when it is over.

    Raises:
        SandboxError: No session can be opened to begin with.
    """
    sibling = sandbox.open([])
    try:
        home = sibling.run("import os\nopen('kept', 'w').write('alive')\nprint(os.getcwd())").stdout.strip()
        # The sandbox's first directory is every session's own /tmp, or a directory that only it can enter.
        names = bait.names() | {
            "SIBLING_FILE": f"{home}/kept",
            "MEMORY_BYTES": sandbox.limits.memory_bytes,
            "TMP_BYTES": sandbox.limits.tmp_bytes,
            "TMP_FILES": sandbox.limits.tmp_files,
        }
        prelude = "\n".join(f"{name} = {value!r}" for name, value in names.items()) + HELPERS
        for probe in PROBES:
            yield _try(sandbox, prelude, probe)
        yield _sibling(sibling)
    finally:
        sibling.close()
    yield _new_session(sandbox)
    touched = bait.touched()
    yield Attempt("afterwards", "the host's things", not touched, ", ".join(touched) or "untouched", 0.0)


def _try(sandbox: LocalSandbox, prelude: str, probe: Probe) -> Attempt:
    start = time.monotonic()
    try:
        result = _run(sandbox, prelude, probe)
        held, how = probe.held(result, sandbox.limits.output_chars), _how(result)
    except SandboxError as error:
        held, how = False, f"the sandbox itself failed: {error}"
    return Attempt(probe.threat, probe.name, held, how, time.monotonic() - start)


def _run(sandbox: LocalSandbox, prelude: str, probe: Probe) -> CellResult:
    session = sandbox.open([])
    try:
        ready = session.run(prelude)
        if not ready.ok:
            raise SandboxError(f"the session does not work: {error_line(ready.stderr)}")
        return session.run(probe.code, probe.seconds)
    finally:
        session.close()


def _how(result: CellResult) -> str:
    match result.status:
        case CellStatus.OK:
            return f"ran to its end {result.stdout.strip()[:100]}".strip()
        case CellStatus.TIMEOUT:
            return "interrupted at the deadline"
        case CellStatus.KILLED:
            return "killed after the deadline"
        case CellStatus.CRASHED:
            return "only its own process ended"
        case _:
            return error_line(result.stderr)


def _sibling(session: LocalSession) -> Attempt:
    start = time.monotonic()
    try:
        said = session.run("print(open('kept').read(), os.getpid() > 0)").stdout.strip()
    except SandboxError as error:
        said = str(error)
    alive = said == "alive True"
    how = "works, with variables and files" if alive else f"does not work: {said}"
    return Attempt("afterwards", "a sibling session", alive, how, time.monotonic() - start)


def _new_session(sandbox: LocalSandbox) -> Attempt:
    start = time.monotonic()
    try:
        session = sandbox.open([])
        said = session.run("print(6 * 7)").stdout.strip()
        session.close()
    except SandboxError as error:
        said = str(error)
    how = "works" if said == "42" else f"does not work: {said}"
    return Attempt("afterwards", "a new session", said == "42", how, time.monotonic() - start)
