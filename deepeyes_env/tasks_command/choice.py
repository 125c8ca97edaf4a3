"""Which families of which world a command is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from deepeyes_env.tasks import WorldConfig, open_source
from deepeyes_env.tasks.worlds import FICTIONAL
from deepeyes_env.tasks.worlds.knobs import DEFAULT_DIFFICULTY
from deepeyes_env.tasks.worlds.source import GeneratedSource


@dataclass(frozen=True, kw_only=True)
class WorldArgs:
    """The options that the parts share.

    Attributes:
        seed: Names the world.
        families: Names of task families; default: all.
        difficulty: Where the families' knobs stand, from 0 (easy) to 1 (hard).
    """

    seed: int = 0
    families: tuple[str, ...] = ()
    difficulty: float = DEFAULT_DIFFICULTY

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the chosen families."""
        return self.families or tuple(FICTIONAL)

    def config(self, name: str, *, twins: bool = False) -> WorldConfig:
        """The source of one family's tasks."""
        return WorldConfig(seed=self.seed, families=(name,), difficulty=self.difficulty, twins=twins)

    def source(self, name: str, *, twins: bool = False) -> GeneratedSource[Any]:
        """The tasks of one family.

        Raises:
            ConfigError: There is no such family.
        """
        source = open_source(replace(self.config(name), twins=twins))
        assert isinstance(source, GeneratedSource)
        return source
