"""The fictional world as a task source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds import FICTIONAL, require_world
from deepeyes_env.tasks.worlds.fictional.world import World, make_world, name_of
from deepeyes_env.tasks.worlds.knobs import DEFAULT_DIFFICULTY, Knobs
from deepeyes_env.tasks.worlds.source import GeneratedSource

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine


class FictionalWorld(GeneratedSource[World]):
    """Tasks about a world that exists nowhere else."""

    def __init__(
        self,
        seed: int = 0,
        families: tuple[str, ...] = (),
        difficulty: float = DEFAULT_DIFFICULTY,
        knobs: Mapping[str, Knobs] | None = None,
        *,
        twins: bool = False,
    ) -> None:
        """Choose a world.

        Args:
            seed: Names the world.
            families: Family names; empty means all.
            difficulty: Where every knob stands, from 0 (easy) to 1 (hard).
            knobs: Family -> knob -> setting, for knobs that are to stand elsewhere.
            twins: Whether every task is followed by its counterfactual twin.

        Raises:
            ConfigError: A family or a knob is unknown or the real world's, or a setting is out of range.
        """
        require_world("fictional", families)
        self.seed = seed
        super().__init__(
            name_of(seed),
            partial(make_world, seed),
            partial(_engine, seed),
            families or tuple(FICTIONAL),
            dealt=lambda world: world.splits,
            difficulty=difficulty,
            chosen=knobs,
            twins=twins,
        )


@lru_cache(maxsize=4)
def _engine(seed: int) -> SearchEngine:
    from deepeyes_env.search.local.engine import LocalSearchEngine
    from deepeyes_env.tasks.worlds.fictional.encyclopaedia import write_pages

    return LocalSearchEngine(partial(write_pages, seed), name_of(seed))
