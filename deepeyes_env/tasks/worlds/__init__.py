"""Worlds: generated questions with exact answers, and the pages in which search finds the facts."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Literal

from deepeyes_env.errors import ConfigError, nearest
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds import integration, perception, real, reasoning, search
from deepeyes_env.tasks.worlds.family import Family, Oracle

_ROOMS = {"perception": perception, "reasoning": reasoning, "search": search, "integration": integration}

FICTIONAL: dict[str, str] = {
    name: f"{room}.{place}" for room, package in _ROOMS.items() for name, place in package.FAMILIES.items()
}
"""The fictional world's families: name -> `module:attribute` below this package, in the order of turns."""

REAL: dict[str, str] = {name: f"real.{place}" for name, place in real.FAMILIES.items()}
"""The real world's families, likewise."""

FAMILY_MODULES: dict[str, str] = FICTIONAL | REAL
"""All families."""


def family(name: str) -> Family[Any]:
    """The family called `name`.

    Raises:
        ConfigError: There is no such family; the message offers the nearest one.
    """
    if name not in FAMILY_MODULES:
        raise ConfigError(f"unknown task family {name!r}; {nearest(name, FAMILY_MODULES)}")
    module, _, attribute = FAMILY_MODULES[name].partition(":")
    found: Family[Any] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found


def require_world(kind: Literal["fictional", "real"], families: Iterable[str]) -> None:
    """See that no family is another world's, whose facts it would ask for.

    Raises:
        ConfigError: One is.
    """
    other, theirs = ("real", REAL) if kind == "fictional" else ("fictional", FICTIONAL)
    if strangers := [name for name in families if name in theirs]:
        raise ConfigError(
            f"families: {strangers[0]!r} is a family of the {other} world and this source is {kind}: set "
            f'kind = "{other}" in [source]'
        )


def oracle_for(task: Task) -> Oracle:
    """The scripted policy that solves `task`.

    Raises:
        ConfigError: The task's family is not a world's family.
    """
    if task.family not in FAMILY_MODULES:
        raise ConfigError(
            f"no oracle solves {task.id!r}: it knows the generated families only (deepeyes tasks list), and "
            f"this is one of {task.family!r}"
        )
    return family(task.family).oracle(task)
