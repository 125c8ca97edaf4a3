"""Errors of the environment that are the user's to mend."""

from __future__ import annotations

import difflib
from collections.abc import Collection


class ConfigError(ValueError):
    """A configuration key or value that cannot be used; the message names it and what would be right."""


class TaskIndexError(ConfigError, IndexError):
    """An index at which the task source has no task."""


def nearest(key: str, valid: Collection[str]) -> str:
    """A sentence that offers the valid key most like `key`, or lists all of them."""
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(sorted(valid))}"
