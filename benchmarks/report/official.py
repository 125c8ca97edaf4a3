"""The suites' own figures (strict, loose, ...), which `deepeyes eval` computes: it has the items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.convert.json_files import read_json
from benchmarks.run_folder import OFFICIAL

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]


def read_official(run: Path) -> Figures:
    """The figures of a run; empty where none were written, as of one that was interrupted.

    Raises:
        DatasetError: The file is no JSON.
    """
    path = run / OFFICIAL
    found: Figures = read_json(path) if path.exists() else {}
    return found
