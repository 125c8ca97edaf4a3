"""When two texts count as the same: compatibility forms, case and white space are no difference."""

from __future__ import annotations

import unicodedata


def normal_form(text: str) -> str:
    """The text in one form for all its spellings (Unicode 3.13, compatibility caseless match).

    Nothing else is taken away: what looks alike may be meant differently (`C` and `C++`, `5-4` and `54`).

    Args:
        text: A query or any other text.

    Returns:
        The text in NFKC and folded case, without white space at its ends, and one space for each other run.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(unicodedata.normalize("NFKC", folded.casefold()).split())
