"""Commits of data sets whose suites name none, or not the whole: the first one loaded stays for later runs.

    deepeyes-lock.json      {"lscpku/LogicVista": "<commit>"}, in the working directory

Like the lock of a package manager: written by the first run, read by every later one, and made to be
committed. Whoever wants the newest commit deletes the line. What a suite's own file names counts before it,
and a run that goes on keeps what it had.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.protocol.plan import Items
from benchmarks.suites import SUITES, find_suite
from deepeyes_env.tasks.dataset_error import DatasetError

LOCK = Path("deepeyes-lock.json")

_COMMIT = re.compile(r"[0-9a-f]{40}")


def kept_commit(name: str) -> str | None:
    """The commit that is kept for a suite, if there is one of the revision that its file names.

    Raises:
        DatasetError: The lock cannot be read.
    """
    if name not in SUITES:
        return None  # who opens it says so
    release = find_suite(name).card.releases[0]
    return _of_pin(_read().get(release.hub), release.revision)


def keep_commits(suites: Sequence[Items]) -> tuple[str, ...]:
    """Keep the commits that had to be resolved and are not kept yet.

    Args:
        suites: As they were opened.

    Returns:
        For every data set whose commit was resolved a sentence that says which it is, and whence.

    Raises:
        DatasetError: The lock cannot be read.
    """
    found: dict[str, tuple[str, str | None]] = {}
    for items in suites:
        source, pin = items.describe().get("source") or {}, items.suite.card.releases[0].revision
        # A whole pin is no lock's matter, nor is what a run goes on with that is of another pin.
        hub, commit = source.get("hub"), _of_pin(source.get("revision"), pin)
        if hub is not None and commit is not None and commit != pin:
            found[hub] = commit, pin
    if not found:
        return ()
    try:
        kept = _keep(found)
    except OSError as error:  # no run fails for it, whose own card names the commits too
        kept, whence = {}, f"{LOCK} cannot be written ({error}): a later run may load another"
    said = []
    for hub, (commit, _) in found.items():
        if hub in kept:
            own = kept[hub] == commit
            whence = f"as {LOCK} has it" if own else f"new runs take {kept[hub]} of {LOCK}"
        said.append(f"{hub} is at commit {commit}; {whence}")
    return tuple(said)


def _keep(found: Mapping[str, tuple[str, str | None]]) -> Mapping[str, str]:
    """Add what is not kept yet, one run after the other, for each reads what the others have written."""
    directory = os.open(LOCK.absolute().parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        before = _read()
        kept = dict(before)
        for hub, (commit, pin) in found.items():
            kept[hub] = _of_pin(kept.get(hub), pin) or commit
        if kept != before:
            unfinished = LOCK.with_name(f"{LOCK.name}.new")
            unfinished.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            os.replace(unfinished, LOCK)
        return kept
    finally:
        os.close(directory)


def _of_pin(commit: str | None, pin: str | None) -> str | None:
    return commit if commit is not None and commit.startswith(pin or "") else None


def _is_commit(value: Any) -> bool:
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None


def _read() -> Mapping[str, str]:
    if not LOCK.exists():
        return {}
    try:
        kept = json.loads(LOCK.read_bytes())
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(map(_is_commit, kept.values())):
        raise DatasetError(LOCK, "does not hold data sets' ids with whole commit hashes", "mend or delete it")
    return kept
