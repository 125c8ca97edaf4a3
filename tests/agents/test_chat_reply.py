"""What servers take apart is put together again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.chat.reply import Reply
from deepeyes_env.chat_parts import up_to_stop
from deepeyes_env.protocol import STOP_STRINGS, RunCode, SearchImage, SearchText, parse_turn
from deepeyes_env.testing import grammatical_turns


def reply(*deltas: dict[str, Any], reason: str | None = "stop", **last: Any) -> Reply:
    whole = Reply()
    for delta in deltas:
        whole.add({"choices": [{"delta": delta}]})
    whole.add({"choices": [{"delta": {}, "finish_reason": reason, **last}]})
    return whole


def said(text: str, **last: Any) -> str:
    return reply({"content": text}, **last).turn(STOP_STRINGS)


@given(grammatical_turns(), st.data())
def test_a_dropped_stop_string_is_put_back(turn: str, data: st.DataObject) -> None:
    """As OpenAI-compatible servers cut it: before the first stop string."""
    turn = up_to_stop(turn, STOP_STRINGS)
    closing = next((string for string in STOP_STRINGS if turn.endswith(string)), "")
    sent = turn.removesuffix(closing)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    bounds = [0, *cuts, len(sent)]
    pieces = [{"content": sent[start:stop]} for start, stop in itertools.pairwise(bounds)]
    opened = [string for string in STOP_STRINGS if string.replace("/", "") in sent]
    if len(opened) == 1:
        assert reply(*pieces).turn(STOP_STRINGS) == turn
    assert reply(*pieces, stop_reason=closing or None).turn(STOP_STRINGS) == turn


@given(st.text(), st.sampled_from(["stop", "length", "content_filter", None]))
def test_any_text_becomes_a_turn(text: str, reason: str | None) -> None:
    turn = said(text, reason=reason)
    turn.encode()  # raises where it holds what nothing can store
    assert sum(turn.count(string) for string in STOP_STRINGS) <= 1
    parse_turn(turn)


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("<think>a</think><code>\n```python\nprint(1)\n```\n", "<code>\n```python\nprint(1)\n```\n</code>"),
        ("<answer>7", "<answer>7</answer>"),
        ("<answer>7</answer>", "<answer>7</answer>"),
        ("<answer>7</answer> bye", "<answer>7</answer>"),
        ("no block", "no block"),
        ("", ""),
    ],
)
def test_the_open_block_is_closed(text: str, turn: str) -> None:
    assert said(text).endswith(turn)


def test_a_block_that_the_limit_left_open_stays_open() -> None:
    assert said("<answer>7", reason="length") == "<answer>7"


def test_vllm_says_whether_a_block_was_left_open() -> None:
    assert said("<answer>7", stop_reason=None) == "<answer>7"
    assert said("<answer>7", stop_reason="</answer>") == "<answer>7</answer>"
    assert said("<answer>7", stop_reason=151645) == "<answer>7"


def test_reasoning_of_its_own_field_is_thinking() -> None:
    for name in ("reasoning_content", "reasoning"):
        whole = reply({name: "look "}, {name: "closer"}, {"content": "<answer>7"})
        assert whole.turn(STOP_STRINGS) == "<think>look closer</think>\n<answer>7</answer>"


@pytest.mark.parametrize("thought", ["It ends with </answer>.", "No <code>...</code> here.", "First <code>"])
@pytest.mark.parametrize("last", [{}, {"stop_reason": "</answer>"}])
def test_tags_that_reasoning_mentions_are_talk(thought: str, last: dict[str, Any]) -> None:
    for content in ("<answer>7</answer>", "<answer>7", "<answer>7</answer> bye"):
        whole = reply({"reasoning": thought}, {"content": content}, **last)
        assert whole.turn(STOP_STRINGS) == f"<think>{thought}</think>\n<answer>7</answer>"


def test_nothing_is_closed_for_what_reasoning_mentions() -> None:
    whole = reply({"reasoning": "Now <answer>"}, {"content": "seven"})
    assert whole.turn(STOP_STRINGS) == "<think>Now <answer></think>\nseven"


def test_reasoning_that_a_stop_string_ended_is_the_turn() -> None:
    whole = reply({"reasoning": "So <answer>7</answer> and"}, {"content": "\n"})
    assert whole.turn(STOP_STRINGS) == "<think>So <answer>7</answer>"
    for last in ({}, {"stop_reason": "</answer>"}):  # and the server has left it out
        whole = reply({"reasoning": "So <answer>7"}, **last)
        assert whole.turn(STOP_STRINGS) == "<think>So <answer>7</answer>"


def test_tool_calls_of_their_own_field_are_text() -> None:
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "search", "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": part}} for part in ('{"query": ', '"river"}')]
    calls = [{"tool_calls": [part]} for part in (call, *rest)]
    turn = reply({"content": "<think>x</think>"}, *calls, reason="tool_calls").turn(STOP_STRINGS)
    assert parse_turn(turn) == SearchText("river")
    call["function"] = {"name": "image_search", "arguments": "{}"}
    assert parse_turn(reply({"tool_calls": [call]}, reason="tool_calls").turn(STOP_STRINGS)) == SearchImage()


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert said("a\ud83d") == "a?"


def test_code_in_the_middle_is_performed() -> None:
    assert parse_turn(said("<code>\n```python\n1+1\n```\n")) == RunCode("1+1")
