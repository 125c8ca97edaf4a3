"""Questions as text, to compare them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher

Words = tuple[str, ...]

_NO_WORD = re.compile(r"[^\w\s]|_")


def same_text(text: str) -> str:
    """What two wordings of one question share: the text without case and repeated white space.

    Signs stay: `x + 3` and `x - 3` are two questions.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def words(text: str) -> Words:
    """The words of a text, without case and punctuation, as n-grams are made of (GPT-3, arXiv 2005.14165)."""
    return tuple(_NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())


def ngrams(text: Words, size: int) -> Iterator[Words]:
    """All runs of `size` words."""
    for start in range(len(text) - size + 1):
        yield text[start : start + size]


def overlap(part: Words, whole: Words) -> float:
    """The share of the words of `part` that stand in `whole` too, in the same order.

    As Cosmopedia's decontamination has it (`difflib.SequenceMatcher`, its matches over the benchmark's
    sample), by words.
    """
    matcher = SequenceMatcher(None, part, whole, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / max(len(part), 1)
