"""Which layers this machine gives at which level, found by building them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from deepeyes_env.sandbox.base import SandboxError, SandboxLimits
from deepeyes_env.sandbox.local.client import LocalSandbox
from deepeyes_env.sandbox.local.exactly import SandboxAt
from deepeyes_env.sandbox.local.findings import Finding, State, landlock_gaps
from deepeyes_env.sandbox.local.guest import trial
from deepeyes_env.sandbox.local.guest.layers import LAYERS, Layer, Level
from deepeyes_env.sandbox.local.mends import MissingLayerError, mend

_TRIAL = "import sys; sys.path.append(sys.argv[1]); from guest.trial import main; main()"
_TRIAL_SECONDS = 30.0

_THREADS = "import resource\nassert 0 <= resource.getrlimit(resource.RLIMIT_NPROC)[0] <= {most}"
_THREADS_CAUSE = (
    "the kernel counts threads by user, and this user has other processes; memory bounds the threads instead"
)
_THREADS_MEND = "get the level 'full', or run as root with all user ids"
_BEHIND = "behind the missing layer"


@dataclass(frozen=True, slots=True)
class LevelSurvey:
    """What a level is made of here.

    Attributes:
        level: The level.
        failure: Why it cannot be had; empty if it can.
        findings: What is known of every layer.
    """

    level: Level
    failure: str
    findings: Mapping[Layer, Finding]


def survey(limits: SandboxLimits, extras: Sequence[str], landlock: int | None) -> list[LevelSurvey]:
    """Build every level, and where one fails, try its parts alone.

    Args:
        limits: Limits of the sessions that are opened.
        extras: Libraries beyond the core set.
        landlock: The kernel's Landlock version; None without Landlock.
    """

    def look(level: Level) -> LevelSurvey:
        sandbox = SandboxAt(level, limits, extras)
        try:
            return look_at(level, sandbox, landlock)
        finally:
            sandbox.close()

    with ThreadPoolExecutor(len(Level)) as pool:
        found = list(pool.map(look, Level))
    if not any(item.failure for item in found):
        return found
    alone = [*(item.findings for item in found if not item.failure), _namespaces()]
    return [_completed(item, alone) for item in found]


def look_at(level: Level, sandbox: LocalSandbox, landlock: int | None) -> LevelSurvey:
    """Open a session at a level, and see which layers stand.

    Args:
        level: The level.
        sandbox: A sandbox at exactly this level.
        landlock: The kernel's Landlock version.
    """
    try:
        session = sandbox.open([])
        try:
            threads = session.run(_THREADS.format(most=sandbox.limits.threads + 1))
        finally:
            session.close()
    except MissingLayerError as error:
        missing = Finding(State.MISSING, error.cause, mend(error.layer))
        findings = _all(level, Finding(State.UNKNOWN, _BEHIND)) | {error.layer: missing}
        return LevelSurvey(level, error.what, findings)
    except SandboxError as error:
        return LevelSurvey(
            level, str(error), _all(level, Finding(State.UNKNOWN, "the sandbox does not start"))
        )
    findings = _all(level, Finding(State.AVAILABLE)) | landlock_gaps(landlock)
    if os.geteuid() != 0:
        findings[Layer.UNPRIVILEGED_USER] = Finding(State.NOT_NEEDED)
    if not threads.ok:
        findings[Layer.THREADS_LIMIT] = Finding(State.MISSING, _THREADS_CAUSE, _THREADS_MEND)
    return LevelSurvey(level, "", findings)


def _all(level: Level, finding: Finding) -> dict[Layer, Finding]:
    return {layer: finding if layer in LAYERS[level] else Finding(State.NOT_PART) for layer in Layer}


def _completed(item: LevelSurvey, alone: Sequence[Mapping[Layer, Finding]]) -> LevelSurvey:
    """Fill in, for a level that fails, what is known of its layers from elsewhere."""
    if not item.failure:
        return item
    findings = dict(item.findings)
    for known in alone:
        for layer, finding in known.items():
            level_decides = finding.state is State.NOT_PART or layer is Layer.THREADS_LIMIT
            if findings[layer].state is State.UNKNOWN and not level_decides:
                findings[layer] = finding
    return replace(item, findings=findings)


def _namespaces() -> dict[Layer, Finding]:
    package = Path(trial.__file__).resolve().parent.parent
    result = subprocess.run(
        [sys.executable, "-P", "-s", "-S", "-B", "-c", _TRIAL, str(package)],
        capture_output=True,
        env={},
        cwd="/",
        timeout=_TRIAL_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        return {}
    causes = {Layer(name): cause for name, cause in json.loads(result.stdout).items()}
    return {
        layer: Finding(State.MISSING, cause, mend(layer)) if cause else Finding(State.AVAILABLE)
        for layer, cause in causes.items()
    }
