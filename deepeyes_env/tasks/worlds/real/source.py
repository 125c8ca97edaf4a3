"""The real world as a task source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds import REAL, require_world
from deepeyes_env.tasks.worlds.knobs import DEFAULT_DIFFICULTY, Knobs
from deepeyes_env.tasks.worlds.real.facts import Facts, the_facts
from deepeyes_env.tasks.worlds.source import GeneratedSource

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine


class RealWorld(GeneratedSource[Facts]):
    """Tasks about the real world: the facts are always the same, the seed draws the questions."""

    def __init__(
        self,
        seed: int = 0,
        families: tuple[str, ...] = (),
        difficulty: float = DEFAULT_DIFFICULTY,
        knobs: Mapping[str, Knobs] | None = None,
        *,
        twins: bool = False,
    ) -> None:
        """Choose questions; nothing is read before the first is asked.

        Args:
            seed: Names the questions.
            families: Family names; empty means all.
            difficulty: Where every knob stands, from 0 (easy) to 1 (hard).
            knobs: Family -> knob -> setting, for knobs that are to stand elsewhere.
            twins: Whether every task is followed by its counterfactual twin.

        Raises:
            ConfigError: A family or a knob is unknown or the fictional world's, or a setting is out of range.
        """
        require_world("real", families)
        self.seed = seed
        super().__init__(
            f"real-{seed}",
            the_facts,
            _engine,
            families or tuple(REAL),
            dealt=lambda facts: facts.splits(f"real-{seed}"),
            difficulty=difficulty,
            chosen=knobs,
            twins=twins,
        )


@lru_cache(maxsize=1)
def _engine() -> SearchEngine:
    from deepeyes_env.search.local.engine import LocalSearchEngine
    from deepeyes_env.tasks.worlds.real.encyclopaedia import write_pages

    return LocalSearchEngine(write_pages, "real")
