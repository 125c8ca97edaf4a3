"""Tasks by name on the command line: families of a generated world, or files of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deepeyes_env.config import EnvConfig, load_config, with_overrides
from deepeyes_env.errors import ConfigError
from deepeyes_env.task import Split
from deepeyes_env.tasks import (
    DeepEyesV2Config,
    JsonlConfig,
    RealWorldConfig,
    SelectionConfig,
    SourceConfig,
    WorldConfig,
)

JSONL, PARQUET, SELECTION = ".jsonl", ".parquet", ".json"


def with_tasks(config: EnvConfig, tasks: Sequence[str], split: Split) -> EnvConfig:
    """The settings with other tasks.

    Args:
        config: The settings.
        tasks: Names of task families of the configured world; or one JSON Lines file; or parquet files of
            DeepEyesV2's RL data; or the JSON file of a selection (`deepeyes_env.tasks.selection`). None of
            them leaves the settings as they are.
        split: The part of the source that files become; a selection has splits of its own.

    Raises:
        ConfigError: Files and families are mixed, a file is missing, or the source has no such family.
    """
    return with_overrides(config, source=_source(config.source, tasks, split)) if tasks else config


def _source(source: SourceConfig, tasks: Sequence[str], split: Split) -> SourceConfig:
    kinds = {Path(name).suffix.lower() for name in tasks}
    if kinds & {JSONL, PARQUET, SELECTION}:
        return _files(tasks, kinds, split)
    if isinstance(source, WorldConfig | RealWorldConfig):
        return replace(source, families=tuple(tasks))
    raise ConfigError(
        f"tasks = {list(tasks)!r}: a {source.kind!r} source has no task families; name a file, or leave out "
        "the source of the --env file"
    )


def _files(tasks: Sequence[str], kinds: set[str], split: Split) -> SourceConfig:
    if len(kinds) > 1 or (kinds != {PARQUET} and len(tasks) > 1):
        raise ConfigError(
            f"tasks = {list(tasks)!r}: name one {JSONL} or {SELECTION} file, or {PARQUET} files, or "
            "families, not a mixture"
        )
    missing = [name for name in tasks if not Path(name).is_file()]
    if missing:
        raise ConfigError(f"tasks = {missing[0]!r}: there is no such file")
    if kinds == {PARQUET}:
        return load_config(DeepEyesV2Config, {split: tuple(tasks)})
    if kinds == {SELECTION}:
        return SelectionConfig(tasks[0])
    return load_config(JsonlConfig, {split: tasks[0]})
