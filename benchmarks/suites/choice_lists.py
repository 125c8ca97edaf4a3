"""Options that a release writes into one text, taken apart: `A. 1 cm;B. 2 cm`, `(A) True (B) False`.

Only letters in order count, from A on, so that a letter inside an option's words starts no option.
"""

from __future__ import annotations

import re

from benchmarks.suites.row import LETTERS

_HEADING = re.compile(r"\b(?:choices?|options?)\s*:", re.IGNORECASE)
_MARK = r"(?:\(\s*{letter}\s*\)|(?<![^\s;]){letter}\s*[.:)．])"
"""`(B)` anywhere; `B.`, `B:`, `B)` and the full-width full stop only where a word begins."""


def listed_choices(text: str) -> dict[str, str]:
    """The options of a text.

    Args:
        text: Options, perhaps after a question; where it has a heading (`Choices:`), they are after the last.
            Of several lists the longest counts, of as long ones the last: a question may name its letters.

    Returns:
        Letter -> text, in order; empty where fewer than two are listed with a text: of letters alone the
        picture shows what they name.
    """
    headings = list(_HEADING.finditer(text))
    text = text[headings[-1].end() :] if headings else text
    starts = [mark.start() for mark in re.finditer(_MARK.format(letter=LETTERS[0]), text)]
    lists = [_list(text, start) for start in reversed(starts)]
    whole = [found for found in lists if all(option.strip(",.") for option in found.values())]
    longest = max(whole, key=len, default={})
    return longest if len(longest) >= 2 else {}


def _list(text: str, start: int) -> dict[str, str]:
    """The options from an `A` on."""
    marks = _marks(text, start)
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return {
        letter: text[mark.end() : end].strip(" ;\n\t")
        for letter, mark, end in zip(LETTERS, marks, ends, strict=False)
    }


def _marks(text: str, start: int) -> list[re.Match[str]]:
    marks: list[re.Match[str]] = []
    for letter in LETTERS:
        mark = re.compile(_MARK.format(letter=letter)).search(text, marks[-1].end() if marks else start)
        if mark is None:
            break
        marks.append(mark)
    return marks
