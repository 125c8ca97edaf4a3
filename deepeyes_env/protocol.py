"""The turn grammar: the policy's text -> Action, a tool's result -> observation text.

This is the only parser of the project. The environment, the reward and the viewer read the same spans of the
policy's own text and never look for tags in tool text.

Grammar of a turn (reference 1.1): `<think>...</think>` followed by exactly one of

* `<code>` with a fenced python block `</code>`,
* `<tool_call>{"name": "search", "arguments": {"query": "..."}}</tool_call>` or `{"name": "image_search"}`,
  which may name a picture and a part of it, `"arguments": {"image": "image_1", "region": [0, 0, 90, 60]}`,
* `<answer>...</answer>`.
"""

from __future__ import annotations

import json
import keyword
import math
import re
import textwrap
from dataclasses import dataclass, field
from typing import TypeGuard

from PIL import Image

from deepeyes_env.search.base import Hit

IMAGE_MARKER = "<image>"
"""Stands for one image in observation text (reference 1.1); the n-th marker is the n-th image."""

STOP_STRINGS = ("</code>", "</tool_call>", "</answer>")
"""A policy's turn ends after any of these; they stay in the text (reference 1.5, plus `</answer>`)."""


# --- What the policy asked for -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCode:
    """Run `code` (dedented, fence removed) in the episode's session."""

    code: str


@dataclass(frozen=True, slots=True)
class SearchText:
    """Search the text corpus for `query`."""

    query: str


@dataclass(frozen=True, slots=True)
class SearchImage:
    """Search by the question's first image, whole (reference 2.3), or by what the arguments name.

    Attributes:
        image: A variable of the session that holds a picture; None is the question's first image.
        region: Left, top, right and bottom of a part of that picture, in its pixels as the sandbox has it,
        with
            left < right and top < bottom; None is all of it.
        call: The call as it was written, if it has arguments, so that a refusal can repeat it.
    """

    image: str | None = None
    region: tuple[float, float, float, float] | None = None
    call: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Finish:
    """The final answer, stripped and non-empty."""

    answer: str


@dataclass(frozen=True, slots=True)
class InvalidCall:
    """A tool call that names no known tool or does not parse; `message` is shown and the episode goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """No complete block at all: the episode ends; `reason` says what is missing."""

    reason: str


Action = RunCode | SearchText | SearchImage | Finish | InvalidCall | Malformed


# --- What a tool gave back ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CodeOutput:
    """Output of a code cell; `images` at full resolution, `failed` when the cell raised or timed out."""

    stdout: str = ""
    stderr: str = ""
    images: tuple[Image.Image, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class TextHits:
    """Results of a text search."""

    query: str
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageHits:
    """Results of an image search."""

    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolError:
    """A mistake of the policy that it is told about; the episode goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class InfraFailure:
    """The sandbox, the search engine or the judge failed: the episode ends unscored."""

    reason: str


ToolResult = CodeOutput | TextHits | ImageHits | ToolError | InfraFailure


# --- The policy's text -> Action ---------------------------------------------------------------------------

_BLOCKS = ("code", "tool_call", "answer")
_FENCE_OPENING = re.compile(r"```(?:python3?|py)?(?=\s)[ \t\r]*\n?")
_FENCE_CLOSING = re.compile(r"^[ \t]*```[ \t\r]*$", re.MULTILINE)
_ECHO_CHARS = 500
"""Characters of a bad call that its error message repeats."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch `text[start:end]` of a turn; `kind` is `think`, `code`, `tool_call`, `answer` or `text`."""

    kind: str
    start: int
    end: int


def parse_turn(text: str) -> Action:
    """What a turn asks for. Total: every string gives an action.

    The reasoning is everything up to the last `</think>` and is not searched for blocks. In the rest, the
    first kind present in the order answer, code, tool call wins (reference 1.1), and of several blocks the
    last.

    Args:
        text: The policy's whole turn, a pre-filled `<think>` included.

    Returns:
        The action, free of characters that cannot be encoded as UTF-8.
    """
    body = _encodable(text)[body_start(text) :]
    answers = [answer for answer in _contents(body, "answer") if answer.strip()]
    if answers:
        return Finish(answers[-1].strip())
    cells = _contents(body, "code")
    if cells:
        codes = [code for cell in cells if (code := _fenced(cell))]
        return RunCode(codes[-1]) if codes else Malformed("the <code> block holds no fenced python code")
    calls = [call for call in _contents(body, "tool_call") if call.strip()]
    if calls:
        return _parse_call(calls[-1].strip())
    return Malformed("the turn holds no complete <code>, <tool_call> or <answer> block")


def turn_spans(text: str) -> tuple[Span, ...]:
    """Cut a turn into reasoning, blocks and other text, for display.

    Args:
        text: The policy's whole turn.

    Returns:
        Spans in order that cover `text` without gaps or overlaps; tags belong to their span.
    """
    start = body_start(text)
    marks = [Span("think", 0, start)] if start else []
    for tag in _BLOCKS:
        marks += [Span(tag, begin, end) for begin, end in _block_bounds(text, tag, start)]
    spans: list[Span] = []
    position = 0
    for mark in sorted(marks, key=lambda span: span.start):
        if mark.start < position:
            continue
        if mark.start > position:
            spans.append(Span("text", position, mark.start))
        spans.append(mark)
        position = mark.end
    if position < len(text):
        spans.append(Span("text", position, len(text)))
    return tuple(spans)


def body_start(text: str) -> int:
    """Where a turn's reasoning ends: after its last `</think>`, or at 0.

    Args:
        text: The policy's whole turn.
    """
    return text.rfind("</think>") + len("</think>") if "</think>" in text else 0


def _block_bounds(text: str, tag: str, start: int = 0) -> list[tuple[int, int]]:
    """Bounds of the complete blocks of `tag` from `start` on, tags included; in linear time."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    bounds = []
    while (begin := text.find(opening, start)) >= 0:
        end = text.find(closing, begin)
        if end < 0:
            break
        start = end + len(closing)
        bounds.append((begin, start))
    return bounds


def _contents(text: str, tag: str) -> list[str]:
    return [text[begin + len(tag) + 2 : end - len(tag) - 3] for begin, end in _block_bounds(text, tag)]


def _fenced(cell: str) -> str:
    """The last non-blank fenced program of a code block, dedented, or an empty string."""
    programs = [program for program in _fence_contents(cell) if program.strip()]
    program = programs[-1].strip("\r\n") if programs else ""
    # Only where it must: it also empties the blank lines of a program's multi-line strings.
    return textwrap.dedent(program).strip("\r\n") if program[:1].isspace() else program


def _fence_contents(cell: str) -> list[str]:
    """Contents of the fences; a fence ends at backticks alone on a line, else at the next backticks."""
    contents = []
    opening = _FENCE_OPENING.search(cell)
    alone = True
    while opening:
        start = opening.end()
        closing = _FENCE_CLOSING.search(cell, start) if alone else None
        alone = closing is not None
        end, position = closing.span() if closing else (cell.find("```", start), cell.find("```", start) + 3)
        if end < 0:
            break
        contents.append(cell[start:end])
        opening = _FENCE_OPENING.search(cell, position)
    return contents


def _parse_call(call: str) -> SearchText | SearchImage | InvalidCall:
    try:
        return _read_call(json.loads(call), _echo(call))
    except (ValueError, RecursionError) as error:
        return InvalidCall(f"Error: Invalid tool call format: {_echo(call)}. Error: {_echo(str(error))}")


def _read_call(request: object, call: str) -> SearchText | SearchImage | InvalidCall:
    if not isinstance(request, dict) or "name" not in request:
        raise ValueError("expected a JSON object with a 'name'")
    name, arguments = request["name"], request.get("arguments")
    if name == "image_search":
        return SearchImage() if arguments is None else _read_image_search(arguments, call)
    if name != "search":
        return InvalidCall(f"Error: Invalid tool call name: {call}.")
    query = arguments.get("query") if isinstance(arguments, dict) else None
    if not isinstance(query, str) or not query.strip():
        return InvalidCall(f"Error: Invalid tool call parameters for search: {call}.")
    return SearchText(_encodable(query).strip())


def refused_image_search(call: str) -> str:
    """What upstream says of an image search with arguments.

    Args:
        call: The call as it was written.
    """
    return f"Error: Invalid tool call parameters for image search: {call}."


def _read_image_search(arguments: object, call: str) -> SearchImage | InvalidCall:
    if isinstance(arguments, dict) and arguments.keys() <= {"image", "region"}:
        image, region = arguments.get("image"), arguments.get("region")
        if image is None or _is_variable(image):
            if region is None:
                return SearchImage(image, None, call)
            if _is_region(region):
                left, top, right, bottom = region
                return SearchImage(image, (left, top, right, bottom), call)
    return InvalidCall(refused_image_search(call))


def _is_variable(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def _is_region(value: object) -> TypeGuard[list[float]]:
    """Whether a value is four numbers that make a part of some picture."""
    if not isinstance(value, list) or len(value) != 4 or not all(map(_is_coordinate, value)):
        return False
    left, top, right, bottom = value
    return max(left, 0) < right and max(top, 0) < bottom


def _is_coordinate(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -math.inf < value < math.inf  # `isfinite` cannot take a large integer


def _echo(text: str) -> str:
    return _encodable(text if len(text) <= _ECHO_CHARS else text[:_ECHO_CHARS] + "…")


def _encodable(text: str) -> str:
    """Lone surrogates (a JSON escape can make them) become question marks: nothing could store them."""
    return text.encode("utf-8", "replace").decode("utf-8")


# --- A tool's result -> observation text -------------------------------------------------------------------

_REMOVED = "Your browser can't play this video."
"""Web search boilerplate that upstream deletes (reference 1.4)."""

_TAGS = re.compile(r"<(?=/?(?:think|code|tool_call|tool_response|answer|image)>|\|)", re.IGNORECASE)


def neutralise(text: str) -> str:
    """Take the power from protocol tags and chat special tokens in text that others wrote.

    Their `<` becomes `‹` (U+2039), so the text stays readable, and a marker or control token in an
    observation is always the environment's own (reference 8.1, item 12). Idempotent.

    Args:
        text: Tool output or a question.

    Returns:
        Text without protocol tags, `<image>` markers, `<|...|>` tokens and lone surrogates.
    """
    return _TAGS.sub("‹", _encodable(text))


def render_result(result: ToolResult) -> str:
    """The observation of a tool's result, byte for byte as upstream (reference 1.4).

    Args:
        result: What the tool gave back. Image hits without a thumbnail are left out, as upstream does.

    Returns:
        Text with one `<image>` per image in order; an infrastructure failure shows nothing to the policy.
    """
    match result:
        case CodeOutput(stdout, stderr, images):
            return _render_code(stdout, stderr, len(images))
        case TextHits(query, hits):
            return _tool_response(
                f"A Google search for '{neutralise(query)}' found {len(hits)} results:",
                [_render_text_hit(rank, hit) for rank, hit in enumerate(hits, 1)],
            )
        case ImageHits(hits):
            shown = [hit for hit in hits if hit.thumbnail]
            return _tool_response(
                f"A Google image search for the image found {len(shown)} results:",
                [_render_image_hit(rank, hit) for rank, hit in enumerate(shown, 1)],
            )
        case ToolError(message):
            return neutralise(message)
        case InfraFailure():
            return ""


def _render_code(stdout: str, stderr: str, image_count: int) -> str:
    body = (
        f"Code execution result:\nstdout:\n```\n{neutralise(stdout)}\n```\n\n"
        f"stderr:\n```\n{neutralise(stderr)}\n```\n\n"
    )
    return (body + (f"Images:\n{IMAGE_MARKER * image_count}" if image_count else "")).strip()


def _render_text_hit(rank: int, hit: Hit) -> str:
    date = f"\nDate published: {_web_text(hit.date)}" if hit.date else ""
    snippet = f"\n{_web_text(hit.snippet)}" if hit.snippet else ""
    return f"{rank}. [{_web_text(hit.title)}]({_web_text(hit.url)}){date}\n{snippet}"


def _render_image_hit(rank: int, hit: Hit) -> str:
    return f"{rank}. {IMAGE_MARKER}\n[{_web_text(hit.title)}] \n"


def _web_text(text: str) -> str:
    # Removed first: what is left around it could read as a tag.
    return neutralise(text.replace(_REMOVED, ""))


def _tool_response(headline: str, items: list[str]) -> str:
    listing = "\n\n".join(items)
    return f"<tool_response>\n{headline}\n\n## Web Results\n{listing}\n</tool_response>"
