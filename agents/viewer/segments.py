"""A turn cut into the pieces a reader looks for: the parser's own spans, without tags, with code coloured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.data import JsonLexer
from pygments.lexers.python import PythonLexer

from deepeyes_env.protocol import turn_spans

_FENCE = re.compile(r"\A\s*```[a-z0-9]*\n(.*?)\n?\s*(?:```\s*)?\Z", re.DOTALL)
_FORMATTER = HtmlFormatter(nowrap=True)
_LEXERS = {"code": PythonLexer(stripnl=False), "tool_call": JsonLexer(stripnl=False)}


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a turn.

    Attributes:
        kind: `think`, `code`, `tool_call`, `answer`, or `text` for everything outside complete blocks.
        text: The piece without its tags (and without the fence, for code).
        html: The piece escaped, coloured where it is code.
    """

    kind: str
    text: str
    html: Markup


def split_turn(text: str) -> tuple[Segment, ...]:
    """Cut the policy's own text of one turn into blocks and what stands between them.

    Args:
        text: Any text.

    Returns:
        The non-blank pieces in order.
    """
    pieces = (_segment(span.kind, text[span.start : span.end]) for span in turn_spans(text))
    return tuple(piece for piece in pieces if piece.text.strip())


def _segment(kind: str, text: str) -> Segment:
    text = text.removeprefix(f"<{kind}>").removesuffix(f"</{kind}>")
    if kind == "code" and (fence := _FENCE.match(text)):
        text = fence[1]
    text = text.strip("\n") if kind == "code" else text.strip()
    return Segment(kind, text, _markup(kind, text))


def _markup(kind: str, text: str) -> Markup:
    if kind in _LEXERS:
        return Markup(highlight(text, _LEXERS[kind], _FORMATTER))  # Pygments escapes what it colours
    return Markup.escape(text)
