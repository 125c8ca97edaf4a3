"""DeepEyes as a Gymnasium environment: questions about images, answered with code and search.

Importing this package registers `DeepEyes-v0`, and `DeepEyesMenu-v0` for algorithms that choose, for
`gymnasium.make` and `gymnasium.make_vec`.
"""

from __future__ import annotations

from gymnasium.envs.registration import register

from deepeyes_env.async_env import DeepEyesAsyncEnv, ToolTimeout
from deepeyes_env.config import ConfigError, EnvConfig, JudgeConfig, load_config
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Answer, Skill, Task, TaskSource
from deepeyes_env.vector import DeepEyesVectorEnv

__all__ = [
    "Answer",
    "ConfigError",
    "DeepEyesAsyncEnv",
    "DeepEyesEnv",
    "DeepEyesVectorEnv",
    "EncodedImage",
    "EnvConfig",
    "Episode",
    "ImageError",
    "JudgeConfig",
    "Observation",
    "Outcome",
    "Reward",
    "Skill",
    "StepResult",
    "Task",
    "TaskSource",
    "ToolTimeout",
    "load_config",
]

register(
    id="DeepEyes-v0",
    entry_point="deepeyes_env.env:DeepEyesEnv",
    vector_entry_point="deepeyes_env.vector:DeepEyesVectorEnv",
)
register(
    id="DeepEyesMenu-v0",
    entry_point="deepeyes_env.wrappers.menu_env:menu_env",
    vector_entry_point="deepeyes_env.wrappers.menu_env:MenuVectorEnv",
)
