"""What an adapter's test must provide: a driver that plays scripts through it and tells what came out.

    class MyDriver:
        def play(self, scripts):
            return in_threads(self._one, scripts)

        def _one(self, script):
            env = my_adapter(**settings)                        # the settings of `adapter_config()`
            shown = [env.ask(script.index, script.split, script.seed)]
            ...                                                 # one `Seen` per observation
            return Played(tuple(shown), tuple(rewards), outcome)

A framework whose actions are no texts (a menu) plays a script by having its turns on the menu.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Split

Picture = EncodedImage | bytes | Image.Image | npt.NDArray[np.uint8]
"""An image as an adapter carries it. An encoded one must be the environment's own bytes, a decoded one have
the same pixels."""


@dataclass(frozen=True, slots=True)
class Script:
    """One scripted episode; it ends with its last turn.

    Attributes:
        name: What it shows; unique.
        index: The task.
        split: The part of the source.
        seed: Seeds the episode, as `DeepEyesEnv.reset(seed=...)`.
        turns: The policy's turns.
    """

    name: str
    index: int
    split: Split
    seed: int
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation as the policy sees it through an adapter.

    Attributes:
        text: Its text, with an `<image>` marker per image.
        images: Its images, in order.
    """

    text: str
    images: Sequence[Picture] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    """An episode as tokens, from adapters that make a trainer's input. `T` tokens.

    Attributes:
        ids: `[T]`: prompt, sampled and observed tokens, image placeholders expanded.
        mask: `[T]`: true exactly where a token was sampled.
        sampled: For each turn, the ids as the policy gave them to the adapter.
        image_token: The id that stands for an image's feature, once for each of its 28 x 28 pixels.
        decode: Gives the text of ids, special tokens included.
    """

    ids: Sequence[int]
    mask: Sequence[bool] | Sequence[int]
    sampled: Sequence[Sequence[int]]
    image_token: int
    decode: Callable[[list[int]], str] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Played:
    """What came out of an episode.

    Attributes:
        observations: The question, then what followed each turn but the last.
        rewards: The reward of each step, or the whole episode's alone.
        outcome: How it ended: a value of `deepeyes_env.Outcome`.
        tokens: The episode as tokens, or None from adapters that make none.
    """

    observations: Sequence[Seen]
    rewards: Sequence[float]
    outcome: str
    tokens: Tokens | None = None


class Driver(Protocol):
    """Plays scripts through an adapter."""

    def play(self, scripts: Sequence[Script]) -> Sequence[Played]:
        """Play all scripts at the same time, each in an episode of its own.

        Returns:
            What came out, in the order of the scripts.
        """
        ...


def in_threads(play: Callable[[Script], Played], scripts: Sequence[Script]) -> list[Played]:
    """Play each script in a thread of its own: `Driver.play` for adapters that run one episode each."""
    with ThreadPoolExecutor(max(1, len(scripts))) as threads:
        return list(threads.map(play, scripts))
