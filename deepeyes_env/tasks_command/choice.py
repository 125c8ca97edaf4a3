"""Which families of which world a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from deepeyes_env.tasks import RealWorldConfig, WorldConfig, open_source
from deepeyes_env.tasks.worlds import FICTIONAL, REAL
from deepeyes_env.tasks.worlds.knobs import DEFAULT_DIFFICULTY
from deepeyes_env.tasks.worlds.source import GeneratedSource


@dataclass(frozen=True, kw_only=True)
class WorldArgs:
    """The options that the parts share.

    Attributes:
        world: Whose families: the invented world's, or the real one's (needs the extra `real`).
        seed: Names the world.
        families: Names of task families of either world; default: all of `world`.
        difficulty: Where the families' knobs stand, from 0 (easy) to 1 (hard).
    """

    world: Literal["fictional", "real"] = "fictional"
    seed: int = 0
    families: tuple[str, ...] = ()
    difficulty: float = DEFAULT_DIFFICULTY

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the chosen families."""
        return self.families or tuple(FICTIONAL if self.world == "fictional" else REAL)

    def config(self, name: str, *, twins: bool = False) -> WorldConfig | RealWorldConfig:
        """The source of one family's tasks."""
        return world_config(name, seed=self.seed, difficulty=self.difficulty, twins=twins)

    def source(self, name: str, *, twins: bool = False) -> GeneratedSource[Any]:
        """The tasks of one family.

        Raises:
            ConfigError: There is no such family.
        """
        return open_world(self.config(name, twins=twins))


def world_config(
    name: str, *, seed: int = 0, difficulty: float = DEFAULT_DIFFICULTY, twins: bool = False
) -> WorldConfig | RealWorldConfig:
    """The configuration of one family's tasks, in the world that the family belongs to."""
    kind = RealWorldConfig if name in REAL else WorldConfig
    return kind(seed=seed, families=(name,), difficulty=difficulty, twins=twins)


def open_world(config: WorldConfig | RealWorldConfig) -> GeneratedSource[Any]:
    """The source that a world's configuration describes.

    Raises:
        ConfigError: There is no such family.
    """
    source = open_source(config)
    assert isinstance(source, GeneratedSource)
    return source
