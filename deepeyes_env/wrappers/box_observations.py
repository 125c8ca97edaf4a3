"""`BoxObservations`: pictures and text in arrays of a fixed shape, as stock networks need them."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from PIL import Image

from deepeyes_env.env import GymObservation
from deepeyes_env.errors import require
from deepeyes_env.wrappers.text_boxes import TextBox

Boxed = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]
"""The picture, or `{"image": picture, "text": text}`."""


class Boxing:
    """Makes an episode's observations boxes: the part that the single and the vector env share."""

    def __init__(self, side: int, text: TextBox | None, scaled: bool) -> None:
        """See `BoxObservations`.

        Raises:
            ConfigError: There is no such side.
        """
        require(side >= 1, "side", side, "at least 1")
        self._side, self._text, self._scaled = side, text, scaled
        self._image = self._black()
        shape = (side, side, 3)
        picture = spaces.Box(0, 1, shape, np.float32) if scaled else spaces.Box(0, 255, shape, np.uint8)
        self.space = picture if text is None else spaces.Dict({"image": picture, "text": text.space})

    def begin(self, observation: GymObservation) -> Boxed:
        """The question."""
        self._image = self._black()
        return self.observe(observation)

    def observe(self, observation: GymObservation) -> Boxed:
        """What followed."""
        if observation["images"]:
            shown = Image.fromarray(observation["images"][-1])
            # Box averages what falls together; it makes large pictures small without flicker.
            self._image = np.array(shown.resize((self._side, self._side), Image.Resampling.BOX))
        image = self._image.astype(np.float32) / 255 if self._scaled else self._image.copy()
        if self._text is None:
            return image
        return {"image": image, "text": self._text.encode(observation["text"])}

    def _black(self) -> npt.NDArray[np.uint8]:
        return np.zeros((self._side, self._side, 3), np.uint8)


# Gymnasium 1.4 declares the wrapped environment with the wrapper's own types, so those are left open.
class BoxObservations(gym.Wrapper[Any, Any, GymObservation, Any]):
    """The picture seen last, made square, and the latest text.

    An observation without a picture shows the last one again, so that a policy without memory still knows
    where it looks; before the first it is black.
    """

    def __init__(
        self,
        env: gym.Env[GymObservation, Any],
        *,
        side: int = 84,
        text: TextBox | None = None,
        scaled: bool = False,
    ) -> None:
        """Wrap an environment.

        Args:
            env: A `DeepEyesEnv`, wrapped or not, with its own observations.
            side: Height and width of the picture in pixels.
            text: How texts become arrays; None leaves them out, and the observation is the picture alone.
            scaled: Whether the picture is float32 from 0 to 1, as RLlib's networks need it, not uint8.

        Raises:
            ConfigError: There is no such side.
        """
        super().__init__(env)
        self._boxing = Boxing(side, text, scaled)
        self.observation_space = self._boxing.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Boxed, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._boxing.begin(observation), info

    def step(self, action: Any) -> tuple[Boxed, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a turn."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._boxing.observe(observation), reward, terminated, truncated, info
