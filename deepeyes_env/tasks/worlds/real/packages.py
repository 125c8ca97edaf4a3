"""The packages that hold the facts, imported when a fact is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from deepeyes_env.errors import ConfigError


def package(name: str) -> Any:
    """The module called `name`.

    Raises:
        ConfigError: The package is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"the real world needs the package {name.partition('.')[0]!r} ({error}); "
            "install it: pip install 'deepeyes-gym[real]'"
        ) from error
