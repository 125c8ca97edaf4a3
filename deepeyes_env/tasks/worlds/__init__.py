"""Worlds: generated questions with exact answers, and the pages in which search finds the facts."""

from __future__ import annotations

import difflib
from importlib import import_module

from deepeyes_env.errors import ConfigError
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds.family import Family, Oracle

FAMILY_MODULES: dict[str, str] = {
    "closer-look": "cards:CLOSER_LOOK",
    "at-a-glance": "cards:AT_A_GLANCE",
    "house-number": "house_number:HOUSE_NUMBER",
    "count-shapes": "count_shapes:COUNT_SHAPES",
    "bar-chart": "bar_chart:BAR_CHART",
    "map-route": "map_route:MAP_ROUTE",
    "emblem-fact": "emblem_fact:EMBLEM_FACT",
    "founder-trail": "founder_trail:FOUNDER_TRAIL",
    "market-stalls": "market_stalls:MARKET_STALLS",
    "enamel-plate": "enamel_plate:ENAMEL_PLATE",
}
"""Family name -> `module:attribute` below `deepeyes_env.tasks.worlds`. The order is the order of turns."""


def family(name: str) -> Family:
    """The family called `name`.

    Raises:
        ConfigError: There is no such family; the message offers the nearest one.
    """
    if name not in FAMILY_MODULES:
        near = difflib.get_close_matches(name, FAMILY_MODULES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known families: {', '.join(FAMILY_MODULES)}"
        raise ConfigError(f"unknown task family {name!r}; {hint}")
    module, _, attribute = FAMILY_MODULES[name].partition(":")
    found: Family = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found


def oracle_for(task: Task) -> Oracle:
    """The scripted policy that solves `task`.

    Raises:
        ConfigError: The task's family is not a world's family.
    """
    return family(task.family).oracle(task)
