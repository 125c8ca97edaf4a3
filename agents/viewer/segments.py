"""A turn cut into the pieces a reader looks for: the parser's own spans, without their tags."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepeyes_env.protocol import turn_spans

_FENCE = "```"
_FENCE_OPENING = re.compile(r"\s*```[a-z0-9]*\n")


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a turn.

    Attributes:
        kind: `think`, `code`, `tool_call`, `answer`, or `text` for everything outside complete blocks.
        text: The piece without its tags (and without the fence, for code).
    """

    kind: str
    text: str


def split_turn(text: str) -> tuple[Segment, ...]:
    """Cut the policy's own text of one turn into blocks and what stands between them.

    Args:
        text: Any text.

    Returns:
        The non-blank pieces in order.
    """
    pieces = (Segment(span.kind, _inner(span.kind, text[span.start : span.end])) for span in turn_spans(text))
    return tuple(piece for piece in pieces if piece.text.strip())


def _inner(kind: str, text: str) -> str:
    text = text.removeprefix(f"<{kind}>").removesuffix(f"</{kind}>")
    if kind == "code" and (opening := _FENCE_OPENING.match(text)):
        # Not by one pattern for all of it, which would look at every run of blanks again from each of them.
        text = text[opening.end() :].rstrip().removesuffix(_FENCE).rstrip()
    return text.strip("\n") if kind == "code" else text.strip()
