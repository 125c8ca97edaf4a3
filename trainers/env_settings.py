"""What of an environment's settings decides its episodes.

The rest says where a service is, how long it is waited for and how much it can take: whoever moves a server,
or gives it more time, goes on with the same episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deepeyes_env.config import EnvConfig

SERVICES = ("judge", "sandbox_backend", "search")
"""The settings of services."""

ADDRESSES = {"url", "base_url", "token_variable", "api_key_variable", "key_variable", "certificates"}
"""Where a service is, and where its key is found."""

PATIENCE = {
    "timeout_seconds",
    "patience_seconds",
    "retry_seconds",
    "session_seconds",
    "request_seconds",
    "attempts",
    "retry",
    "max_miss_rate",
    "misses_after",
}
"""How long, or how often, a service is asked before the infrastructure counts as failed."""

CAPACITY = {
    "ahead",
    "max_sessions",
    "memory_share",
    "max_reply_bytes",
    "rate",
    "budget",
    "dollars_per_credit",
    "dollars_per_search",
}
"""How much a service can take, and what it costs."""


def deciding(config: EnvConfig) -> dict[str, Any]:
    """The settings that decide what happens in an episode, by name."""
    settings = asdict(config)
    return settings | {name: _deciding(settings[name]) for name in SERVICES}


def _deciding(value: Any) -> Any:
    if isinstance(value, Mapping):
        free = ADDRESSES | PATIENCE | CAPACITY
        return {key: _deciding(inner) for key, inner in value.items() if key not in free}
    return [_deciding(inner) for inner in value] if isinstance(value, list | tuple) else value
