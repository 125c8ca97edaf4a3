"""The arms of every claim, and their sizes. Written before any result was looked at.

An *arm* is a name for the last stage of a training; arms of one seed share base and cold starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from trainers.config import DapoConfig, SftConfig
from trainers.quickstart.command import Plan as Quickstart
from trainers.quickstart.visual_pretraining import EyesConfig
from trainers.reproduction.stages import (
    ALL_SKILLS,
    Base,
    Cold,
    Demonstrations,
    Exam,
    Reinforced,
    Skills,
    Stage,
)

CLUMSY, ABLE = 0.02, 0.25
"""Share of right calls of two novices. The paper says of its base only that its code is often wrong
(reference 5.6), so one is taken far below what pays and one far above."""

FAULT_RATE = 0.2
"""Share of cells in which the sandbox fails, in the arms about failures: high, so that 30 steps can show what
it does. A failed cell ends its episode; it is not begun anew."""

SYMMETRIC = 0.20
"""Both clip bounds of the released code (reference 4.4), where the paper has 0.20 and 0.30."""

CLAIMS: dict[int, tuple[str, ...]] = {
    1: ("base", "exposed-clumsy", "exposed-able", "direct", "direct-clumsy", "direct-able"),
    2: ("exposed-clumsy", "direct-clumsy", "bonus-clumsy", "bonus-v1-clumsy"),
    3: (
        "base",
        "sft-perception",
        "sft-reasoning",
        "sft",
        "direct-able",
        "rl-perception",
        "rl-reasoning",
        "rl-perception-reasoning",
        "rl",
    ),
    4: ("sft", "rl"),
    5: ("sft", "rl", "rl-shaped-filter", "rl-symmetric", "rl-masked", "rl-blamed"),
}
"""The arms that a claim needs."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long everything is trained and how it is examined.

    Attributes:
        lessons: The base. Longer and in larger batches than the quickstart's, for there are twice as many
            kinds of lessons, and fewer of each in a batch.
        cold: Cold start, as in the quickstart.
        episodes: Demonstrations of a cold start.
        toolless: Refused demonstrations of a cold start.
        rehearsal: The base's lessons among them.
        exposure: Demonstrations of a novice: enough for the format, few against `episodes`.
        dapo: Reinforcement learning, the quickstart's with 30 steps instead of 40.
        exam: Held-out tasks.
    """

    lessons: EyesConfig = field(default_factory=lambda: EyesConfig(lessons=9600, steps=600, batch_size=64))
    cold: SftConfig = field(default_factory=lambda: Quickstart().sft)
    episodes: int = 3200
    toolless: int = 256
    rehearsal: int = 1200
    exposure: int = 1200
    dapo: DapoConfig = field(default_factory=lambda: replace(Quickstart().dapo, steps=30))
    exam: Exam = field(default_factory=Exam)


def _smoke() -> Sizes:
    full = Sizes()
    return Sizes(
        lessons=EyesConfig(lessons=32, steps=1, batch_size=8),
        cold=replace(full.cold, epochs=1),
        episodes=16,
        toolless=4,
        rehearsal=4,
        exposure=16,
        dapo=replace(full.dapo, steps=1, prompts_per_step=2, group_size=2, minibatches=1, max_rounds=1),
        exam=Exam(tasks=8, turn_tokens=16),
    )


SMOKE = _smoke()
"""Everything in about a minute; it learns nothing."""


def arms(seed: int, sizes: Sizes) -> dict[str, Stage]:
    """All arms of a seed by name, the most telling first."""
    base = Base(seed, sizes.lessons, sizes.exam)

    def cold(data: Demonstrations) -> Cold:
        return Cold(seed, base, data, sizes.cold, sizes.exam)

    def hasty(skills: Skills) -> Cold:
        return cold(Demonstrations("hasty", skills, 0.0, sizes.episodes, sizes.toolless, sizes.rehearsal))

    def exposed(right: float) -> Cold:
        return cold(Demonstrations("novice", ALL_SKILLS, right, sizes.exposure, 0, sizes.rehearsal // 2))

    def rl(start: Base | Cold, skills: Skills = ALL_SKILLS) -> Reinforced:
        return Reinforced(seed, start, skills, sizes.dapo, sizes.exam)

    sft, clumsy, able = hasty(ALL_SKILLS), exposed(CLUMSY), exposed(ABLE)
    main, direct_clumsy = rl(sft), rl(clumsy)
    masked = replace(main, fault_rate=FAULT_RATE, dapo=replace(sizes.dapo, infra_retries=0))
    return {
        "base": base,
        "sft": sft,
        "rl": main,
        "exposed-clumsy": clumsy,
        "direct-clumsy": direct_clumsy,
        "bonus-clumsy": replace(direct_clumsy, reward="call_bonus"),
        "exposed-able": able,
        "direct-able": rl(able),
        "direct": rl(base),
        "sft-perception": hasty(("perception",)),
        "sft-reasoning": hasty(("reasoning",)),
        "rl-perception": rl(sft, ("perception",)),
        "rl-reasoning": rl(sft, ("reasoning",)),
        "rl-perception-reasoning": rl(sft, ("perception", "reasoning")),
        "rl-shaped-filter": replace(main, keep="reward"),
        "rl-masked": masked,
        "rl-blamed": replace(masked, blame=True),
        "rl-symmetric": replace(main, dapo=replace(sizes.dapo, clip_low=SYMMETRIC, clip_high=SYMMETRIC)),
        "bonus-v1-clumsy": replace(direct_clumsy, reward="deepeyes_v1"),
    }


def needed(claims: Iterable[int]) -> tuple[str, ...]:
    """Names of the arms that some claims need, in the order of `arms`."""
    wanted = {name for claim in claims for name in CLAIMS[claim]}
    return tuple(name for name in arms(0, SMOKE) if name in wanted)
