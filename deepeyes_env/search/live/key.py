"""Keys come from the environment, under a name that the configuration gives; they are in no configuration."""

from __future__ import annotations

import os

from deepeyes_env.errors import ConfigError


def key_from(variable: str) -> str:
    """Read a key.

    Raises:
        ConfigError: The variable is not set, or holds what no header can carry.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"there is no key: set the environment variable {variable}")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"the key in {variable} holds characters that no key has; copy it anew")
    return key
