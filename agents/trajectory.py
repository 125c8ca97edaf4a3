"""A finished episode as trainers see it: token-exact, with its images by reference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agents.vocabulary import IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START, Vocabulary
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.rewards.base import Reward

SCHEMA_VERSION = 2
"""Version of the stored form; readers refuse any other."""


@dataclass(frozen=True, slots=True)
class ImageSpan:
    """Where one image's expanded placeholder tokens stand in `input_ids`.

    Attributes:
        start: Index of the first `<|image_pad|>`.
        length: Number of placeholder tokens = `grid[0] * grid[1] * grid[2] / 4` for merge size 2.
        grid: `(t, h, w)` in 14-pixel patches, as `image_grid_thw`.
    """

    start: int
    length: int
    grid: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the policy and what it led to.

    Attributes:
        start: Index in `input_ids` of the first sampled token of the turn.
        end: Index after the last sampled token.
        text: The policy's own text as the environment parsed it (prefill included).
        action: `code`, `search`, `image_search`, `answer`, `invalid` or `malformed`.
        observation: Text of the tool's result with `<image>` markers; empty after the last turn.
        tool_ok: Whether the tool ran without error; None when no tool ran.
        finish_reason: `stop` or `length`.
    """

    start: int
    end: int
    text: str
    action: str
    observation: str = ""
    tool_ok: bool | None = None
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class SeedLineage:
    """Which draw this is: everything needed to sample it again."""

    run_seed: int
    step: int = 0
    prompt: int = 0
    sample: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """One episode, token-exact.

    Shapes: `T` tokens, `I` images. `sum(loss_mask)` is the number of tokens the policy sampled.

    Attributes:
        task_id: The task's name.
        family: The task's family.
        skills: What the task needs (`perception`, `reasoning`, `search`), sorted.
        system_prompt: Text of the system message.
        prompt: Text of the first observation, with `<image>` markers.
        question: The question's text (for reports).
        reference: The reference answer (for reports).
        answer: The policy's final answer or None.
        input_ids: int64 `[T]`; prompt, sampled and observation tokens, image placeholders expanded.
        loss_mask: bool `[T]`; True exactly on sampled tokens.
        logprobs: float32 `[T]`; log-probability under the sampling policy where `loss_mask`, else 0.
        images: The `I` images in order of appearance, exactly as the model saw them.
        image_spans: The `I` spans of their placeholder tokens.
        turns: The policy's turns.
        reward: The reward and its parts; meaningless when `outcome` is `infra_failed`.
        outcome: How the episode ended.
        lineage: Which draw this is.
        token_exact: Whether ids and log-probabilities are those that a policy sampled. False for scripts and
            chat APIs, which give text: their turns were encoded here, with log-probability 0.
        versions: Names and versions of what produced it.
    """

    task_id: str
    family: str
    skills: tuple[str, ...]
    system_prompt: str
    prompt: str
    question: str
    reference: str
    answer: str | None
    input_ids: npt.NDArray[np.int64]
    loss_mask: npt.NDArray[np.bool_]
    logprobs: npt.NDArray[np.float32]
    images: tuple[EncodedImage, ...]
    image_spans: tuple[ImageSpan, ...]
    turns: tuple[Turn, ...]
    reward: Reward
    outcome: Outcome
    lineage: SeedLineage
    token_exact: bool = True
    versions: Mapping[str, str] = field(default_factory=dict)


class TrajectoryError(ValueError):
    """A trajectory breaks an invariant; the message names the task, the sample and the invariant."""


def check_trajectory(trajectory: Trajectory, *, hashes: bool = True) -> None:
    """Check everything that a trainer relies on, whatever the tokenizer; `check_tokens` does the rest.

    * All token arrays are one-dimensional, equally long and of the documented types; ids are not negative.
    * Turns are non-empty, in order, and apart; `loss_mask` is True exactly inside them.
    * Log-probabilities are finite and at most 0, and 0 outside the turns.
    * Images and spans pair up in order, outside the turns; a span is as long as its grid says, its grid fits
      its image, and the placeholder id stands in the spans and nowhere else.
    * Before the first turn stand as many images as the prompt has markers, between two turns as many as the
      observation has.
    * Every image's bytes have the image's hash; accuracy and format lie in [0, 1], the total is finite.

    Args:
        trajectory: What to check.
        hashes: Whether to hash the images' bytes too: about a millisecond a megabyte, and done already when
            the trajectory comes from a store.

    Raises:
        TrajectoryError: The first invariant that does not hold.
    """
    with _named(trajectory):
        _check_arrays(trajectory)
        _check_turns(trajectory)
        _check_images(trajectory)
        _check_reward(trajectory.reward)
        if hashes:
            _check_hashes(trajectory.images)


def check_tokens(trajectory: Trajectory, vocabulary: Vocabulary) -> None:
    """Check a sound trajectory's ids by their meaning, before a model sees them.

    * Every id is in the vocabulary.
    * No sampled id is banned, and the end of a turn was sampled at most at the end of one.
    * `<|image_pad|>` stands in the image spans and nowhere else, between `<|vision_start|>` and
      `<|vision_end|>`; there is no `<|video_pad|>`.

    Args:
        trajectory: What `check_trajectory` finds sound.
        vocabulary: The tokenizer of the model that is to see it.

    Raises:
        TrajectoryError: The first invariant that does not hold.
    """
    with _named(trajectory):
        _check_ids(trajectory, vocabulary)
        _check_placeholders(trajectory, vocabulary)


@contextmanager
def _named(trajectory: Trajectory) -> Iterator[None]:
    try:
        yield
    except TrajectoryError as error:
        raise TrajectoryError(f"trajectory {trajectory.task_id!r} {trajectory.lineage}: {error}") from None


ARRAYS = {"input_ids": np.int64, "loss_mask": np.bool_, "logprobs": np.float32}
"""The token arrays and their types."""

_LOGPROB_SLACK = 1e-4
"""Rounding that some engines show above log-probability 0."""


def _require(condition: object, message: str) -> None:
    if not condition:
        raise TrajectoryError(message)


def _check_arrays(trajectory: Trajectory) -> None:
    shape = trajectory.input_ids.shape
    _require(len(shape) == 1, f"input_ids has shape {shape}, not one dimension")
    for name, dtype in ARRAYS.items():
        array = getattr(trajectory, name)
        _require(array.shape == shape, f"{name} has shape {array.shape}, input_ids {shape}")
        _require(array.dtype == dtype, f"{name} has type {array.dtype}, not {np.dtype(dtype)}")
    _require((trajectory.input_ids >= 0).all(), "input_ids holds a negative id")
    _require(np.isfinite(trajectory.logprobs).all(), "a log-probability is not finite")
    _require((trajectory.logprobs <= _LOGPROB_SLACK).all(), "a log-probability is above 0")
    outside = trajectory.logprobs[~trajectory.loss_mask]
    _require((outside == 0).all(), "a token that was not sampled has a log-probability")


def _check_turns(trajectory: Trajectory) -> None:
    mask, end = np.zeros_like(trajectory.loss_mask), 0
    for number, turn in enumerate(trajectory.turns):
        where = f"turn {number} at {turn.start}:{turn.end}"
        _require(end < turn.start < turn.end <= len(mask), f"{where} is empty, out of order or out of range")
        _require(turn.finish_reason in ("stop", "length"), f"{where} finished by {turn.finish_reason!r}")
        mask[turn.start : turn.end] = True
        end = turn.end
    _require((mask == trajectory.loss_mask).all(), "loss_mask is not the union of the turns")


def _check_images(trajectory: Trajectory) -> None:
    ids, spans = trajectory.input_ids, trajectory.image_spans
    _require(len(spans) == len(trajectory.images), f"{len(spans)} spans for {len(trajectory.images)} images")
    placeholder, end = np.zeros_like(trajectory.loss_mask), 0
    for number, (span, image) in enumerate(zip(spans, trajectory.images, strict=True)):
        where, (t, h, w) = f"image {number} at {span.start}", span.grid
        _require(t == 1 and h > 0 and w > 0 and h % 2 == w % 2 == 0, f"{where} has the grid {span.grid}")
        _require(
            span.length == h * w // 4, f"{where} has {span.length} placeholders for the grid {span.grid}"
        )
        _require((image.height, image.width) == (14 * h, 14 * w), f"{where} does not have its grid's size")
        _require(end <= span.start <= len(ids) - span.length, f"{where} is out of order or out of range")
        end = span.start + span.length
        placeholder[span.start : end] = True
    _require(not (placeholder & trajectory.loss_mask).any(), "an image placeholder counts as sampled")
    if spans:
        same = ids == ids[spans[0].start]
        _require((same == placeholder).all(), "placeholder tokens and image spans disagree")
    first = trajectory.turns[0].start if trajectory.turns else len(ids)
    shown, markers = sum(span.start < first for span in spans), trajectory.prompt.count(IMAGE_MARKER)
    _require(shown == markers, f"{shown} images before the first turn, whose prompt marks {markers}")
    for number, turn in enumerate(trajectory.turns):
        following = trajectory.turns[number + 1 :]
        stop = following[0].start if following else len(ids)
        shown = sum(turn.end <= span.start < stop for span in spans)
        markers = turn.observation.count(IMAGE_MARKER)
        _require(shown == markers, f"{shown} images after turn {number}, whose observation marks {markers}")


def _check_hashes(images: Sequence[EncodedImage]) -> None:
    for number, image in enumerate(images):
        same = hashlib.sha256(image.data).hexdigest() == image.sha256
        _require(same, f"image {number} is not what its hash says")


def _check_ids(trajectory: Trajectory, vocabulary: Vocabulary) -> None:
    ids, mask = trajectory.input_ids, trajectory.loss_mask
    unknown = np.flatnonzero(ids >= vocabulary.size)
    if unknown.size:
        raise TrajectoryError(
            f"id {ids[unknown[0]]} at {unknown[0]} is not in the vocabulary of {vocabulary.size}; read the "
            "trajectory with the tokenizer that wrote it"
        )
    inside = mask.copy()
    inside[[turn.end - 1 for turn in trajectory.turns]] = False
    forbidden = np.isin(ids, sorted(vocabulary.banned_ids)) & mask | (ids == vocabulary.im_end) & inside
    places = np.flatnonzero(forbidden)
    if places.size:
        raise TrajectoryError(
            f"control token {vocabulary.name(ids[places[0]])} was sampled at {places[0]} ({places.size} in "
            "all); ban it where the trajectory was sampled, and leave this one out"
        )


def _check_placeholders(trajectory: Trajectory, vocabulary: Vocabulary) -> None:
    ids, spans = trajectory.input_ids, trajectory.image_spans
    placeholders = int((ids == vocabulary.image_pad).sum())
    expected = sum(span.length for span in spans)
    # The ids in the spans are all the same and stand nowhere else: `check_trajectory` has seen to that.
    right = placeholders == expected and all(ids[span.start] == vocabulary.image_pad for span in spans)
    _require(
        right,
        f"{placeholders} {IMAGE_PAD} stand for {len(spans)} images of {expected} visual tokens in all; read "
        "the trajectory with the tokenizer that wrote it",
    )
    _require(not (ids == vocabulary.id(VIDEO_PAD)).any(), f"it holds {VIDEO_PAD}, but no video")
    for number, span in enumerate(spans):
        start, stop = span.start - 1, span.start + span.length
        framed = (
            start >= 0
            and stop < len(ids)
            and (ids[start], ids[stop]) == (vocabulary.id(VISION_START), vocabulary.id(VISION_END))
        )
        _require(framed, f"image {number} is not between {VISION_START} and {VISION_END}")


def _check_reward(reward: Reward) -> None:
    for name in ("accuracy", "format"):
        _require(0 <= getattr(reward, name) <= 1, f"{name} is {getattr(reward, name)}, not in [0, 1]")
    _require(np.isfinite(reward.total), f"the reward is {reward.total}")
