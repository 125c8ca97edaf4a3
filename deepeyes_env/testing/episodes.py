"""Checks of observations and episodes: the rules that hold whatever a policy says and a tool gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from deepeyes_env.episode import Effect, End, Episode, Observation
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER, RunCode, SearchImage, SearchText, ToolError, ToolResult

ToolCall = RunCode | SearchText | SearchImage | ToolError
"""The effects that are answered by a result."""


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
