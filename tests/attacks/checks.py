"""Runs the checks of `lifecycle.py` or `isolation.py` at a level. For a child process."""

from __future__ import annotations

import importlib
import json
import sys
import traceback

import lifecycle

from deepeyes_env.sandbox import SandboxUnavailableError
from deepeyes_env.sandbox.local.guest.layers import Level


def main(task: dict) -> None:
    """Do what the parent asks (`test_host.py`)."""
    try:
        with lifecycle.opened(Level(task["level"])) as sandbox:
            sandbox.open([])
    except SandboxUnavailableError as error:
        print(json.dumps({"unavailable": str(error)}))
        return
    problems = {}
    checks = importlib.import_module(task["module"]).CHECKS
    for check in checks:
        try:
            check(Level(task["level"]))
        except Exception:
            problems[check.__name__] = traceback.format_exc()
    print(json.dumps({"held": [check.__name__ for check in checks], "problems": problems}))
    sys.stdout.flush()
