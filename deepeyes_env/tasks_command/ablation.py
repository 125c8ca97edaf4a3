"""The proof that a task needs what its tags say: its oracle, with some of the tools taken away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from deepeyes_env.config import EnvConfig, Tool
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.task import Skill, Split
from deepeyes_env.tasks import RealWorldConfig, WorldConfig
from deepeyes_env.tasks.worlds import oracle_for
from deepeyes_env.tasks.worlds.family import Family

SUBSETS: dict[str, frozenset[Tool]] = {
    "no tool": frozenset(),
    "code only": frozenset({"code"}),
    "search only": frozenset({"search", "image_search"}),
    "all tools": frozenset({"code", "search", "image_search"}),
}
"""The ablation of `search-and-benchmarks` B.3."""

SOLVED, FAILED = 0.95, 0.1
"""Accuracies from which on a family counts as solved, and up to which as not."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """How often a family's oracle was right, by the tools it had.

    Attributes:
        n: Tasks, the same for every subset.
        right: Key of `SUBSETS` -> tasks solved.
    """

    n: int
    right: dict[str, int] = field(default_factory=dict)

    def share(self, subset: str) -> float:
        """Accuracy with a subset."""
        return self.right[subset] / self.n

    def mistakes(self, family: Family[Any]) -> list[str]:
        """Where the family's tags and what the ablation shows disagree; empty when they agree."""
        found = []
        if self.share("all tools") < SOLVED:
            found.append(f"its oracle solves {self.share('all tools'):.0%} with all tools")
        needs_code = bool(family.skills & {Skill.PERCEPTION, Skill.REASONING}) and bool(family.tools)
        needs_search = Skill.SEARCH in family.skills
        for without, needed, what in (
            ("search only", needs_code, "code"),
            ("code only", needs_search, "search"),
            ("no tool", needs_code or needs_search, "a tool"),
        ):
            share = self.share(without)
            if needed and share > FAILED:
                found.append(f"its tags ask for {what}, but {without} solves {share:.0%}")
            if not needed and share < SOLVED and not self._other_need(without, needs_code, needs_search):
                found.append(f"its tags do not ask for {what}, but {without} solves only {share:.0%}")
        return found

    @staticmethod
    def _other_need(without: str, needs_code: bool, needs_search: bool) -> bool:
        """Whether something else that `without` lacks explains the failure."""
        return {"search only": needs_code, "code only": needs_search, "no tool": needs_code or needs_search}[
            without
        ]


def ablate(
    config: WorldConfig | RealWorldConfig, n: int, split: Split, sandbox: Sandbox | None = None
) -> Ablation:
    """Run the oracle over the first `n` tasks with every subset of the tools.

    Args:
        config: The tasks, of one family.
        n: How many.
        split: The part to take them from.
        sandbox: Where the code runs; default: one of its own.
    """
    return Ablation(
        n, {name: sum(play(config, tools, range(n), split, sandbox)) for name, tools in SUBSETS.items()}
    )


def play(
    config: WorldConfig | RealWorldConfig,
    tools: frozenset[Tool],
    indexes: Iterable[int],
    split: Split,
    sandbox: Sandbox | None = None,
) -> list[bool]:
    """Whether the oracle is right, task by task.

    Args:
        config: The tasks.
        tools: The tools that answer.
        indexes: Which tasks.
        split: Of which part.
        sandbox: Where the code runs; default: one of its own.
    """
    env = DeepEyesEnv(EnvConfig(source=config, tools=tools), sandbox=sandbox)
    try:
        return [_solve(env, index, split) for index in indexes]
    finally:
        env.close()


def _solve(env: DeepEyesEnv, index: int, split: Split) -> bool:
    env.reset(options={"index": index, "split": split})
    oracle = oracle_for(env.episode.task)
    text = next(oracle)
    while True:
        *_, terminated, truncated, info = env.step(text)
        if terminated or truncated:
            return bool(info["accuracy"])
        text = oracle.send(env.episode.observations[-1])
