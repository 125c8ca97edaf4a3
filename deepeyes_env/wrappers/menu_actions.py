"""`MenuActions`: a `Discrete` choice from a menu in place of free text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, SupportsFloat

import gymnasium as gym
from gymnasium import spaces

from deepeyes_env.config import ConfigError
from deepeyes_env.env import GymObservation
from deepeyes_env.wrappers.menu import Menu, MenuEntry, MenuState


class Choosing:
    """What one episode has been told from a menu: the part that the single and the vector env share."""

    def __init__(self, menu: Menu) -> None:
        """Choose from `menu`.

        Raises:
            ConfigError: The menu is empty, something on it is no entry, or two entries have the same name.
        """
        if strange := [entry for entry in menu if not isinstance(entry, MenuEntry)]:
            raise ConfigError(f"menu: {strange[0]!r} is no entry; write MenuEntry(name, turn)")
        names = [entry.name for entry in menu]
        if not names:
            raise ConfigError("menu: it has no entries; `default_menu(answers)` makes one")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"menu: several entries are named {', '.join(map(repr, twice))}")
        self._menu = menu
        self._state = MenuState("", "")

    def begin(self, text: str) -> None:
        """An episode begins with this observation."""
        self._state = MenuState(text, text)

    def turn(self, number: int) -> str:
        """The turn that the choice stands for.

        Raises:
            IndexError: There is no such entry.
        """
        if not 0 <= number < len(self._menu):
            raise IndexError(f"action {number}: the menu has {len(self._menu)} entries, counted from 0")
        return self._menu[number].spoken(self._state)

    def observe(self, number: int, text: str) -> None:
        """The choice was taken, and this text followed."""
        taken = (*self._state.taken, self._menu[number].name)
        self._state = replace(self._state, text=text, taken=taken)


# Gymnasium 1.4 declares the wrapped environment with the wrapper's own types, so those are left open.
class MenuActions(gym.Wrapper[Any, Any, GymObservation, str]):
    """The action is the number of a menu's entry. Everything else stays as it is."""

    def __init__(self, env: gym.Env[GymObservation, str], menu: Menu) -> None:
        """Wrap an environment whose actions are turns of text.

        Args:
            env: A `DeepEyesEnv`, wrapped or not.
            menu: What can be chosen.

        Raises:
            ConfigError: The menu is empty, or two entries have the same name.
        """
        super().__init__(env)
        self.menu = menu
        self._choosing = Choosing(menu)
        self.action_space = spaces.Discrete(len(menu))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GymObservation, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._choosing.begin(observation["text"])
        return observation, info

    def step(self, action: int) -> tuple[GymObservation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take the turn that the entry stands for.

        Raises:
            IndexError: The menu has no such entry.
        """
        observation, reward, terminated, truncated, info = self.env.step(self._choosing.turn(int(action)))
        self._choosing.observe(int(action), observation["text"])
        return observation, reward, terminated, truncated, info
