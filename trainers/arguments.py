"""A command's options: a TOML file (`--config`), with flags on top."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import tyro

from deepeyes_env.config import ConfigError, load_config

T = TypeVar("T")


def parse_options(cls: type[T], argv: Sequence[str], command: str) -> T:
    """Read the options of `deepeyes COMMAND`.

    Args:
        cls: A frozen dataclass; its docstring and fields become the help.
        argv: Arguments. `--config FILE` names a TOML file with any of the options; other flags win over it.
        command: The command's name.

    Returns:
        The options.

    Raises:
        ConfigError: The file has an unknown key or a bad value, or cannot be read.
        SystemExit: The flags are wrong, or help was asked for.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    known, flags = first.parse_known_args(list(argv))
    return tyro.cli(
        cls,
        args=flags,
        prog=f"deepeyes {command}",
        default=_defaults(cls, known.config),
        description=f"{str(cls.__doc__).splitlines()[0]} --config FILE takes any option from a TOML file.",
        config=(tyro.conf.AvoidSubcommands,),
    )


def _defaults(cls: type[Any], path: Path | None) -> Any:
    """The options as the file has them; those that it must have and has not are left to the flags."""
    values = {} if path is None else _read(path)
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    left = {name: "" for name in needed if name not in values}
    loaded = load_config(cls, left | values)
    return replace(loaded, **dict.fromkeys(left, tyro.MISSING))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the configuration {str(path)!r}: {error}") from error
