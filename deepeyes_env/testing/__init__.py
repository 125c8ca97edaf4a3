"""The public conformance kit: checks and hypothesis strategies for whatever drives or extends an episode.

Third parties use it in their own tests: `check_adapter` for what plays episodes in another framework,
`check_episode` for a new tool or reward on any turns that `turns()` gives, `check_sandbox` and
`check_search_engine` for services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepeyes_env.sandbox.conformance import check_sandbox
from deepeyes_env.search.conformance import check_search_engine
from deepeyes_env.testing.adapter import CHECKS, check_adapter
from deepeyes_env.testing.driver import Driver, Picture, Played, Script, Seen, Tokens, in_threads
from deepeyes_env.testing.episodes import ToolCall, arrays_equal, check_episode, check_observation
from deepeyes_env.testing.list_source import ListSource
from deepeyes_env.testing.scripts import EPISODES, adapter_config, adapter_scripts

if TYPE_CHECKING:
    from deepeyes_env.testing.strategies import (
        CONTROL_TEXTS,
        encoded_images,
        grammatical_turns,
        hostile_texts,
        image_searches,
        pictures,
        questions,
        tool_results,
        turns,
    )

__all__ = [
    "CHECKS",
    "CONTROL_TEXTS",
    "EPISODES",
    "Driver",
    "ListSource",
    "Picture",
    "Played",
    "Script",
    "Seen",
    "Tokens",
    "ToolCall",
    "adapter_config",
    "adapter_scripts",
    "arrays_equal",
    "check_adapter",
    "check_episode",
    "check_observation",
    "check_sandbox",
    "check_search_engine",
    "encoded_images",
    "grammatical_turns",
    "hostile_texts",
    "image_searches",
    "in_threads",
    "pictures",
    "questions",
    "tool_results",
    "turns",
]


def __getattr__(name: str) -> Any:
    # Adapters are checked in virtual environments that have no hypothesis, which only the strategies need.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deepeyes_env.testing import strategies

    return getattr(strategies, name)
