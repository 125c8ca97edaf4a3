"""Public benchmarks as task sources: one readable file each, all of them a `suite.Suite`.

    items = open_suite("vstar", path="data/VStarBench.tsv")
    env = DeepEyesEnv(config, tasks=items, split="test")

A suite is data and three functions; `copies` opens its rows, `items` are its items by index.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from deepeyes_env.errors import ConfigError, nearest

if TYPE_CHECKING:
    from benchmarks.suites.items import SuiteItems
    from benchmarks.suites.suite import Suite
    from benchmarks.suites.worldbench import WorldBenchItems

SUITES: dict[str, str] = {
    "worldbench": "worldbench:WORLDBENCH",
    "worldbench-small": "worldbench:WORLDBENCH_SMALL",
    "realx": "realx:SUITE",
    "vstar": "vstar:SUITE",
    "hrbench-4k": "hrbench:HRBENCH_4K",
    "hrbench-8k": "hrbench:HRBENCH_8K",
    "treebench": "treebench:SUITE",
    "mme-realworld-lite": "mme_realworld_lite:SUITE",
    "ocrbench": "ocrbench:SUITE",
    "seedbench2-plus": "seedbench2_plus:SUITE",
    "charxiv-descriptive": "charxiv:DESCRIPTIVE",
    "charxiv-reasoning": "charxiv:REASONING",
    "chartqa": "chartqa:SUITE",
    "tirbench": "tirbench:SUITE",
    "visualprobe-easy": "visualprobe:EASY",
    "visualprobe-medium": "visualprobe:MEDIUM",
    "visualprobe-hard": "visualprobe:HARD",
    "hr-mmsearch": "hr_mmsearch:SUITE",
    "mathvista": "mathvista:SUITE",
    "mathverse": "mathverse:SUITE",
    "mathvision": "mathvision:SUITE",
    "wemath": "wemath:SUITE",
    "dynamath": "dynamath:SUITE",
    "logicvista": "logicvista:SUITE",
    "fvqa": "fvqa:SUITE",
    "infoseek": "infoseek:SUITE",
    "mmsearch": "mmsearch:SUITE",
    "simplevqa": "simplevqa:SUITE",
}
"""Name on the command line -> module and, after the colon, the suite in it."""


def find_suite(name: str) -> Suite:
    """The suite of a name; its module is imported only now.

    Raises:
        ConfigError: There is none.
    """
    if name not in SUITES:
        raise ConfigError(f"suite = {name!r}: {nearest(name, SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    found: Suite = getattr(import_module(f"benchmarks.suites.{module}"), attribute)
    return found


def open_suite(
    name: str, path: str | Path | None = None, revision: str | None = None
) -> SuiteItems | WorldBenchItems:
    """A suite with its rows, from the hub or from a copy, or drawn here.

    Args:
        name: Its name in `SUITES`.
        path: A copy on this machine (`benchmarks.suites.copies`).
        revision: A commit of the hub in place of the pinned one.

    Raises:
        ConfigError: There is no such suite, a library is missing, or a copy of what is drawn here was given.
        DatasetError: Its rows cannot be opened.
    """
    if SUITES.get(name, "").startswith("worldbench:"):
        from benchmarks.suites.worldbench import open_worldbench

        if path is not None:
            raise ConfigError(f"copy = {name!r}: it is drawn here; leave the copy out")
        return open_worldbench(name)
    from benchmarks.suites.copies import open_copy
    from benchmarks.suites.items import SuiteItems

    known = find_suite(name)
    return SuiteItems(known, open_copy(known, path, revision))
