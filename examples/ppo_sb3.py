"""Stable-Baselines3's PPO learns to look closer.

    python examples/ppo_sb3.py --curve docs/ppo_sb3.svg
    python examples/ppo_sb3.py --no-looking   # the control: nothing but answers on the menu

The rings of `landolt_rings.py` cannot be read in the first picture. What has to be learned is where to crop
it (the code really runs in the sandbox), and to read the crop.
"""

from __future__ import annotations

import time

import gymnasium as gym
import numpy as np
import torch
import tyro
from landolt_rings import Options, draw_curve
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv


class Curve(BaseCallback):
    """Keeps the share of right answers between two updates, of episodes whose infrastructure did not fail."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[int, float]] = []
        self.right: list[float] = []

    def _on_step(self) -> bool:
        ended = [info for info in self.locals["infos"] if "outcome" in info]
        self.right += [info["accuracy"] for info in ended if info["outcome"] != "infra_failed"]
        return True

    def _on_rollout_end(self) -> None:
        self.points.append((self.num_timesteps, float(np.mean(self.right or [np.nan]))))
        self.right = []
        print(f"turns {self.points[-1][0]:6d}  right {self.points[-1][1]:6.1%}", flush=True)


def make_env(args: Options, split: str = "train") -> gym.Env:
    """One environment."""
    env = gym.make("deepeyes_env:DeepEyesMenu-v0", scaled=True, **args.env(split))
    return gym.wrappers.FlattenObservation(env)


def evaluate(args: Options, model: PPO | None) -> tuple[float, float]:
    """Share of right answers and of first turns that look, held out; greedy, or at random without model."""
    env, looked = make_env(args, "test"), 0
    right: list[float] = []
    env.action_space.seed(args.seed)
    for index in range(args.test_episodes):
        observation, info = env.reset(seed=index, options={"index": index})
        ended = False
        while not ended:
            action = (
                env.action_space.sample()
                if model is None
                else model.predict(observation, deterministic=True)[0]
            )
            observation, _, terminated, truncated, info = env.step(action)
            looked += info["turn"] == 1 and info["action"] == "code"
            ended = terminated or truncated
        right += [info["accuracy"]] if info["outcome"] != "infra_failed" else []
    env.close()
    return float(np.mean(right or [np.nan])), looked / args.test_episodes


def main(args: Options) -> None:
    """Check, train, evaluate, draw."""
    torch.set_num_threads(1)
    check_env(make_env(args))
    chance = evaluate(args, None)[0]
    print(f"at random: {chance:.1%} of {args.test_episodes} held-out tasks right")

    envs = DummyVecEnv([lambda: make_env(args) for _ in range(args.num_envs)])
    model = PPO(
        "MlpPolicy",
        envs,
        seed=args.seed,
        n_steps=args.num_steps,
        batch_size=192,
        n_epochs=6,
        learning_rate=lambda left: 1e-3 * left,
        ent_coef=0.05,
        gamma=0.99,
        policy_kwargs={"net_arch": [128]},
        device="cpu",
    )
    curve, begun = Curve(), time.perf_counter()
    model.learn(args.total_steps, callback=curve)
    envs.close()
    accuracy, looked = evaluate(args, model)
    seconds = time.perf_counter() - begun
    print(f"learned in {seconds:.0f} s: {accuracy:.1%} right, {looked:.1%} looked closer first")
    if args.curve is not None:
        draw_curve(args.curve, "Stable-Baselines3's PPO", curve.points, chance, accuracy)


if __name__ == "__main__":
    main(tyro.cli(Options))
