"""Public benchmarks as task sources: one readable file each, all of them a `suite.Suite`.

items = open_suite("vstar", path="data/VStarBench.tsv")
env = DeepEyesEnv(config, tasks=items, split="test")
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from deepeyes_env.errors import ConfigError, nearest

if TYPE_CHECKING:
    from benchmarks.suites.items import SuiteItems
    from benchmarks.suites.suite import Suite

SUITES: dict[str, str] = {}
"""Name on the command line -> module and, after the colon, the suite in it."""


def suite(name: str) -> Suite:
    """The suite of a name; its module is imported only now.

    Raises:
        ConfigError: There is none.
    """
    if name not in SUITES:
        raise ConfigError(f"suite = {name!r}: {nearest(name, SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    found: Suite = getattr(import_module(f"benchmarks.suites.{module}"), attribute)
    return found


def open_suite(name: str, path: str | Path | None = None, revision: str | None = None) -> SuiteItems:
    """A suite with its rows, from the hub or from a copy.

    Args:
        name: Its name in `SUITES`.
        path: A copy on this machine (`benchmarks.suites.copies`).
        revision: A commit of the hub in place of the pinned one.

    Raises:
        ConfigError: There is no such suite, or a library is missing.
        DatasetError: Its rows cannot be opened.
    """
    from benchmarks.suites.copies import open_copy
    from benchmarks.suites.items import SuiteItems

    known = suite(name)
    return SuiteItems(known, open_copy(known, path, revision))
