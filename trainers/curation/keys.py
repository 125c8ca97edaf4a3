"""Content addresses: a key that names a result by everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
"""Version of what the stages store; another one is another address."""

KEY_CHARS = 16
"""Hexadecimal characters of a key: 64 bits."""


def stage_key(name: str, settings: Any, inputs: Sequence[str] = ()) -> str:
    """The key of a stage's result.

    Args:
        name: The stage's name.
        settings: What else decides the result: dataclasses, mappings, sequences and plain values.
        inputs: Names by content of what it is made from, in order.
    """
    content = {"format": FORMAT, "stage": name, "settings": settings, "inputs": list(inputs)}
    return hashlib.sha256(canonical(content)).hexdigest()[:KEY_CHARS]


def content_ref(name: str, content: Any) -> str:
    """The name of a value by its content."""
    return f"{name}-{hashlib.sha256(canonical(content)).hexdigest()[:KEY_CHARS]}"


def canonical(value: Any) -> bytes:
    """One form for equal values, whatever the order of their mappings and sets."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def plain(value: Any) -> Any:
    """The value in what JSON knows.

    Raises:
        TypeError: There is something in it that has no lasting form.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Path():
            return str(value)
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case set() | frozenset():
            return sorted((plain(inner) for inner in value), key=canonical)
        case list() | tuple() | range():
            return [plain(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} has no lasting form")


def files_digest(paths: Iterable[Path]) -> str:
    """One hash of many files' contents, in the order given; their names do not count."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def checkpoint_digest(name: str) -> str | None:
    """Hash of a checkpoint on this machine, whose directory may hold other weights tomorrow.

    Returns:
        None where the name is none of a directory with files: a hub id, or a model's name at a server.
    """
    files = sorted(path for path in Path(name).glob("*") if path.is_file())
    return files_digest(files) if files else None


def rank(seed: int, name: str) -> bytes:
    """A place in a random order that depends on nothing but the seed and the name."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
