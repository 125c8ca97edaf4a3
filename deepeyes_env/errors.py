"""Errors of the environment that are the user's to mend."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Portable(Exception):
    """An error with fields: it comes out of another process as it was, whatever its `__init__` takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which would call the class with the message alone."""
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[Portable], said: tuple[Any, ...]) -> Portable:
    return kind.__new__(kind, *said)


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


MOST_SECONDS = 7 * 24 * 3600.0
"""A week, longer than anything is worth waiting for; sockets can wait for 24 days and no infinite time."""


def require_seconds(key: str, seconds: float, *, may_be_zero: bool = False) -> None:
    """Refuse a time to wait that nothing can wait for.

    Args:
        key: Its name.
        seconds: The value.
        may_be_zero: Whether not to wait at all is a choice as well.

    Raises:
        ConfigError: It cannot be used.
    """
    is_enough = seconds >= 0 if may_be_zero else seconds > 0
    wanted = f"{'at least' if may_be_zero else 'above'} 0 and at most {MOST_SECONDS:.0f}, which is a week"
    require(is_enough and seconds <= MOST_SECONDS, key, seconds, wanted)


def require_folder(key: str, path: Path) -> None:
    """Refuse a folder that cannot be made, or in which nothing can be written; nothing is made yet.

    Args:
        key: Name of the option.
        path: The folder.

    Raises:
        ConfigError: It cannot be used.
    """
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ConfigError(f"{key} = {str(path)!r}: {there} is no folder; choose another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{key} = {str(path)!r}: nothing can be written in {there}; choose another")


def make_folder(key: str, path: Path) -> None:
    """Make a folder, or refuse it.

    Args:
        key: Name of the option.
        path: The folder; it may be there already.

    Raises:
        ConfigError: It cannot be used.
    """
    require_folder(key, path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # root may write everywhere, but not make a folder in /proc
        raise ConfigError(
            f"{key} = {str(path)!r}: cannot be made ({error.strerror}); choose another"
        ) from error


def require_file(key: str, path: Path) -> None:
    """Refuse a file that cannot be written. Its folder is made, the file is left as it is.

    Args:
        key: Name of the option.
        path: The file.

    Raises:
        ConfigError: It cannot be written.
    """
    is_new = not os.path.lexists(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise ConfigError(
            f"{key} = {str(path)!r}: cannot be written ({error.strerror}); choose another"
        ) from error
    if is_new:
        path.unlink()


def nearest(key: str, valid: Collection[str]) -> str:
    """A sentence that offers the valid key most like `key`, or lists all of them."""
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(sorted(valid))}"


def require_url(key: str, url: str) -> None:
    """Refuse an address of a service that is none, or that holds a password.

    Args:
        key: Its name.
        url: The address.

    Raises:
        ConfigError: It cannot be used.
    """
    authority = url.partition("//")[2] or url
    if "@" in authority.partition("/")[0]:  # before anything repeats it
        raise ConfigError(f"{key}: no credentials in it; put the key into an environment variable")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    require(usable, key, url, "an address of http or https")
