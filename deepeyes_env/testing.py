"""Conformance kit: hypothesis strategies and checks for everything that drives or extends an episode.

Third parties use it in their own tests: a new tool, reward or adapter must keep `check_episode` happy for any
turns that `turns()` gives. Needs `hypothesis` (the `dev` extra).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.episode import Effect, End, Episode, Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import (
    IMAGE_MARKER,
    CodeOutput,
    ImageHits,
    InfraFailure,
    RunCode,
    SearchImage,
    SearchText,
    TextHits,
    ToolError,
    ToolResult,
)
from deepeyes_env.sandbox.conformance import check_sandbox as check_sandbox
from deepeyes_env.search.base import Hit, SearchEngine
from deepeyes_env.search.conformance import check_search_engine as check_search_engine
from deepeyes_env.task import Answer, Skill, Split, Task

CONTROL_TEXTS = (
    "<think>", "</think>", "<code>", "</code>", "<tool_call>", "</tool_call>", "<answer>", "</answer>",
    "<tool_response>", "</tool_response>", "<image>", "<|im_end|>", "<|im_start|>", "<|image_pad|>", "```",
    "```python\n", "\n```\n", '{"name": "search"', '"arguments"', "image_1",
    '{"name": "image_search", "arguments": {"region": [0, 0, 1e999, NaN]', '"image": "', '"region": [',
)  # fmt: skip
"""Pieces that a hostile text would be made of."""

ToolCall = RunCode | SearchText | SearchImage | ToolError
"""The effects that are answered by a result."""


@dataclass(frozen=True)
class ListSource:
    """A task source over tasks in memory, the same in every split.

    Attributes:
        tasks: The tasks.
        engine: The search engine, or None.
        name: Name of the source.
    """

    tasks: Sequence[Task]
    engine: SearchEngine | None = None
    name: str = "list"

    def size(self, split: Split) -> int:
        """Number of tasks."""
        return len(self.tasks)

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index`."""
        return self.tasks[index]

    def search_engine(self) -> SearchEngine | None:
        """The engine given."""
        return self.engine


# --- Strategies --------------------------------------------------------------------------------------------


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


# --- Checks ------------------------------------------------------------------------------------------------


def check_observation(observation: Observation) -> None:
    """Assert that an observation can be shown to a model.

    Every `<image>` marker is an image, and no text of others can pass for a control token.

    Raises:
        AssertionError: It cannot.
    """
    text, images = observation.text, observation.images
    assert text.count(IMAGE_MARKER) == len(images), (
        f"{text.count(IMAGE_MARKER)} markers stand for {len(images)} images"
    )
    assert "<|" not in text, "the text holds a chat special token"
    text.encode("utf-8")
    for image in images:
        assert image.decode().size == (image.width, image.height), "an image's size is not that of its pixels"
        assert image.width % 28 == 0, f"width {image.width} is no multiple of 28"
        assert image.height % 28 == 0, f"height {image.height} is no multiple of 28"


def check_episode(
    make: Callable[[], Episode], texts: Iterable[str], perform: Callable[[ToolCall], ToolResult]
) -> Episode:
    """Drive an episode and assert every rule that holds for all of them.

    Args:
        make: Makes a fresh episode; called twice, to see that it repeats.
        texts: The policy's turns. Those after the end are not used; if they run out, it is truncated.
        perform: Gives the result of an effect; must give the same result for the same sequence of effects.

    Returns:
        The finished episode.

    Raises:
        AssertionError: A rule is broken; the message says which.
    """
    script = list(texts)
    results: list[ToolResult] = []

    def record(effect: ToolCall) -> ToolResult:
        results.append(effect if isinstance(effect, ToolError) else perform(effect))
        return results[-1]

    episode = _drive(make(), script, record)
    replay = iter(results)
    again = _drive(make(), script, lambda _: next(replay))
    assert again.observations == episode.observations, "the same turns and results gave other observations"
    assert again.result == episode.result, "the same turns and results gave another outcome"
    return episode


def _drive(episode: Episode, script: Sequence[str], perform: Callable[[ToolCall], ToolResult]) -> Episode:
    check_observation(episode.start())
    for text in script:
        effect: Effect = episode.act(text)
        if isinstance(effect, End):
            break
        assert episode.outcome is None, "an effect is due in an episode that has ended"
        observation = episode.observe(perform(effect))
        assert (observation is None) == (episode.outcome is not None), (
            "an end shows nothing, all else something"
        )
        if observation is None:
            break
        check_observation(observation)
        assert len(observation.images) <= episode.config.max_images_per_turn, "too many images in one turn"
    episode.truncate()
    _check_end(episode)
    return episode


def _check_end(episode: Episode) -> None:
    assert len(episode.turns) == len(episode.actions) <= episode.config.max_turns, "too many turns"
    assert episode.image_count <= max(episode.config.max_images, len(episode.task.images)), "too many images"
    budget, shown = episode.config.max_episode_pixels, episode.observations
    over = budget is not None and episode.pixel_count > max(budget, sum(i.pixels for i in shown[0].images))
    assert not over, "too many pixels"
    assert (episode.outcome is Outcome.ANSWERED) == (episode.answer is not None), "answered without an answer"
    try:
        episode.act("<think></think><answer>late</answer>")
    except RuntimeError:
        return
    raise AssertionError("an ended episode took another turn")


def arrays_equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether two observations' images are the same, pixel by pixel."""
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
