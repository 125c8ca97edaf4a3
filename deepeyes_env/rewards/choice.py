"""Multiple choice: which option did the answer pick?"""

from __future__ import annotations

import re

from deepeyes_env.rewards.normalise import normalise, plain
from deepeyes_env.rewards.number import parse_quantity
from deepeyes_env.task import Answer

_LABEL = re.compile(
    r"^(?:(?:option|choice)\s+)?(?:\(\s*(?P<round>[^\W_]{1,2})\s*\)|(?P<bare>[^\W_]{1,2})(?=$|[).:]))[).:]?\s*(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)


def choose(answer: str, reference: Answer) -> bool | None:
    """Whether the answer picks the right option, or None when it is not clear which one it picks.

    An option is picked by its label alone ("B", "(b)", "B.", "Option B"), by its text, or by both if they
    agree. A letter inside a sentence picks nothing.

    Args:
        answer: What the policy wrote.
        reference: The reference; its text is the right label or the right option's text.
    """
    right = _right_label(reference)
    picked = picked_label(answer, dict(reference.choices))
    return None if right is None or picked is None else picked == right


def picked_label(answer: str, choices: dict[str, str]) -> str | None:
    """The label that the answer picks, or None."""
    if label := _known_label(plain(answer), choices):
        return label
    by_text = _labels_of_text(answer, choices)
    if len(by_text) == 1:
        return by_text[0]
    match = _LABEL.match(plain(answer))
    label = _known_label(match["round"] or match["bare"], choices) if match else None
    if match and match["rest"].strip() and label not in _labels_of_text(match["rest"], choices):
        return None
    return label


def _right_label(reference: Answer) -> str | None:
    choices = dict(reference.choices)
    labels = _labels_of_text(reference.text, choices)
    return _known_label(plain(reference.text), choices) or (labels[0] if len(labels) == 1 else None)


def _known_label(label: str, choices: dict[str, str]) -> str | None:
    return next((known for known in choices if known.casefold() == label.strip("().: ").casefold()), None)


def _labels_of_text(text: str, choices: dict[str, str]) -> list[str]:
    """Labels of the options that read like `text`, as words or as numbers."""
    wanted = normalise(text)
    same = [label for label, option in choices.items() if normalise(option) == wanted]
    if same or (quantity := parse_quantity(text)) is None:
        return same
    return [label for label, option in choices.items() if parse_quantity(option) == quantity]
