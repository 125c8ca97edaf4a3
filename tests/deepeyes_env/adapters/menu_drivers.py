"""Drivers for frameworks that choose: the scripts' turns are the menu, texts are read from bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from deepeyes_env.testing import Played, Script, Seen, adapter_config, adapter_scripts
from deepeyes_env.wrappers.menu import Menu, MenuEntry
from deepeyes_env.wrappers.text_boxes import TextBytes

TURNS = tuple(dict.fromkeys(turn for script in adapter_scripts() for turn in script.turns))
MENU: Menu = tuple(MenuEntry(f"turn {number}", turn) for number, turn in enumerate(TURNS))
TEXT = TextBytes(16_384)
SETTINGS: dict[str, Any] = {"config": adapter_config(), "menu": MENU, "side": 32, "text": TEXT}
"""How every framework makes its environment."""


def actions_of(script: Script) -> list[int]:
    return [TURNS.index(turn) for turn in script.turns]


def seen(observation: Any) -> Seen:
    return Seen(TEXT.decode(observation["text"]), [np.array(observation["image"])])


def at_step(plans: Sequence[list[int]], step: int) -> list[int]:
    """What every slot does; one whose script has ended says its first turn."""
    return [plan[step] if step < len(plan) else plan[0] for plan in plans]


class VectorDriver:
    """Plays through a `VectorEnv` with one slot a script; `index` goes by slot, `split` by environment."""

    def __init__(self, make: Callable[[int], VectorEnv]) -> None:
        self.make = make

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        groups = [
            [script for script in scripts if script.split == split] for split in ("train", "validation")
        ]
        with ThreadPoolExecutor(2) as threads:
            results = list(threads.map(self._group, groups))
        played = {
            script: one
            for group, ones in zip(groups, results, strict=True)
            for script, one in zip(group, ones, strict=True)
        }
        return [played[script] for script in scripts]

    def _group(self, scripts: Sequence[Script]) -> list[Played]:
        if not scripts:
            return []
        envs, plans = self.make(len(scripts)), [actions_of(script) for script in scripts]
        options = {"index": [script.index for script in scripts], "split": scripts[0].split}
        observations, _ = envs.reset(seed=[script.seed for script in scripts], options=options)
        shown = [[seen(_slot(observations, slot))] for slot in range(len(scripts))]
        rewards: list[list[float]] = [[] for _ in scripts]
        outcomes = ["unfinished"] * len(scripts)
        for step in range(max(map(len, plans))):
            observations, reward, terminated, truncated, infos = envs.step(np.array(at_step(plans, step)))
            for slot in range(len(scripts)):
                if step < len(plans[slot]):
                    rewards[slot].append(float(reward[slot]))
                    if terminated[slot] or truncated[slot]:
                        outcomes[slot] = _info(infos, "outcome", slot)
                    else:
                        shown[slot].append(seen(_slot(observations, slot)))
        envs.close()
        return [Played(*one) for one in zip(shown, rewards, outcomes, strict=True)]


def _slot(observations: Any, slot: int) -> dict[str, Any]:
    return {key: values[slot] for key, values in observations.items()}


def _info(infos: Any, key: str, slot: int) -> str:
    # RLlib turns the dictionary of arrays into a list of dictionaries.
    return str(infos[slot][key] if isinstance(infos, list) else infos[key][slot])
