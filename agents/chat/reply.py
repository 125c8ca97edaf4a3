"""Puts a turn's text together from the pieces of a stream, in the policy's own grammar.

Servers take apart what models write: they drop the stop string that ended a turn, and move reasoning and tool
calls into fields of their own. All of it goes back to where the model wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter

from agents.chat.account import Usage
from deepeyes_env.chat_parts import dropped_stop, split_for_stop, thinking, up_to_stop


class _Function(BaseModel):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(BaseModel):
    index: int = 0
    function: _Function | None = None


class _Delta(BaseModel):
    content: str | None = None
    # `reasoning_content` is DeepSeek's and vLLM's former name of it, `reasoning` vLLM's and OpenRouter's.
    reasoning: str | None = Field(None, validation_alias=AliasChoices("reasoning_content", "reasoning"))
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    delta: _Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None


class _CachedTokens(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    prompt_tokens_details: _CachedTokens | None = None


class _Piece(BaseModel):
    choices: list[_Choice] = []
    usage: _Usage | None = None


_PIECE = TypeAdapter(_Piece)


@dataclass(slots=True)
class _Call:
    """A tool call as it comes in: the pieces of its name and of its arguments."""

    name: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """One turn as it comes in.

    Attributes:
        pieces: Pieces with text so far; most servers send one per token.
        written: Characters so far; a piece counts as one at least.
        finish_reason: Why the stream ended, in the server's words, or None while it goes on.
        usage: Tokens, once the server has told them.
    """

    pieces: int = 0
    written: int = 0
    finish_reason: str | None = None
    usage: Usage | None = None
    _content: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _calls: dict[int, _Call] = field(default_factory=dict)
    _stop_reason: str | int | None = None
    _tells_stop_reason: bool = False

    def add(self, piece: Any) -> None:
        """Take one piece of the stream.

        Args:
            piece: A decoded chunk of `chat.completions`.

        Raises:
            pydantic.ValidationError: It is none.
        """
        chunk = _PIECE.validate_python(piece)
        for choice in chunk.choices[:1]:
            if choice.delta is not None:
                self._add_delta(choice.delta)
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
                self._tells_stop_reason = "stop_reason" in choice.model_fields_set
                self._stop_reason = choice.stop_reason
        if chunk.usage is not None:
            details = chunk.usage.prompt_tokens_details
            cached = (details.cached_tokens if details else None) or 0
            self.usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens, cached)

    def _add_delta(self, delta: _Delta) -> None:
        parts = [(self._content, delta.content), (self._reasoning, delta.reasoning)]
        for call in delta.tool_calls or ():
            written = self._calls.setdefault(call.index, _Call())
            if call.function is not None:
                parts += [(written.name, call.function.name), (written.arguments, call.function.arguments)]
        length = 0
        for pieces, text in parts:
            if text:
                pieces.append(text)
                length += len(text)
        if length or delta.tool_calls:
            self.pieces += 1
            self.written += max(length, 1)

    def so_far(self, stop: Sequence[str]) -> str:
        """What the model has written, for the eye: all of its reasoning, the rest up to a stop string."""
        thought, text = self._written()
        return thought + up_to_stop(text, stop)

    def has_stopped(self, stop: Sequence[str]) -> bool:
        """Whether one of these strings has been written; calls in pieces are whole only in the end."""
        content = "".join(self._content)
        return any(string in content for string in stop)

    def turn(self, stop: Sequence[str]) -> str:
        """The whole turn: with the stop string that ended it, and nothing after the first one."""
        thought, text = split_for_stop(*self._written())
        if self.finish_reason == "stop":
            text += self._dropped(text, stop)
        return thought + up_to_stop(text, stop)

    def _written(self) -> tuple[str, str]:
        """The reasoning in a field of its own, in its tags again, and the rest."""
        content = "".join([*self._content, *map(_call_text, self._calls.values())])
        return _storable(thinking("".join(self._reasoning))), _storable(content)

    def _dropped(self, text: str, stop: Sequence[str]) -> str:
        """The stop string that the server left out, or nothing."""
        if self._tells_stop_reason:  # vLLM says what stopped it: a string, or nothing at the end of a turn
            reason = self._stop_reason
            return reason if isinstance(reason, str) and not text.endswith(reason) else ""
        return dropped_stop(text, stop)


def _storable(text: str) -> str:
    """The text with question marks for lone surrogates, which nothing can store."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _call_text(call: _Call) -> str:
    """A tool call as Qwen's models write it."""
    name, arguments = "".join(call.name), "".join(call.arguments)
    given = "" if arguments.strip() in ("", "{}") else f', "arguments": {arguments}'
    return f'\n<tool_call>\n{{"name": {json.dumps(name)}{given}}}\n</tool_call>'
