"""Where questions come from: one frozen configuration per kind of source, and `open_source`.

Every source is a `deepeyes_env.task.TaskSource`: indexable, deterministic, and split into disjoint parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from deepeyes_env.tasks.worlds.knobs import DEFAULT_DIFFICULTY

if TYPE_CHECKING:
    from deepeyes_env.task import TaskSource


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """Generated questions from a world that exists nowhere else.

    Attributes:
        kind: Tag of this source.
        seed: Names the world: its entities, facts, pages and tasks.
        families: Names of the task families to draw from in turn; empty means all of them.
        difficulty: Where the families' knobs stand, from 0 (easy) to 1 (hard).
        knobs: Family -> knob -> setting, for knobs that are to stand elsewhere (`deepeyes tasks list`).
        twins: Whether every task is followed by its counterfactual twin: the same question about pictures in
            which one fact is changed.
    """

    kind: Literal["fictional"] = "fictional"
    seed: int = 0
    families: tuple[str, ...] = ()
    difficulty: float = DEFAULT_DIFFICULTY
    knobs: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    twins: bool = False


@dataclass(frozen=True, slots=True)
class RealWorldConfig:
    """Generated questions about the real world; needs the extra `real` (`deepeyes tasks attribution`).

    Attributes:
        kind: Tag of this source.
        seed: Draws the questions and their splits; the facts are always the same.
        families: As for `WorldConfig`.
        difficulty: As for `WorldConfig`.
        knobs: As for `WorldConfig`.
        twins: As for `WorldConfig`.
    """

    kind: Literal["real"] = "real"
    seed: int = 0
    families: tuple[str, ...] = ()
    difficulty: float = DEFAULT_DIFFICULTY
    knobs: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    twins: bool = False


@dataclass(frozen=True, slots=True)
class DeepEyesV2Config:
    """Parquet files in the schema of the released DeepEyesV2 RL data (reference 4.3).

    Attributes:
        kind: Tag of this source.
        train: Paths of the training files, in order.
        validation: Paths of the validation files, in order.
        test: Paths of the test files, in order.
        image_search_cache: Path of the released image-search cache (JSON), with its pictures beside it
            (`deepeyes_env.search.image_cache`); None leaves the tasks without a search engine.
    """

    kind: Literal["deepeyesv2"] = "deepeyesv2"
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    image_search_cache: str | None = None


@dataclass(frozen=True, slots=True)
class JsonlConfig:
    """Your own questions in JSON Lines (`deepeyes_env.tasks.jsonl` describes a line).

    Attributes:
        kind: Tag of this source.
        train: Path of the training file, or None.
        validation: Path of the validation file, or None.
        test: Path of the test file, or None.
    """

    kind: Literal["jsonl"] = "jsonl"
    train: str | None = None
    validation: str | None = None
    test: str | None = None


@dataclass(frozen=True, slots=True)
class SelectionConfig:
    """Some tasks of another source, as `deepeyes curate` chooses them.

    Attributes:
        kind: Tag of this source.
        file: The JSON file that names source, split and tasks (`deepeyes_env.tasks.selection`).
    """

    file: str
    kind: Literal["selection"] = "selection"


def _with_kind(source: object) -> object:
    return {"kind": WorldConfig().kind} | dict(source) if isinstance(source, Mapping) else source


SourceConfig = Annotated[
    WorldConfig | RealWorldConfig | DeepEyesV2Config | JsonlConfig | SelectionConfig,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
"""The configuration of any task source, told apart by `kind`; without one it is the generated world."""


def open_source(
    config: WorldConfig | RealWorldConfig | DeepEyesV2Config | JsonlConfig | SelectionConfig,
) -> TaskSource:
    """Open the source that `config` describes.

    Args:
        config: One of the source configurations.

    Returns:
        The source; opening is cheap, nothing is generated or decoded before it is asked for.

    Raises:
        ConfigError: The configuration names an unknown family or knob, or a package is missing.
        DatasetError: A file cannot be read or has another schema.
    """
    if isinstance(config, WorldConfig):
        from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld

        return FictionalWorld(
            config.seed, config.families, config.difficulty, config.knobs, twins=config.twins
        )
    if isinstance(config, RealWorldConfig):
        from deepeyes_env.tasks.worlds.real.source import RealWorld

        return RealWorld(config.seed, config.families, config.difficulty, config.knobs, twins=config.twins)
    if isinstance(config, JsonlConfig):
        from deepeyes_env.tasks.jsonl import JsonlSource

        return JsonlSource(config)
    if isinstance(config, SelectionConfig):
        from deepeyes_env.tasks.selection import SelectedTasks

        return SelectedTasks(config)
    from deepeyes_env.tasks.deepeyesv2 import DeepEyesV2Source

    return DeepEyesV2Source(config)
