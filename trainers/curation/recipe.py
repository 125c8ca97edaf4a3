"""The settings of every stage; importable without torch. Defaults are the paper's, where it states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from deepeyes_env.errors import ConfigError, require
from deepeyes_env.task import Skill

Rule = Literal["image", "question", "overlap"]
"""By what a task counts as taken from a benchmark."""

LOOK_BITS = 64
"""Bits of a perceptual hash (`deepeyes_env.search.local.tiles`)."""

NO_SKILL = "none"
"""The combination of a task without skills."""


@dataclass(frozen=True, slots=True)
class Deduplication:
    """Which tasks count as the same.

    Attributes:
        near_bits: Bits of 64 by which the perceptual hashes of two pictures may differ, for tasks with the
            same question *and* answer: a counterfactual twin looks the same and has another answer. None
            compares pixels only.
    """

    near_bits: int | None = None

    def __post_init__(self) -> None:
        _require_bits(self.near_bits)


@dataclass(frozen=True, slots=True)
class Decontamination:
    """Against which benchmarks, and what counts as taken from them.

    Attributes:
        against: Your own copies, `NAME=PATH` or `PATH`: a folder of images with JSON, JSON Lines or parquet
            of questions in it, or one such file.
        question_fields: Columns or keys that hold a question; the first that a row has counts.
        rules: `image`: a picture of the benchmark; `question`: its text, without case and punctuation;
            `overlap`: most of its text.
        near_bits: Bits of 64 by which the perceptual hashes of two pictures may differ; None compares pixels
            only. Of 134 photographs and generated pictures, scaled (0.3 to 1.4) and compressed again (JPEG
            50 to 90), 4 bits found 99.5 %, 0 bits 60 %; no two different ones of them were as near.
        words: Words in a row that a question must share before its overlap is measured (Cosmopedia, as
            phi-1: 10). Shorter questions are compared as a whole.
        overlap: Share of a benchmark's question that may be found in a task's, in order (Cosmopedia: 0.5).
    """

    against: tuple[str, ...] = ()
    question_fields: tuple[str, ...] = ("question", "Question", "query", "problem", "text", "prompt")
    rules: tuple[Rule, ...] = ("image", "question", "overlap")
    near_bits: int | None = 4
    words: int = 10
    overlap: float = 0.5

    def __post_init__(self) -> None:
        _require_bits(self.near_bits)
        require(self.words >= 1, "words", self.words, "at least 1")
        require(0 <= self.overlap < 1, "overlap", self.overlap, "a share, in [0, 1)")


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Which tasks are hard enough without tools.

    Attributes:
        samples: Answers of the base policy per task (reference 4.1: 8).
        most_right: A task is kept if at most so many of them are right (reference 4.1: 2).
        prompt: The prompt for answering without tools.
    """

    samples: int = 8
    most_right: int = 2
    prompt: Literal["direct", "full", "code_only", "minimal"] = "direct"

    def __post_init__(self) -> None:
        require(self.samples >= 1, "samples", self.samples, "at least 1")
        require(0 <= self.most_right <= self.samples, "most_right", self.most_right, "in [0, samples]")


@dataclass(frozen=True, slots=True)
class ToolBenefit:
    """Which hard tasks the base policy solves with tools: those are for RL, the others for cold start.

    Attributes:
        samples: Answers with tools per task (reference 4.1: 8).
        least_right: A task is solvable if at least so many of them are right. The paper does not state it.
    """

    samples: int = 8
    least_right: int = 1

    def __post_init__(self) -> None:
        require(self.samples >= 1, "samples", self.samples, "at least 1")
        require(1 <= self.least_right <= self.samples, "least_right", self.least_right, "in [1, samples]")


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The teacher's trajectories for the tasks of the cold start.

    Attributes:
        attempts: Trajectories per task. The paper does not state it.
        keep: Most trajectories kept per task, the first of those that pass.
    """

    attempts: int = 4
    keep: int = 1

    def __post_init__(self) -> None:
        require(self.attempts >= 1, "attempts", self.attempts, "at least 1")
        require(self.keep >= 1, "keep", self.keep, "at least 1")


@dataclass(frozen=True, slots=True)
class Quota:
    """How many of each combination of skills a set may hold.

    A combination is its skills in alphabetical order, joined by `+` (`perception+search`), or `none`.

    Attributes:
        caps: Most items of a combination; `search*` counts all that need search, whatever else they need.
        shares: Combination -> share of the set, which becomes as large as they allow; combinations that are
            not named get nothing. Empty takes them as they come.
    """

    caps: Mapping[str, int] = field(default_factory=dict, hash=False)
    shares: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, cap in self.caps.items():
            _require_combination("caps", name.removesuffix("*"))
            require(cap >= 0, f"caps.{name}", cap, "at least 0")
        for name, share in self.shares.items():
            _require_combination("shares", name)
            require(share > 0, f"shares.{name}", share, "above 0")
        total = sum(self.shares.values())
        require(not self.shares or abs(total - 1) < 0.01, "shares", dict(self.shares), "1 in all")


@dataclass(frozen=True, slots=True)
class Balance:
    """The mixture of skills.

    Attributes:
        rl: Of the tasks for reinforcement learning.
        cold_start: Of the trajectories for cold start.
    """

    rl: Quota = field(default_factory=Quota)
    cold_start: Quota = field(default_factory=Quota)


@dataclass(frozen=True, slots=True)
class LongThought:
    """Long chains of thought, as text, that are mixed into the cold start's set.

    Attributes:
        files: DeepEyesV2's SFT JSON (`.json`) or OpenAI's messages (`.jsonl`); conversations with pictures
            are left out.
        share: Share of the whole set that they become, as far as there are enough (reference 4.1, Fig. 9:
            0.816).
        count: How many, instead of a share.
        max_tokens: Tokens of a conversation above which it is left out (reference 4.2, `cutoff_len`).
    """

    files: tuple[str, ...] = ()
    share: float = 0.816
    count: int | None = None
    max_tokens: int = 20_480

    def __post_init__(self) -> None:
        require(0 <= self.share < 1, "share", self.share, "in [0, 1)")
        require(self.count is None or self.count >= 0, "count", self.count, "at least 0")
        require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All stages' settings.

    Attributes:
        deduplicate: Which tasks count as the same.
        decontaminate: Which tasks are taken from benchmarks.
        difficulty: Which tasks are hard enough without tools.
        benefit: Which hard tasks tools solve.
        synthesis: The teacher's trajectories.
        balance: The mixture of skills.
        thought: Long chains of thought as text.
    """

    deduplicate: Deduplication = field(default_factory=Deduplication)
    decontaminate: Decontamination = field(default_factory=Decontamination)
    difficulty: Difficulty = field(default_factory=Difficulty)
    benefit: ToolBenefit = field(default_factory=ToolBenefit)
    synthesis: Synthesis = field(default_factory=Synthesis)
    balance: Balance = field(default_factory=Balance)
    thought: LongThought = field(default_factory=LongThought)


def combination(skills: tuple[str, ...]) -> str:
    """The name of a combination of skills, as `Quota` has it."""
    return "+".join(sorted(skills)) or NO_SKILL


def _require_bits(bits: int | None) -> None:
    require(bits is None or 0 <= bits < LOOK_BITS, "near_bits", bits, f"in [0, {LOOK_BITS}), or None")


def _require_combination(key: str, name: str) -> None:
    known = [str(skill) for skill in Skill]
    parts = name.split("+")
    if name != NO_SKILL and (parts != sorted(set(parts)) or not set(parts) <= set(known)):
        raise ConfigError(
            f"{key}.{name}: must be skills of {', '.join(known)} in alphabetical order, joined by '+', or "
            f"{NO_SKILL!r}"
        )
