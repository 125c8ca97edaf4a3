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

    Returns:
        Letter -> text, in order; empty where fewer than two are listed.
    """
    headings = list(_HEADING.finditer(text))
    text = text[headings[-1].end() :] if headings else text
    marks = _marks(text)
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found = {
        letter: text[mark.end() : end].strip(" ;\n\t")
        for letter, mark, end in zip(LETTERS, marks, ends, strict=False)
    }
    return found if len(found) >= 2 else {}


def _marks(text: str) -> list[re.Match[str]]:
    marks: list[re.Match[str]] = []
    for letter in LETTERS:
        mark = re.compile(_MARK.format(letter=letter)).search(text, marks[-1].end() if marks else 0)
        if mark is None:
            break
        marks.append(mark)
    return marks
