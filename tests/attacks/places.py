"""Runs attacks in a child process, as some user at some level, so that one that succeeds reaches nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Collection
from pathlib import Path

import other_users
import pytest
from attack import ORDINARY, PLACES, ROOT, Place

HERE = str(Path(__file__).resolve().parent)
SECONDS = 200
NO_USER = "only root can become another user"


def here() -> list[Place]:
    """The places that the user of the tests can go to: root to all, another one to his own."""
    return [place for place in PLACES if os.geteuid() == 0 or place[1] == ORDINARY]


def ask(place: Place, function: str, task: object, *, user: str = "", refuse: str = "") -> dict[str, object]:
    """Run `function(task)` of a module beside this one in a child, and give the JSON that it prints last.

    Args:
        place: The user; the level is part of the task.
        function: `module:name`.
        task: What to do, as JSON.
        user: A key of `other_users.USERS` instead of the place's own.
        refuse: What the kernel shall refuse, such as `other_users.DOCKER`.
    """
    module, name = function.split(":")
    script = (
        f"{refuse}\nimport json, os, sys\nos.environ['OMP_NUM_THREADS'] = '1'\n"
        f"sys.path.insert(0, {HERE!r})\nimport {module}\n{module}.{name}(json.loads({json.dumps(task)!r}))"
    )
    if os.geteuid() == 0:
        command = other_users.command(user or ("root" if place[1] == ROOT else "nobody"), script)
    elif user not in ("", "nobody"):
        pytest.skip(NO_USER)
    else:
        command = [sys.executable, "-B", "-c", other_users._REFUSE.format(path=other_users.PATH) + script]
    child = subprocess.Popen(
        command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = child.communicate(timeout=SECONDS)
    finally:
        child.kill()
        child.wait()
    lines = output.splitlines()
    assert child.returncode == 0, f"{output}\n{errors}"
    assert lines, errors
    answer = json.loads(lines[-1])
    assert isinstance(answer, dict)
    if "unavailable" in answer:
        pytest.skip(f"this machine does not have the level {place[0]}: {answer['unavailable']}")
    return answer


def let(
    must: str,
    attacks: Collection[str],
    place: Place,
    standing: Collection[str] | None,
    *,
    user: str = "",
    refuse: str = "",
) -> None:
    """Let attacks happen, and fail the test if one of them does not end as it must.

    Args:
        must: "fail" or "succeed".
        attacks: Their names.
        place: Where.
        standing: The layers that stand, None for all.
        user: See `ask`.
        refuse: See `ask`.
    """
    task = {
        "must": must,
        "attacks": sorted(attacks),
        "level": place[0].value,
        "ahead": 1 if refuse else 0,
        "standing": None if standing is None else sorted(standing),
    }
    answer = ask(place, "trial:main", task, user=user, refuse=refuse)
    problems = answer["problems"]
    assert isinstance(problems, dict)
    if problems:
        told = "\n".join(f"{name!r} did not {must}: {text}" for name, text in problems.items())
        pytest.fail(told, pytrace=False)
    if answer["impossible"]:
        warnings.warn(f"no control for what this machine does not have: {answer['impossible']}", stacklevel=2)
    assert sorted(answer["tried"]) == sorted(attacks)  # type: ignore[call-overload]


def identity(place: Place) -> str:
    """The place's name in a test's."""
    return f"{'root' if place[1] == ROOT else 'user'}-{place[0].value}"
