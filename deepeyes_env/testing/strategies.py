"""Hypothesis strategies for turns, tasks and tool results. Needs `hypothesis` (the `dev` extra)."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import CodeOutput, ImageHits, InfraFailure, TextHits, ToolError, ToolResult
from deepeyes_env.search.base import Hit
from deepeyes_env.task import Answer, Skill, Task

CONTROL_TEXTS = (
    "<think>", "</think>", "<code>", "</code>", "<tool_call>", "</tool_call>", "<answer>", "</answer>",
    "<tool_response>", "</tool_response>", "<image>", "<|im_end|>", "<|im_start|>", "<|image_pad|>", "```",
    "```python\n", "\n```\n", '{"name": "search"', '"arguments"', "image_1",
    '{"name": "image_search", "arguments": {"region": [0, 0, 1e999, NaN]', '"image": "', '"region": [',
)  # fmt: skip
"""Pieces that a hostile text would be made of."""


def hostile_texts() -> st.SearchStrategy[str]:
    """Any text, with tags, markers and control tokens strewn in; lone surrogates too."""
    anything = st.text(st.characters(), max_size=40)
    pieces = st.lists(st.one_of(st.sampled_from(CONTROL_TEXTS), anything), max_size=12)
    return st.one_of(anything, pieces.map("".join))


def grammatical_turns() -> st.SearchStrategy[str]:
    """Turns in one of the grammar's shapes."""
    plain = st.text(st.characters(exclude_characters="<>`", exclude_categories=["Cs"]), max_size=40)
    code = st.sampled_from(
        ["print(image_1.size)", "x = 6 * 7\nprint(x)", "image_1.crop((0, 0, 9, 9))", "1 / 0"]
    )
    query = plain.filter(str.strip).map(
        lambda text: json.dumps({"name": "search", "arguments": {"query": text}}, ensure_ascii=False)
    )
    blocks = st.one_of(
        code.map(lambda text: f"<code>\n```python\n{text}\n```\n</code>"),
        query.map(lambda call: f"<tool_call>\n{call}\n</tool_call>"),
        image_searches().map(lambda call: f"<tool_call>\n{call}\n</tool_call>"),
        plain.filter(str.strip).map(lambda text: f"<answer>{text}</answer>"),
    )
    return st.builds(lambda thought, block: f"<think>{thought}</think>\n{block}", plain, blocks)


def image_searches() -> st.SearchStrategy[str]:
    """Calls of image search: the original's, and those that name a picture, a part of it, or both."""
    left, length = st.floats(-50, 80), st.floats(1, 1e6)
    region = st.builds(lambda x, y, w, h: [x, y, max(x, 0) + w, max(y, 0) + h], left, left, length, length)
    image = st.sampled_from(["image_1", "image_2", "image_9", "x", "crop"])
    given = st.fixed_dictionaries({}, optional={"image": st.none() | image, "region": st.none() | region})
    calls = given.map(lambda arguments: {"name": "image_search", "arguments": arguments})
    return st.one_of(st.just({"name": "image_search"}), calls).map(json.dumps)


def turns() -> st.SearchStrategy[str]:
    """Grammatical turns, turns broken at random places, and hostile texts."""
    broken = st.builds(_splice, grammatical_turns(), st.floats(0, 1), st.floats(0, 1), hostile_texts())
    return st.one_of(grammatical_turns(), broken, hostile_texts())


def pictures() -> st.SearchStrategy[Image.Image]:
    """Plain RGB pictures, impossibly narrow and empty ones included."""
    side = st.sampled_from([0, 1, 2, 27, 28, 60, 300])
    return st.builds(lambda width, height: Image.new("RGB", (width, height), "teal"), side, side)


def encoded_images() -> st.SearchStrategy[EncodedImage]:
    """Encoded pictures that can be observed."""
    side = st.integers(28, 90)
    colour = st.tuples(*[st.integers(0, 255)] * 3)
    return st.builds(
        lambda width, height, rgb: EncodedImage.from_pil(Image.new("RGB", (width, height), rgb)),
        side,
        side,
        colour,
    )


def questions() -> st.SearchStrategy[Task]:
    """Tasks with hostile questions, one or two images and a short answer."""
    return st.builds(
        Task,
        id=st.just("made/up/0"),
        question=hostile_texts(),
        images=st.lists(encoded_images(), min_size=1, max_size=2).map(tuple),
        answer=st.builds(Answer, text=st.sampled_from(["7", "blue", "B", "12.5", "\\frac{1}{2}"])),
        skills=st.frozensets(st.sampled_from(list(Skill))),
        family=st.just("made-up"),
    )


def tool_results() -> st.SearchStrategy[ToolResult]:
    """Anything a tool may give back, hostile texts and impossible pictures included."""
    hits = st.lists(
        st.builds(
            Hit,
            rank=st.just(1),
            title=hostile_texts(),
            url=hostile_texts(),
            snippet=hostile_texts(),
            date=st.none() | hostile_texts(),
            thumbnail=st.none() | encoded_images(),
        ),
        max_size=7,
    ).map(tuple)
    return st.one_of(
        st.builds(
            CodeOutput,
            stdout=hostile_texts(),
            stderr=hostile_texts(),
            images=st.lists(pictures(), max_size=12).map(tuple),
            failed=st.booleans(),
        ),
        st.builds(TextHits, query=hostile_texts(), hits=hits),
        st.builds(ImageHits, hits=hits),
        st.builds(ToolError, message=hostile_texts()),
        st.builds(InfraFailure, reason=hostile_texts()),
    )


def _splice(turn: str, start: float, end: float, insert: str) -> str:
    low, high = sorted((int(start * len(turn)), int(end * len(turn))))
    return turn[:low] + insert + turn[high:]
