"""A trajectory as one row of the list: what it is found, filtered, sorted and counted by."""

from __future__ import annotations

from typing import TypedDict

from agents.metrics import tools_used
from agents.trajectory import Trajectory
from deepeyes_env.outcome import Outcome

CLIPPED = 400
"""Characters kept of each text of a row: a line of the list shows about 60, the search box looks in all."""


class Row(TypedDict):
    """What the page holds of every trajectory from the start.

    Attributes:
        number: Its place in the run, from 0.
        task_id: The task's name.
        family: The task's family.
        skills: What the task needs.
        question: Its beginning.
        reference: Its beginning.
        answer: Its beginning, or None.
        outcome: How the episode ended.
        verdict: `right`, `wrong`, or `unscored` after an infrastructure failure.
        accuracy: Reward for the answer.
        format: Reward for the form.
        total: The reward.
        tools: Tool kind -> calls.
        code_runs: Code cells that ran.
        code_errors: Those of them that raised, timed out or crashed.
        turns: Turns of the policy.
        sampled: Tokens that the policy sampled.
        tokens: All tokens.
        seed: Seed of the run; with `step`, `prompt` and `task_id` it names the group.
        step: Training step.
        prompt: Place of the task in its step.
        sample: Place of the trajectory in its group.
    """

    number: int
    task_id: str
    family: str
    skills: list[str]
    question: str
    reference: str
    answer: str | None
    outcome: str
    verdict: str
    accuracy: float
    format: float
    total: float
    tools: dict[str, int]
    code_runs: int
    code_errors: int
    turns: int
    sampled: int
    tokens: int
    seed: int
    step: int
    prompt: int
    sample: int


def row(number: int, one: Trajectory) -> Row:
    """Sum up a trajectory.

    Args:
        number: Its place in the run.
        one: The trajectory; its images' bytes are not looked at.
    """
    ran = [turn.tool_ok for turn in one.turns if turn.action == "code" and turn.tool_ok is not None]
    return {
        "number": number,
        "task_id": one.task_id,
        "family": one.family,
        "skills": list(one.skills),
        "question": one.question[:CLIPPED],
        "reference": one.reference[:CLIPPED],
        "answer": None if one.answer is None else one.answer[:CLIPPED],
        "outcome": str(one.outcome),
        "verdict": _verdict(one),
        "accuracy": one.reward.accuracy,
        "format": one.reward.format,
        "total": one.reward.total,
        "tools": dict(tools_used(one)),
        "code_runs": len(ran),
        "code_errors": ran.count(False),
        "turns": len(one.turns),
        "sampled": int(one.loss_mask.sum()),
        "tokens": len(one.input_ids),
        "seed": one.lineage.run_seed,
        "step": one.lineage.step,
        "prompt": one.lineage.prompt,
        "sample": one.lineage.sample,
    }


def _verdict(one: Trajectory) -> str:
    if one.outcome is Outcome.INFRA_FAILED:
        return "unscored"
    return "right" if one.reward.accuracy >= 1.0 else "wrong"
