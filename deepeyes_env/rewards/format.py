"""The format reward: does every turn of the policy keep the grammar? Tool text is never looked at."""

from __future__ import annotations

import re

from deepeyes_env.episode import EpisodeResult
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import Action, InvalidCall, Malformed, body_start, parse_turn

_TAG = re.compile(r"<(/?)(code|tool_call|answer)>")


def format_score(result: EpisodeResult, *, think_required: bool) -> float:
    """1.0 if the episode was answered and each of its turns keeps the format, else 0.0 (reference 3).

    Unlike upstream, tags are counted per turn and in the policy's own text only, so tool output can neither
    break nor mend the format.

    Args:
        result: The finished episode.
        think_required: Whether each turn must open with its reasoning.
    """
    if result.outcome is not Outcome.ANSWERED:
        return 0.0
    pairs = zip(result.turns, result.actions, strict=True)
    return float(all(well_formed(turn, action, think_required=think_required) for turn, action in pairs))


def well_formed(turn: str, action: Action | None = None, *, think_required: bool) -> bool:
    """Whether a turn is `<think>...</think>` and then exactly one complete, valid block.

    Args:
        turn: The policy's whole turn, a pre-filled `<think>` included.
        action: What the episode took it for, which the configuration has a say in; None parses it.
        think_required: Whether the reasoning may not be missing.
    """
    return (
        _reasoning_is_balanced(turn, think_required)
        and _has_one_block(turn)
        and not isinstance(action or parse_turn(turn), InvalidCall | Malformed)
    )


def _reasoning_is_balanced(turn: str, required: bool) -> bool:
    opened, closed = turn.count("<think>"), turn.count("</think>")
    if not opened and not closed:
        return not required
    return opened == closed == 1 and turn.lstrip().startswith("<think>")


def _has_one_block(turn: str) -> bool:
    """Whether two tags follow the reasoning: one that opens a block and, later, the one that closes it."""
    tags = _TAG.findall(turn, body_start(turn))
    return len(tags) == 2 and tags[0] == ("", tags[1][1]) and tags[1][0] == "/"
