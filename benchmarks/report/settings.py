"""What a report needs to know of a run's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.run_folder import RunCard


def greedy(card: RunCard) -> bool:
    """Whether every temperature among the settings is 0; scripts have none, and always say the same.

    A model that takes no temperature (`sampling = false`) samples as its provider likes.
    """
    told = [(path.split(".")[-1], value) for path, value in leaves(card.settings)]
    return (
        all(value == 0 for name, value in told if name == "temperature") and ("sampling", False) not in told
    )


def judge_model(card: RunCard) -> str | None:
    """Who judged what rules did not decide."""
    return str(card.judge.get("model", "unnamed")) if card.judge else None


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value with the dotted path to it."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{number}")
    else:
        yield path, value
