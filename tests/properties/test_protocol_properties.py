"""The parser is total, templates are exact, and nothing that others wrote can pass for a control token."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import (
    CodeOutput,
    Finish,
    InvalidCall,
    Malformed,
    RunCode,
    SearchImage,
    SearchText,
    ToolError,
    neutralise,
    parse_turn,
    render_result,
    turn_spans,
)
from deepeyes_env.task import Answer, Task
from deepeyes_env.testing import grammatical_turns, hostile_texts, image_searches, tool_results, turns

PICTURE = EncodedImage.from_pil(Image.new("RGB", (28, 28)))
ACTIONS = RunCode | SearchText | SearchImage | Finish | InvalidCall | Malformed


@given(turns())
def test_any_text_gives_an_action_that_can_be_stored(text: str) -> None:
    action = parse_turn(text)
    assert isinstance(action, ACTIONS)
    repr(action).encode("utf-8")


@given(grammatical_turns())
def test_grammatical_turns_are_understood(text: str) -> None:
    assert not isinstance(parse_turn(text), InvalidCall | Malformed)


@given(turns())
def test_an_image_search_names_what_could_be_there(text: str) -> None:
    action = parse_turn(text)
    if isinstance(action, SearchImage):
        assert action.image is None or action.image.isidentifier()
        left, top, right, bottom = action.region or (0, 0, 1, 1)
        assert max(left, 0) < right < math.inf
        assert max(top, 0) < bottom < math.inf


@given(image_searches())
def test_the_papers_grammar_refuses_all_arguments(call: str) -> None:
    turn = f"<think>a</think><tool_call>{call}</tool_call>"
    task = Task("made/up/0", "?", (PICTURE,), Answer("7"), frozenset(), "made-up")
    episodes = [
        Episode(task, EnvConfig(image_search=kind))  # type: ignore[arg-type]
        for kind in ("crop", "original")
    ]
    for episode in episodes:
        episode.start()
    assert episodes[0].act(turn) == parse_turn(turn)
    refusal = ToolError(f"Error: Invalid tool call parameters for image search: {call}.")
    assert episodes[1].act(turn) == (refusal if "arguments" in call else SearchImage())


@given(grammatical_turns(), hostile_texts())
def test_reasoning_is_never_searched_for_blocks(turn: str, thought: str) -> None:
    body = turn.partition("</think>")[2]
    assert parse_turn(f"<think>{thought}</think>{body}") == parse_turn(f"<think></think>{body}")


@given(turns())
def test_an_answer_is_stripped_and_not_empty(text: str) -> None:
    action = parse_turn(text)
    if isinstance(action, Finish):
        assert action.answer
        assert action.answer == action.answer.strip()


@given(turns())
def test_spans_cover_the_turn(text: str) -> None:
    spans = turn_spans(text)
    assert "".join(text[span.start : span.end] for span in spans) == text
    assert all(span.start < span.end for span in spans)


@given(hostile_texts())
def test_neutralised_text_holds_no_tag_and_stays_so(text: str) -> None:
    safe = neutralise(text)
    assert len(safe) == len(text)
    assert neutralise(safe) == safe
    assert "<|" not in safe
    assert not re.search(r"</?(think|code|tool_call|tool_response|answer|image)>", safe)


@given(hostile_texts(), hostile_texts(), st.integers(0, 3))
def test_a_code_observation_can_be_read_back(stdout: str, stderr: str, images: int) -> None:
    from PIL import Image

    picture = Image.new("RGB", (28, 28))
    text = render_result(CodeOutput(stdout, stderr, (picture,) * images))
    expected = (
        f"Code execution result:\nstdout:\n```\n{neutralise(stdout)}\n```\n\n"
        f"stderr:\n```\n{neutralise(stderr)}\n```"
    )
    assert text == expected + (f"\n\nImages:\n{'<image>' * images}" if images else "")


@given(tool_results())
def test_rendered_results_hold_only_our_own_tags(result: object) -> None:
    text = render_result(result)  # type: ignore[arg-type]
    assert "<|" not in text
    assert not re.search(r"</?(think|code|tool_call|answer)>", text)
    assert text.count("<tool_response>") == text.count("</tool_response>") <= 1
