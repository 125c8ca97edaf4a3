"""Adapters run under the framework that they are for, in an environment of its own where pins conflict."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Plugin:
    """An interpreter that has a framework, and what the documentation says about it."""

    python: Path

    def run(self, *arguments: str | Path, timeout: float = 240, cwd: Path = ROOT, **env: str) -> str:
        """The standard output of a program under the framework's interpreter, which must end well.

        `HF_HUB_OFFLINE` and `CUDA_VISIBLE_DEVICES` are set, so that nothing looks for a network or a GPU.
        """
        offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [self.python, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **offline, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
        return done.stdout


@pytest.fixture(scope="session")
def plugin() -> Callable[[str], Plugin]:
    """The environment of a framework, by the name of its file in scripts/plugins."""

    def find(name: str) -> Plugin:
        folder = Path(os.environ.get("DEEPEYES_PLUGINS", ROOT / ".venv-plugins"))
        python = folder / name / "bin" / "python"
        if not python.exists():
            pytest.skip(f"{name} is not installed in {folder}: make plugins")
        return Plugin(python)

    return find


@pytest.fixture(scope="session")
def documented() -> Callable[[str], str]:
    """The first Python example below a heading of docs/plugins.md."""

    def example(heading: str) -> str:
        page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
        section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
        found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
        assert found, f"no Python example below {heading!r}"
        return found[1]

    return example
