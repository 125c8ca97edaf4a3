"""Errors of the environment that are the user's to mend."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration key or value that cannot be used; the message names it and what would be right."""


class TaskIndexError(ConfigError, IndexError):
    """An index at which the task source has no task."""
