"""Fetching what search results point to: guarded addresses, capped bytes and time."""

from __future__ import annotations

from deepeyes_env.errors import ConfigError

try:
    import httpcore  # noqa: F401
except ImportError as error:
    raise ConfigError("fetching needs httpcore: pip install 'deepeyes-gym[web]'") from error

from deepeyes_env.search.fetch.error import FetchError, FetchFault
from deepeyes_env.search.fetch.fetcher import Fetched, Fetcher, FetchLimits

__all__ = ["FetchError", "FetchFault", "FetchLimits", "Fetched", "Fetcher"]
