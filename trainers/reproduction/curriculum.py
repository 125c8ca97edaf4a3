"""Which lessons come next: those that are not learned yet come more often.

A tiny model learns to point, to read digits and to copy each within some 200 steps, but which of them first
is a matter of the seed, and what came first crowds out the rest: with fixed shares one seed pointed at 3 % of
the cards after 1000 steps, and with other shares read no digit after 800 (lab, seed 100). So each kind of
lesson comes as often as its loss asks for.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from agents.trajectory import Trajectory
from trainers.batching import shuffled

HARD = {"where": 3.0}
"""Weight of kinds that take longer; all others have 1. Pointing is learned last, as in the quickstart, whose
share of it is about as large: with a weight of 1 it had not begun after 700 steps (lab, seeds 0 and 100)."""

LEAST = 0.15
"""Share of its weight that a kind keeps when it is learned, so that it is not forgotten."""

ENOUGH = 1.0
"""Loss of a lesson, in nats, from which on its kind has its full weight: a digit at chance has 2.3."""

MEMORY = 0.9
"""What a kind's mean loss keeps at each lesson."""


class Curriculum:
    """Lessons by need. An endless supply; the same seed and the same losses give the same lessons."""

    def __init__(self, lessons: Sequence[Trajectory], seed: int, batch_size: int) -> None:
        """Begin with all kinds alike.

        Args:
            lessons: All there are; each kind is gone through again and again, in new orders.
            seed: Fixes orders and draws.
            batch_size: Lessons per batch.
        """
        kinds: defaultdict[str, list[Trajectory]] = defaultdict(list)
        for lesson in lessons:
            kinds[lesson.family].append(lesson)
        self._supply = {kind: _again_and_again(kinds[kind], seed) for kind in sorted(kinds)}
        self._loss = dict.fromkeys(self._supply, ENOUGH)
        self._rng = random.Random(f"curriculum/{seed}")
        self._size = batch_size

    def batch(self) -> list[Trajectory]:
        """The next lessons."""
        needs = {kind: max(LEAST, min(1.0, loss / ENOUGH)) for kind, loss in self._loss.items()}
        weights = [HARD.get(kind, 1.0) * need for kind, need in needs.items()]
        kinds = self._rng.choices(list(needs), weights, k=self._size)
        return [next(self._supply[kind]) for kind in kinds]

    def note(self, lessons: Sequence[Trajectory], losses: Sequence[float]) -> None:
        """Take note of how they went.

        Args:
            lessons: What was learned.
            losses: Of each, the sum over its tokens, in nats.
        """
        for lesson, loss in zip(lessons, losses, strict=True):
            known = self._loss[lesson.family]
            self._loss[lesson.family] = MEMORY * known + (1 - MEMORY) * loss


def _again_and_again(lessons: Sequence[Trajectory], seed: int) -> Iterator[Trajectory]:
    epoch = 0
    while True:
        for index in shuffled(len(lessons), seed, epoch):
            yield lessons[index]
        epoch += 1
