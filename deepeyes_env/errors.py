"""Errors of the environment that are the user's to mend."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration key or value that cannot be used; the message names it and what would be right."""


class TaskIndexError(ConfigError, IndexError):
    """An index at which the task source has no task."""


def require(condition: bool, key: str, value: object, wanted: str) -> None:
    """Refuse a value of a configuration.

    Args:
        condition: Whether it can be used.
        key: Its name.
        value: The value.
        wanted: What it must be.

    Raises:
        ConfigError: It cannot be used.
    """
    if not condition:
        raise ConfigError(f"{key} = {value!r}: must be {wanted}")
