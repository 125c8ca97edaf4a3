"""Reads the tables; whatever a file gets wrong is an error that names the file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

from benchmarks.published.figure import TOOLS, Figure, Protocol, Unit
from deepeyes_env.errors import ConfigError, nearest
from deepeyes_env.tasks.dataset_error import DatasetError

FOLDER = Path(__file__).parent / "tables"

MISSING = "–"
"""Printed where a table has no number."""


@cache
def tables() -> Mapping[str, tuple[Figure, ...]]:
    """All tables by the names of their files, in alphabetical order."""
    return {path.stem: read_table(path) for path in sorted(FOLDER.glob("*.toml"))}


@cache
def known_suites() -> tuple[str, ...]:
    """The suites that any table names, sorted."""
    return tuple(sorted({one.suite for figures in tables().values() for one in figures}))


def published_for(suite: str) -> tuple[Figure, ...]:
    """All figures of a suite, table by table.

    Raises:
        ConfigError: No table names this suite.
    """
    if suite not in known_suites():
        raise ConfigError(f"nothing is published here for suite {suite!r}: {nearest(suite, known_suites())}")
    return tuple(one for figures in tables().values() for one in figures if one.suite == suite)


def read_table(path: Path) -> tuple[Figure, ...]:
    """The numbers of a table, row by row.

    Raises:
        DatasetError: The file is no such table; a row has other columns; a tool or unit is unknown; a note
            is about no number.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        protocol = Protocol(**table["protocol"])
        columns = [_column(path, column) for column in table["columns"]]
        notes = table.get("notes", [])
        figures = tuple(
            _with_note(figure, notes)
            for row in table["rows"]
            for figure in _row(path, table, protocol, columns, row)
        )
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(path, f"no table ({error!r})", "see benchmarks/published/__init__.py") from error
    for note in notes:
        if not any(_about(note, figure) for figure in figures):
            raise DatasetError(path, f"the note {note!r} is about no number", "name model, tools or subset")
    return figures


def _column(path: Path, column: Mapping[str, Any]) -> dict[str, Any]:
    known = {"suite": "", "subset": "", "items": None, "unit": "percent", "tools": None}
    if extra := column.keys() - known.keys():
        raise DatasetError(path, f"a column has {sorted(extra)}", f"give {sorted(known)}")
    return {**known, **column}


def _row(
    path: Path,
    table: Mapping[str, Any],
    protocol: Protocol,
    columns: Sequence[Mapping[str, Any]],
    row: Mapping[str, Any],
) -> Iterator[Figure]:
    values = row["values"]
    if len(values) != len(columns):
        raise DatasetError(path, f"{row['model']} has {len(values)} values", f"give {len(columns)}")
    for column, value in zip(columns, values, strict=True):
        tools = tuple(sorted(row["tools"] if column["tools"] is None else column["tools"]))
        if unknown := set(tools) - set(TOOLS):
            raise DatasetError(path, f"{row['model']} has the tools {sorted(unknown)}", f"use {TOOLS}")
        unit = row.get("unit", column["unit"])
        if unit not in get_args(Unit):
            raise DatasetError(path, f"the unit is {unit!r}", f"use {get_args(Unit)}")
        if value == MISSING:
            continue
        if not isinstance(value, int | float):
            raise DatasetError(path, f"{row['model']} has {value!r}", f"give a number or {MISSING}")
        yield Figure(
            table=path.stem,
            source=table["source"],
            checked=table["checked"],
            protocol=protocol,
            suite=column["suite"],
            subset=column["subset"],
            items=column["items"],
            model=row["model"],
            tools=tools,
            value=float(value),
            unit=unit,
        )


def _about(note: Mapping[str, Any], figure: Figure) -> bool:
    wanted = {key: value for key, value in note.items() if key != "note"}
    if "tools" in wanted:
        wanted["tools"] = tuple(sorted(wanted["tools"]))
    return all(getattr(figure, key) == value for key, value in wanted.items())


def _with_note(figure: Figure, notes: Sequence[Mapping[str, Any]]) -> Figure:
    said = [note["note"] for note in notes if _about(note, figure)]
    return replace(figure, note="; ".join(said))
