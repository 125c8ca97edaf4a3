"""Exact match and F1 of short answers, as SQuAD defines them and many suites use them.

Source: Rajpurkar et al., arXiv 1606.05250, section 6.1. The search suites' released scorers have the same
normalisation: `normalize_answer` in MMSearch `score/f1_score.py` (d340f3f) and in MMSearch-R1
`mmsearch_r1/utils/reward_score_mm/mmsearch_r1_score.py` (583c6b4).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and repeated white space.

    It makes different answers the same: `5.2` is `52`, and `-5` is `5`. That is why `deepeyes_env.rewards`
    has another.
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, references: Iterable[str]) -> float:
    """1 where the answer reads like one of the references, else 0.

    An answer of which the normalisation leaves nothing matches nothing, where the released scorers let it
    match a reference of which it leaves nothing either.
    """
    given = normalise(answer)
    return float(bool(given) and any(given == normalise(reference) for reference in references))


def f1(answer: str, references: Iterable[str]) -> float:
    """Harmonic mean of precision and recall of the words, for the reference that it is highest for."""
    given = normalise(answer).split()
    return max((_f1(given, normalise(reference).split()) for reference in references), default=0.0)


def _f1(given: list[str], expected: list[str]) -> float:
    # Without words on a side: 1 if both have none (`get_f1_score` in MMSearch `score/f1_score.py`).
    if not given or not expected:
        return float(given == expected)
    same = (Counter(given) & Counter(expected)).total()
    return 2 * same / (len(given) + len(expected))
