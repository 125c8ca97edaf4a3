"""What is to be curated, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig
from deepeyes_env.task import Split
from trainers.curation import thought
from trainers.curation.placement import Findings, Placement
from trainers.curation.recipe import Recipe
from trainers.curation.rollouts import Effort, Rollouts
from trainers.curation.stages import Stage
from trainers.curation.voices import Voice


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be curated, how, and where to.

    Attributes:
        out: Directory of everything that comes of it.
        env: The environment, with the source of the tasks.
        split: The part of the source.
        indexes: The tasks; those beyond the source's end are passed over.
        recipe: The stages' settings.
        base: The policy that is to learn.
        teacher: Whoever demonstrates.
        vocabulary: The tokenizer of the model that is to be trained.
        effort: How rollouts are made.
        seed: Draws samples, and who stays where there are too many.
        parquet: Whether the tasks for RL are also written in DeepEyesV2's schema.
    """

    out: Path
    env: EnvConfig
    split: Split
    indexes: range
    recipe: Recipe
    base: Voice
    teacher: Voice
    vocabulary: Vocabulary
    effort: Effort
    seed: int = 0
    parquet: bool = False


@dataclass(frozen=True, slots=True)
class Curated:
    """What came of it.

    Attributes:
        unusable: Why rows of the source cannot be used.
        found: What the stages found.
        places: Where each task ended, in the order of the source.
        thoughts: What became of each conversation of the long chains of thought.
        failures: Why the infrastructure failed; started again, it is tried again.
        stages: All results, in order.
        teacher: The teacher's rollouts.
    """

    unusable: tuple[str, ...]
    found: Findings
    places: tuple[Placement, ...]
    thoughts: tuple[thought.Verdict, ...]
    failures: tuple[str, ...]
    stages: tuple[Stage, ...]
    teacher: Rollouts
