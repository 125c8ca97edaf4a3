"""`DeepEyesMenu-v0`: choices from a menu, boxes to see; one constructor for stock RL libraries.

gymnasium.make("deepeyes_env:DeepEyesMenu-v0", menu=default_menu("0123456789"))
gymnasium.make_vec("deepeyes_env:DeepEyesMenu-v0", num_envs=16)  # tools of all slots in parallel
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import Env, spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from deepeyes_env.env import DeepEyesEnv, GymObservation
from deepeyes_env.vector import DeepEyesVectorEnv
from deepeyes_env.wrappers.box_observations import Boxed, Boxing, BoxObservations
from deepeyes_env.wrappers.menu import Menu, default_menu
from deepeyes_env.wrappers.menu_actions import Choosing, MenuActions
from deepeyes_env.wrappers.text_boxes import TextBox

DEFAULT_MENU = default_menu()


def menu_env(
    *,
    menu: Menu = DEFAULT_MENU,
    side: int = 84,
    text: TextBox | None = None,
    scaled: bool = False,
    **settings: Any,
) -> Env[Boxed, int]:
    """A single environment.

    Args:
        menu: What can be chosen.
        side: Height and width of the picture in pixels.
        text: How texts become arrays; None leaves them out.
        scaled: Whether the picture is float32 from 0 to 1 in place of uint8.
        **settings: As for `DeepEyesEnv`.

    Raises:
        ConfigError: A bad menu or setting.
    """
    return BoxObservations(MenuActions(DeepEyesEnv(**settings), menu), side=side, text=text, scaled=scaled)


class MenuVectorEnv(VectorEnv[Any, npt.NDArray[np.int64], npt.NDArray[Any]]):
    """`DeepEyesVectorEnv` with a menu for each slot: the same episodes as `menu_env`, tools in threads."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        menu: Menu = DEFAULT_MENU,
        side: int = 84,
        text: TextBox | None = None,
        scaled: bool = False,
        **settings: Any,
    ) -> None:
        """Make the slots.

        Args:
            num_envs: Number of slots.
            menu: What can be chosen.
            side: Height and width of the picture in pixels.
            text: How texts become arrays; None leaves them out.
            scaled: Whether the picture is float32 from 0 to 1 in place of uint8.
            **settings: As for `DeepEyesVectorEnv`.

        Raises:
            ConfigError: A bad menu or setting.
        """
        self.menu = menu
        self._choosing = [Choosing(menu) for _ in range(num_envs)]
        self._boxing = [Boxing(side, text, scaled) for _ in range(num_envs)]
        self.env = DeepEyesVectorEnv(num_envs, **settings)
        self.num_envs, self.metadata, self.render_mode = num_envs, self.env.metadata, self.env.render_mode
        self.single_action_space = spaces.Discrete(len(menu))
        self.single_observation_space = self._boxing[0].space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._ended = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every slot; arguments as for `DeepEyesVectorEnv`."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._ended[:] = False
        return self._batch([self._begun(slot, observations) for slot in range(self.num_envs)]), infos

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Take a turn in every slot; where the episode has ended, begin a new one (`NEXT_STEP`).

        Raises:
            ValueError: There are not as many actions as slots; nothing was done.
            IndexError: The menu has no such entry; nothing was done.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"actions: {len(actions)} choices for {self.num_envs} slots")
        turns = [self._turn(slot, int(action)) for slot, action in enumerate(actions)]
        observations, rewards, terminated, truncated, infos = self.env.step(turns)
        boxes = [
            self._begun(slot, observations)
            if self._ended[slot]
            else self._followed(slot, int(action), observations)
            for slot, action in enumerate(actions)
        ]
        self._ended = terminated | truncated
        return self._batch(boxes), rewards, terminated, truncated, infos

    def render(self) -> Any:
        """As `DeepEyesVectorEnv`."""
        return self.env.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Free all episodes."""
        self.env.close()

    def _turn(self, slot: int, action: int) -> str:
        # What a slot says that begins anew is not heard.
        return "" if self._ended[slot] else self._choosing[slot].turn(action)

    def _begun(self, slot: int, observations: GymObservation) -> Boxed:
        observation = {key: values[slot] for key, values in observations.items()}
        self._choosing[slot].begin(observation["text"])
        return self._boxing[slot].begin(observation)

    def _followed(self, slot: int, action: int, observations: GymObservation) -> Boxed:
        observation = {key: values[slot] for key, values in observations.items()}
        self._choosing[slot].observe(action, observation["text"])
        return self._boxing[slot].observe(observation)

    def _batch(self, boxes: list[Boxed]) -> Any:
        space = self.single_observation_space
        batch: Any = create_empty_array(space, self.num_envs)
        return concatenate(space, boxes, batch)
