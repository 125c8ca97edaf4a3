"""What happened in an episode, counted from its trajectory."""

from __future__ import annotations

import re

from agents.metrics import tools_used
from agents.trajectory import Trajectory, Turn
from benchmarks.protocol.plan import Draw
from benchmarks.protocol.presets import TOOLS
from benchmarks.result import Result
from benchmarks.scoring.verdict import Verdict
from deepeyes_env.placeholder import is_placeholder
from deepeyes_env.protocol import RunCode, parse_turn

SEARCHES = ("search", "image_search")
"""The actions that may find nothing."""

_FOUND_NOTHING = re.compile(
    r"\A<tool_response>\nA Google (?:image )?search for .* found 0 results:", re.DOTALL
)
"""How a search without hits is shown (`deepeyes_env.protocol.render_result`)."""


def result_of(draw: Draw, episode: Trajectory, number: int, verdict: Verdict) -> Result:
    """The result of a draw.

    Args:
        draw: What was asked.
        episode: What came of it.
        number: The episode's number in the run's store.
        verdict: What it is worth.
    """
    item = draw.shown.item
    # Where code is off its calls are refused: no cell has run that could fail or do nothing.
    cells = [turn for turn in episode.turns if turn.action == "code" and "code" in TOOLS[draw.mode]]
    return Result(
        suite=draw.suite,
        item=item.task.id,
        cluster=item.cluster,
        category=item.category,
        skills=tuple(sorted(str(skill) for skill in item.task.skills)),
        mode=draw.mode,
        seed=draw.seed,
        sample=draw.sample,
        draw=draw.draw,
        outcome=str(episode.outcome),
        answer=episode.answer,
        correct=verdict.correct,
        official=verdict.official,
        rule=verdict.rule,
        judge_failed=verdict.judge_failed,
        judged=verdict.judged,
        unanswerable=item.unanswerable,
        refused=verdict.refused,
        twin=item.twin,
        turns=len(episode.turns),
        calls=dict(sorted(tools_used(episode).items())),
        code_errors=sum(turn.tool_ok is False for turn in cells),
        placeholders=sum(map(_holds_nothing, cells)),
        search_misses=sum(map(_missed, episode.turns)),
        prompt_tokens=int((~episode.loss_mask).sum()),
        sampled_tokens=int(episode.loss_mask.sum()),
        images=len(episode.images),
        trajectory=number,
        option_order=dict(draw.shown.order),
    )


def _holds_nothing(turn: Turn) -> bool:
    action = parse_turn(turn.text)
    return isinstance(action, RunCode) and is_placeholder(action.code)


def _missed(turn: Turn) -> bool:
    return turn.action in SEARCHES and _FOUND_NOTHING.match(turn.observation) is not None
