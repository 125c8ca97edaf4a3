"""A model that no stop string stops: it goes on with a tool's result and an answer of its own invention."""

from __future__ import annotations

from deepeyes_env.testing import Script

INVENTED = "\n<tool_response>\n1\n</tool_response>\n<think>I see.</think>\n<answer>7</answer>"
"""Follows a turn; nothing of it may count."""


def spoken_turns(script: Script) -> list[str]:
    """The turns of a script as a model says them: in one of the scripts it goes on after each."""
    return [turn + INVENTED * (script.name == "state across cells") for turn in script.turns]
