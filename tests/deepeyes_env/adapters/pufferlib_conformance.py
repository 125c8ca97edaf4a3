"""Runs under PufferLib's interpreter: the kit through its emulation and its vectorisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pufferlib.emulation
import pufferlib.vector
from menu_drivers import SETTINGS, actions_of, at_step, seen

from deepeyes_env.testing import Played, Script, check_adapter


class AtPlace(gym.Wrapper):
    """PufferLib's `reset` knows no options, so each environment is told once where its first episode is."""

    def __init__(self, script: Script) -> None:
        super().__init__(gym.make("deepeyes_env:DeepEyesMenu-v0", **SETTINGS))
        self.options: dict[str, Any] | None = {"index": script.index, "split": script.split}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        options, self.options = self.options, None
        return self.env.reset(seed=seed, options=options)


def emulated(script: Script) -> pufferlib.emulation.GymnasiumPufferEnv:
    return pufferlib.emulation.GymnasiumPufferEnv(env_creator=AtPlace, env_args=[script])


class Driver:
    def play(self, scripts: Sequence[Script]) -> list[Played]:
        plans = [actions_of(script) for script in scripts]
        envs = pufferlib.vector.make(
            [emulated] * len(scripts),
            env_args=[[script] for script in scripts],
            env_kwargs=[{} for _ in scripts],
            backend=pufferlib.vector.Serial,
            num_envs=len(scripts),
        )
        observations, _ = envs.reset([script.seed for script in scripts])
        layout = envs.emulated["emulated_observation_dtype"]
        shown = [[seen(array.view(layout)[0])] for array in observations]
        rewards: list[list[float]] = [[] for _ in scripts]
        outcomes = ["unfinished"] * len(scripts)
        for step in range(max(map(len, plans))):
            observations, reward, terminated, truncated, infos = envs.step(np.array(at_step(plans, step)))
            for slot, plan in enumerate(plans):
                if step < len(plan):
                    rewards[slot].append(float(reward[slot]))
                    if terminated[slot] or truncated[slot]:
                        outcomes[slot] = infos[slot]["outcome"]
                    else:
                        shown[slot].append(seen(observations[slot].view(layout)[0]))
        envs.close()
        return [Played(*one) for one in zip(shown, rewards, outcomes, strict=True)]


if __name__ == "__main__":
    check_adapter(Driver(), leave_out=["images"])
    print("all right")
