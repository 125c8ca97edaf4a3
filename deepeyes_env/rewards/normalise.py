"""Turns answers into comparable text. Only changes that never make two different answers the same."""

from __future__ import annotations

import re
import unicodedata

_LEAD_IN = re.compile(
    r"^(?:the\s+)?(?:(?:final|correct|right)\s+)?answer\s*(?:is\b\s*:?|[:=])\s*", re.IGNORECASE
)
_WRAPPERS = (
    re.compile(r"^\$+(.*?)\$+$", re.DOTALL),
    re.compile(r"^\\\((.*)\\\)$", re.DOTALL),
    re.compile(r"^\\\[(.*)\\\]$", re.DOTALL),
    re.compile(r"^\\boxed\{(.*)\}$", re.DOTALL),
    re.compile(r"^\\text\{([^{}]*)\}$", re.DOTALL),
    re.compile(r"^\*\*(.*)\*\*$", re.DOTALL),
    re.compile(r"^`(.*)`$", re.DOTALL),
    re.compile(r'^"(.*)"$', re.DOTALL),
    re.compile(r"^'(.*)'$", re.DOTALL),
)
_ESCAPED_SIGN = re.compile(r"\\([%$])")
_DEGREES = re.compile(r"\^(?:\\circ\b|\{\\circ\})")
_MONTH = "(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_ORDINAL = "(?:st|nd|rd|th)"
_DAY_BEFORE_MONTH = re.compile(rf"\b(\d{{1,2}}){_ORDINAL}(?: of)?(?= {_MONTH}\b)")
_DAY_AFTER_MONTH = re.compile(rf"\b({_MONTH} )(?:the )?(\d{{1,2}}){_ORDINAL}\b")
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\S)")
_PUNCTUATION = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-"}
)


def plain(text: str) -> str:
    r"""The answer without lead-in ("The answer is"), quotes, bold, LaTeX wrapping and final full stop.

    Escaped signs and `^\circ` become the signs themselves: `50\%` is `50%`.
    """
    text = _fold_width(text).translate(_PUNCTUATION).strip()
    while True:
        before = text
        text = _LEAD_IN.sub("", text).strip()
        for wrapper in _WRAPPERS:
            if (match := wrapper.match(text)) and match[1].strip():
                text = match[1].strip()
        if text.endswith(".") and not text.endswith("..") and len(text) > 1:
            text = text[:-1].rstrip()
        if text == before:
            return _DEGREES.sub("°", _ESCAPED_SIGN.sub(r"\1", text))


def normalise(text: str) -> str:
    """`plain`, without case, a leading article and repeated white space; days of a month as plain numbers.

    Digits, signs, accents and symbols stay as they are: `5²` is not `52`, and `-5` is not `5`.
    `14th of March` is `14 march`, but other ordinals stay: the 5th is not 5.
    """
    folded = " ".join(unicodedata.normalize("NFC", plain(text)).casefold().split())
    dated = _DAY_AFTER_MONTH.sub(r"\1\2", _DAY_BEFORE_MONTH.sub(r"\1", folded))
    return _ARTICLE.sub("", dated)


def _fold_width(text: str) -> str:
    """Full-width and half-width forms become ordinary characters; other forms keep their meaning."""
    return "".join(
        unicodedata.normalize("NFKC", character)
        if unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
        else character
        for character in text
    )
