"""Search engines on other people's services, for evaluation and for recording; each is one file.

They ask once and say what happened. Retries, rate limits, budgets and recordings are wrappers around any of
them.
"""

from __future__ import annotations

from deepeyes_env.search.live.config import (
    DdgsConfig,
    LiteLLMSearchConfig,
    LiveConfig,
    SerpApiConfig,
    SerperConfig,
    open_live,
)

__all__ = [
    "DdgsConfig",
    "LiteLLMSearchConfig",
    "LiveConfig",
    "SerpApiConfig",
    "SerperConfig",
    "open_live",
]
