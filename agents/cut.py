"""A trajectory that is too long, cut where a turn ends: its last turns go, with what they saw."""

from __future__ import annotations

from dataclasses import replace

from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome


def cut_at_turn(trajectory: Trajectory, max_tokens: int) -> Trajectory | None:
    """The longest beginning that ends with a whole turn and fits; images are never cut in two.

    What is left is as good a demonstration as before: a turn is imitated given what stands before it.

    Args:
        trajectory: Any sound trajectory.
        max_tokens: Most tokens, images expanded.

    Returns:
        `trajectory` itself where it fits, None where not even the first turn does. What was cut ends without
        an answer and counts as truncated.
    """
    if len(trajectory.input_ids) <= max_tokens:
        return trajectory
    turns = [turn for turn in trajectory.turns if turn.end <= max_tokens]
    if not turns:
        return None
    end = turns[-1].end
    images = sum(span.start < end for span in trajectory.image_spans)
    whole = len(turns) == len(trajectory.turns)
    return replace(
        trajectory,
        answer=trajectory.answer if whole else None,
        outcome=trajectory.outcome if whole else Outcome.TRUNCATED,
        input_ids=trajectory.input_ids[:end],
        loss_mask=trajectory.loss_mask[:end],
        logprobs=trajectory.logprobs[:end],
        images=trajectory.images[:images],
        image_spans=trajectory.image_spans[:images],
        turns=(*turns[:-1], replace(turns[-1], observation="")),
    )
