"""Runs under RLlib's interpreter: the kit through an env runner's own vector env, then a short PPO run."""

from __future__ import annotations

import ray
from gymnasium.vector import VectorEnv
from menu_drivers import SETTINGS, VectorDriver
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

from deepeyes_env.testing import check_adapter
from deepeyes_env.wrappers.menu import default_menu


def config(num_envs: int, **settings: object) -> PPOConfig:
    return (
        PPOConfig()
        .environment("deepeyes_env:DeepEyesMenu-v0", env_config=settings)
        .env_runners(
            num_env_runners=0, num_envs_per_env_runner=num_envs, gym_env_vectorize_mode="vector_entry_point"
        )
    )


class OnlyItsEnv(SingleAgentEnvRunner):
    """An env runner without a network, which the scripts stand for."""

    def make_module(self) -> None:
        self.module = None


def make(num_envs: int) -> VectorEnv:
    return OnlyItsEnv(config=config(num_envs, **SETTINGS)).env


if __name__ == "__main__":
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    check_adapter(VectorDriver(make), leave_out=["images"])
    settings = {
        "source": {"families": ("closer-look",)},
        "menu": default_menu("0123456789"),
        "side": 64,
        "scaled": True,
    }
    algorithm = (
        config(4, prompt="minimal", max_turns=3, **settings)
        .training(train_batch_size=32, minibatch_size=16, num_epochs=1)
        .build_algo()
    )
    result = algorithm.train()
    assert result["env_runners"]["num_env_steps_sampled"] >= 32, result
    algorithm.stop()
    ray.shutdown()
    print("all right")
