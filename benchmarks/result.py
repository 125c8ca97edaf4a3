"""What came of asking one item once: everything that scores, statistics and reports are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Mode = Literal["all", "code", "search", "off"]
"""Which tools answered: all of them, only code, only the two searches, none."""

MODES: tuple[Mode, ...] = ("all", "code", "search", "off")


@dataclass(frozen=True, slots=True)
class Result:
    """One draw: an item asked once in one mode with one seed.

    Attributes:
        suite: Name of the suite.
        item: Id of the item (`Item.task.id`).
        cluster: Of the item.
        category: Of the item.
        skills: What the item needs, sorted.
        mode: Which tools answered.
        seed: Seed of the run.
        sample: Number of the asking with this seed, from 0; a greedy run in one order of options has one.
        draw: Number of the draw that it belongs to, from 0: all orders of an item's options together are one.
        outcome: How the episode ended (`deepeyes_env.outcome.Outcome`).
        answer: The final answer or None.
        correct: Our verdict; None where there is none, for the infrastructure or the judge failed: never 0.
        official: The suite's own metric in [0, 1]; None as for `correct`.
        rule: What decided (`deepeyes_env.rewards.accuracy.Grade.rule`), or `unscored`.
        judge_failed: Whether a judge was asked, alone or beside the rules, and gave no verdict.
        judged: The judge's verdict where it was asked beside the rules, for their agreement; else None.
        unanswerable: Whether the right answer was that the question cannot be answered.
        refused: Whether the policy said so.
        twin: Id of the item of which this is the counterfactual twin, or None.
        turns: Turns of the policy.
        calls: Tool calls by kind (`code`, `search`, `image_search`), those to tools that were off among them.
        code_errors: Cells that ended in an error.
        placeholders: Cells that did nothing (`deepeyes_env.placeholder`).
        search_misses: Searches that found nothing.
        prompt_tokens: Tokens of the conversation that were not sampled.
        sampled_tokens: Tokens that the policy sampled.
        images: Images of the conversation.
        trajectory: Number of the trajectory in the run's store, or None.
        option_order: Label shown -> label of the release, where options were shuffled; else empty.
    """

    suite: str
    item: str
    cluster: str
    category: str
    skills: tuple[str, ...]
    mode: Mode
    seed: int
    sample: int
    draw: int
    outcome: str
    answer: str | None
    correct: bool | None
    official: float | None
    rule: str
    judge_failed: bool = False
    judged: bool | None = None
    unanswerable: bool = False
    refused: bool = False
    twin: str | None = None
    turns: int = 0
    calls: Mapping[str, int] = field(default_factory=dict)
    code_errors: int = 0
    placeholders: int = 0
    search_misses: int = 0
    prompt_tokens: int = 0
    sampled_tokens: int = 0
    images: int = 0
    trajectory: int | None = None
    option_order: Mapping[str, str] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """The result in what JSON knows."""
        return asdict(self) | {"skills": list(self.skills)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Result:
        """The result of a record.

        Raises:
            TypeError: The record has other fields.
        """
        return cls(**{**record, "skills": tuple(record["skills"])})
