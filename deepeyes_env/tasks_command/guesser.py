"""A policy without eyes: it has read many questions with their answers, and sees only the next question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.task import Answer

NEIGHBOURS = 25
"""Most similar known questions whose answers are considered."""

Example = tuple[str, Answer]
"""A question and its answer."""


class TextGuesser:
    """Guesses the answer that would have been right most often among the most similar known questions."""

    def __init__(self, known: Sequence[Example]) -> None:
        """Read `known` questions with their answers; at least one."""
        self._known = [(words_of(question), answer) for question, answer in known]

    def guess(self, question: str) -> str:
        """The answer to a question, from its words alone."""
        asked = words_of(question)
        # Sorting is stable: equally similar questions keep their order, so a guess is the same every time.
        nearest = sorted(self._known, key=lambda known: -_similarity(asked, known[0]))[:NEIGHBOURS]
        answers = [answer for _, answer in nearest]
        counted = Counter(answer.text for answer in answers)
        return max(counted, key=lambda text: sum(grade_by_rule(text, answer).correct for answer in answers))


def guessed(known: Sequence[Example], asked: Sequence[Example]) -> float:
    """Share of `asked` that a guesser who has read `known` gets right."""
    guesser = TextGuesser(known)
    right = [grade_by_rule(guesser.guess(question), answer).correct for question, answer in asked]
    return sum(right) / len(right)


def words_of(question: str) -> frozenset[str]:
    """The words and numbers of a question, in lower case."""
    return frozenset(re.findall(r"\w+", question.lower()))


def _similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's index."""
    return len(a & b) / len(a | b) if a or b else 1.0
