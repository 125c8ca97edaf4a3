"""A name for the tasks of a source, which changes when they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agents.convert.json_files import read_lines
from deepeyes_env.task import Split
from deepeyes_env.tasks import DeepEyesV2Config, JsonlConfig, SelectionConfig, SourceConfig
from deepeyes_env.tasks.selection import read_selection
from trainers.curation.keys import files_digest


def source_name(config: SourceConfig, split: Split) -> Mapping[str, Any]:
    """What a source holds: of files their contents, of generated worlds the settings."""
    if isinstance(config, JsonlConfig):
        path = getattr(config, split)
        return {"kind": config.kind, "files": files_digest(_jsonl_files(path))}
    if isinstance(config, DeepEyesV2Config):
        return {"kind": config.kind, "files": files_digest(map(Path, getattr(config, split)))}
    if isinstance(config, SelectionConfig):
        chosen = read_selection(config.file)
        return {"kind": config.kind, "file": asdict(chosen) | {"source": source_name(chosen.source, split)}}
    return asdict(config)


def _jsonl_files(path: str | None) -> Iterator[Path]:
    """The file and every picture that it names."""
    if path is None:
        return
    yield (file := Path(path))
    for _, record in read_lines(file):
        named = (record.get("images") or record.get("image")) if isinstance(record, Mapping) else None
        for name in named if isinstance(named, list) else [named]:
            if isinstance(name, str) and (picture := file.parent / name).is_file():
                yield picture
