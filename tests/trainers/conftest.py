from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from episodes import TINIEST, episode
from guess_source import GuessSource

from agents.qwen import Qwen
from agents.scripted import Script, demonstrate_many
from agents.speaker import RolloutRequest
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.task import Task
from trainers.config import SftConfig
from trainers.sft.train import train_sft

MakeTrajectory = Callable[..., Trajectory]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def tiny() -> Qwen:
    """A fresh, untrained Qwen2.5-VL of the smallest shape."""
    return build_tiny(seed=0, shape=TINIEST)


@pytest.fixture
def make_trajectory(tiny: Qwen) -> MakeTrajectory:
    """Scripted episodes of one or two turns, with images; see `episodes.episode`."""
    return partial(episode, Vocabulary(tiny.tokenizer))


def guess(task: Task, lineage: SeedLineage) -> Script:
    """A teacher that says 1 or 2 at random."""
    yield f"<think>So.</think><answer>{1 + lineage.sample % 2}</answer>"


@pytest.fixture
def guess_env() -> Iterator[DeepEyesAsyncEnv]:
    env = DeepEyesAsyncEnv(num_envs=16, tasks=GuessSource(), prompt="minimal")
    yield env
    env.close()


@pytest.fixture(scope="session")
def guesser_weights() -> dict[str, torch.Tensor]:
    """Weights of a tiny policy that keeps the format and guesses, made by SFT."""
    torch.set_num_threads(1)
    qwen = build_tiny(seed=0, shape=TINIEST)
    env = DeepEyesAsyncEnv(num_envs=16, tasks=GuessSource(), prompt="minimal")
    requests = [RolloutRequest(i, "train", SeedLineage(0, prompt=i, sample=i)) for i in range(64)]
    demos = list(demonstrate_many(env, Vocabulary(qwen.tokenizer), requests, guess))
    env.close()
    config = SftConfig(
        epochs=8, batch_size=8, micro_batch_size=8, learning_rate=1e-2, freeze_vision=False, progress=False
    )
    history = train_sft(config, qwen.model, qwen.tokenizer, demos)
    assert history[-1]["loss"] < 0.2
    return qwen.model.state_dict()


@pytest.fixture
def guesser(tiny: Qwen, guesser_weights: dict[str, torch.Tensor]) -> Qwen:
    """A policy that keeps the format and says 1 or 2 at random."""
    tiny.model.load_state_dict(guesser_weights)
    return tiny
