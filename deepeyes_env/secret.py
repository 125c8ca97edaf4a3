"""Keys and tokens come from the environment, under a name; they are in no configuration."""

from __future__ import annotations

import os

from deepeyes_env.errors import ConfigError


def read_secret(variable: str) -> str | None:
    """Read a key or token, if there is one.

    White space around it, as files and shells leave it there, is no part of it.

    Args:
        variable: Name of the environment variable.

    Raises:
        ConfigError: It holds what no header can carry.
    """
    secret = os.environ.get(variable, "").strip()
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigError(f"the key in {variable} holds characters that no key has; copy it anew")
    return secret or None


def require_secret(variable: str) -> str:
    """Read a key that must be there.

    Raises:
        ConfigError: The variable is not set, or holds what no header can carry.
    """
    secret = read_secret(variable)
    if secret is None:
        raise ConfigError(f"there is no key: set the environment variable {variable}")
    return secret
