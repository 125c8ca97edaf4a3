"""Answers that say nothing but fool judges: refused before any judge is asked.

A lone sign (":") or the opening of a solution ("Thought process:") earns a Yes from general-purpose judges
("One Token to Fool LLM-as-a-Judge", arXiv 2507.08794), and an answer that writes the judge's own delimiters
can end its quotation and go on as instructions.
"""

from __future__ import annotations

import re
from typing import Literal

from deepeyes_env.rewards.normalise import normalise

Reason = Literal["empty", "boilerplate", "injection"]
"""Why an answer is not shown to a judge; `Result.rule` says so."""

OPENERS = frozenset(
    {
        "thought process",
        "thoughts",
        "let's solve this problem step by step",
        "let us solve this problem step by step",
        "let's think step by step",
        "step by step",
        "solution",
        "answer",
        "the answer",
        "final answer",
        "the final answer",
        "reasoning",
        "explanation",
        "here is the answer",
        "respuesta",
        "解",
        "かいせつ",
        "答案",
    }
)
"""Whole answers that open a solution and bring none, without the signs around them: those of arXiv
2507.08794 as far as they were known here, and what is like them."""

_DELIMITER = re.compile(r"<\s*/?\s*(?:question|reference|model_answer|think|system|user|assistant)\b", re.I)
"""What the judge's prompt is divided by (`deepeyes_env.rewards.judge`), and chat markup."""

_VERDICT_LINE = re.compile(
    r"(?:^|\n)\W*(?:verdict|judgement|judgment|result)\W*(?:is\W*)?(?:yes|correct|equivalent|true)\W*$", re.I
)


def not_for_judges(answer: str) -> Reason | None:
    """Why an answer must not be shown to a judge, or None if it may be.

    Args:
        answer: What the policy answered; the rules have not been sure of it.
    """
    if not any(character.isalnum() for character in answer):
        return "empty"
    if _DELIMITER.search(answer) or _VERDICT_LINE.search(answer):
        return "injection"
    # Without lead-in and wrapping: "**Answer:**" opens a solution as "Answer" does.
    bare = {re.sub(r"^\W+|\W+$", "", text).strip() for text in (normalise(answer), answer.casefold())}
    return "boilerplate" if bare & (OPENERS | {""}) else None
