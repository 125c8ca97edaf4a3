"""Multiple choice: which option did the answer pick?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deepeyes_env.rewards.normalise import normalise, plain
from deepeyes_env.rewards.number import parse_quantity
from deepeyes_env.task import Answer

_LABEL = re.compile(
    r"^(?:(?:option|choice)\s+)?(?:\(\s*(?P<round>[^\W_]{1,2})\s*\)|(?P<bare>[^\W_]{1,2})(?=$|[).:]))[).:]?\s*(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)

_WRAPPED_LABEL = re.compile(
    r"^(?:\*{1,3}|_{1,3}|`|\[|\\(?:boxed|text|textbf|textit|mathbf|mathrm)\{)+"
    r"(?:(?:option|choice)\s+)?\(?\s*(?P<label>[^\W_]{1,2})\s*[).:]*"
    r"(?:\*{1,3}|_{1,3}|`|\]|\})+[).:]*",
    re.IGNORECASE,
)
"""A label that is set off: `**B.**`, `` `B` ``, `[B]`, `\boxed{B}`."""


def choose(answer: str, reference: Answer) -> bool | None:
    """Whether the answer picks the right option, or None when it is not clear which one it picks.

    An option is picked by its label alone ("B", "(b)", "B.", "Option B", "**B**"), by its text, or by both if
    they agree. A letter inside a sentence picks nothing.

    Args:
        answer: What the policy wrote.
        reference: The reference; its text is the right label or the right option's text.
    """
    right = right_label(reference)
    picked = picked_label(answer, dict(reference.choices))
    return None if right is None or picked is None else picked == right


def picked_label(answer: str, choices: dict[str, str]) -> str | None:
    """The label that the answer picks, or None."""
    text = _WRAPPED_LABEL.sub(r"(\g<label>) ", plain(answer))
    if label := known_label(text, choices):
        return label
    by_text = _labels_of_text(answer, choices)
    if len(by_text) == 1:
        return by_text[0]
    match = _LABEL.match(text)
    label = known_label(match["round"] or match["bare"], choices) if match else None
    if match and match["rest"].strip() and label not in _labels_of_text(match["rest"], choices):
        return None
    return label


def right_label(reference: Answer) -> str | None:
    """The label of the right option; None if the reference is none of the options."""
    choices = dict(reference.choices)
    labels = _labels_of_text(reference.text, choices)
    return known_label(plain(reference.text), choices) or (labels[0] if len(labels) == 1 else None)


def known_label(text: str, labels: Iterable[str]) -> str | None:
    """The label that a text is, whatever its case and the signs around it; None if it is none."""
    wanted = text.strip("().: ").casefold()
    return next((label for label in labels if label.casefold() == wanted), None)


def _labels_of_text(text: str, choices: dict[str, str]) -> list[str]:
    """Labels of the options that read like `text`, as words or as numbers."""
    wanted = normalise(text)
    same = [label for label, option in choices.items() if normalise(option) == wanted]
    if same or (quantity := parse_quantity(text)) is None:
        return same
    return [label for label, option in choices.items() if parse_quantity(option) == quantity]
