"""Refusals: answers that say that the question cannot be answered.

Wider than what is right for an unanswerable item (`deepeyes_env.tasks.worlds.fictional.answers.NO_RECORD`):
to say "unknown" refuses too, though it may only mean that nothing was found.
"""

from __future__ import annotations

import re

from deepeyes_env.rewards.normalise import normalise
from deepeyes_env.tasks.worlds.fictional.answers import NO_RECORD
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED

PHRASES = frozenset(
    {
        *map(normalise, (NOT_RECORDED, *NO_RECORD)),
        "unknown",
        "undetermined",
        "not determinable",
        "not available",
        "i don't know",
        "i do not know",
        "nobody knows",
        "no one knows",
        "insufficient information",
        "not enough information",
    }
)
"""Whole answers that refuse, in normal form."""

_SENTENCE = re.compile(
    r"\b(?:can(?:\s?no|'|\u2019)?\s?t|could(?: not|n't)|impossible to|unable to|not possible to)\s+"
    r"(?:be\s+)?(?:determined?|answer(?:ed)?|know(?:n)?|found|find|establish(?:ed)?)\b"
    r"|\b(?:is|was|are|were) (?:unanswerable|unknown|not (?:recorded|known|on record))\b"
)
"""Sentences that refuse; they begin the answer or follow its subject."""


def refuses(answer: str) -> bool:
    """Whether an answer says that the question cannot be answered."""
    text = normalise(answer)
    return text in PHRASES or bool(_SENTENCE.search(text))
