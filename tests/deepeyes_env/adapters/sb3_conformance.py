"""Runs under Stable-Baselines3's interpreter: its checker, the kit through its vector env, a few updates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from menu_drivers import SETTINGS, actions_of, at_step, seen
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv

from deepeyes_env.testing import Played, Script, check_adapter
from deepeyes_env.wrappers.text_boxes import WordCounts


class Driver:
    def play(self, scripts: Sequence[Script]) -> list[Played]:
        plans = [actions_of(script) for script in scripts]
        envs = DummyVecEnv([lambda: gym.make("deepeyes_env:DeepEyesMenu-v0", **SETTINGS) for _ in scripts])
        for slot, script in enumerate(scripts):
            envs._seeds[slot] = script.seed  # `seed()` takes one for all
        envs.set_options([{"index": script.index, "split": script.split} for script in scripts])
        observations = envs.reset()
        shown = [[seen(_slot(observations, slot))] for slot in range(len(scripts))]
        rewards: list[list[float]] = [[] for _ in scripts]
        outcomes = ["unfinished"] * len(scripts)
        for step in range(max(map(len, plans))):
            observations, reward, done, infos = envs.step(np.array(at_step(plans, step)))
            for slot, plan in enumerate(plans):
                if step < len(plan):
                    rewards[slot].append(float(reward[slot]))
                    if done[slot]:
                        outcomes[slot] = infos[slot]["outcome"]
                    else:
                        shown[slot].append(seen(_slot(observations, slot)))
        envs.close()
        return [Played(*one) for one in zip(shown, rewards, outcomes, strict=True)]


def _slot(observations: dict[str, np.ndarray], slot: int) -> dict[str, np.ndarray]:
    return {key: values[slot] for key, values in observations.items()}


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in (None, WordCounts()):
            check_env(gym.make("deepeyes_env:DeepEyesMenu-v0", **SETTINGS | {"text": text, "side": 36}))
    check_adapter(Driver(), leave_out=["images"])
    env = gym.make("deepeyes_env:DeepEyesMenu-v0", **SETTINGS | {"text": WordCounts(), "side": 36})
    PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, n_epochs=1).learn(16)
    print("all right")
