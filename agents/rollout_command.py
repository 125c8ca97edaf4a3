"""`deepeyes rollout`: runs a policy on tasks and writes its trajectories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.metrics import RolloutMetrics, summarise
from agents.policy import SamplingParams
from agents.qwen import ModelError, Qwen, load_qwen
from agents.rollout import RolloutRequest, group_requests, rollout
from agents.scripted import demonstrate_many
from agents.store import StoreError, TrajectoryWriter
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.task import Split
from deepeyes_env.vector import DeepEyesVectorEnv

ORACLE = "oracle"
"""Name of the scripted policy."""


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """Run a policy on tasks and write its trajectories.

    Attributes:
        policy: A Qwen2.5-VL checkpoint (directory or hub id), or `oracle` for the task families' own scripts.
        out: Directory that the trajectories are appended to; `deepeyes view` shows it.
        env: TOML file of the environment (`EnvConfig`); default: the generated world.
        split: Part of the task source.
        first: Index of the first task.
        n: Number of tasks.
        samples: Rollouts per task.
        num_envs: Episodes at once.
        temperature: Of sampling; 0 is greedy.
        max_turn_tokens: Tokens per turn (reference 1.5).
        max_tokens: Tokens of a conversation above which it is truncated (reference 1.5).
        infra_retries: How often an episode is begun anew when the infrastructure failed.
        seed: Names the run; the same seed draws the same samples.
        device: Where the model runs.
    """

    policy: str
    out: Path
    env: Path | None = None
    split: Split = "validation"
    first: int = 0
    n: int = 16
    samples: int = 1
    num_envs: int = 8
    temperature: float = 1.0
    max_turn_tokens: int = 8192
    max_tokens: int = MAX_TOKENS
    infra_retries: int = 1
    seed: int = 0
    device: str = "cpu"


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: The environment's file cannot be used.
        SystemExit: The model or the output directory cannot be used; the message says why.
    """
    options = tyro.cli(RolloutOptions, args=list(argv), prog="deepeyes rollout")
    try:
        metrics = run(options)
    except (ModelError, StoreError) as error:
        raise SystemExit(f"deepeyes rollout: {error}") from error
    Console().print(_table(metrics))


def run(options: RolloutOptions) -> RolloutMetrics:
    """Write the trajectories that `options` ask for.

    Args:
        options: What to run.

    Returns:
        What they did.

    Raises:
        ConfigError: The environment's file cannot be used.
        ModelError: The policy is no Qwen2.5-VL.
        StoreError: Another process writes to `options.out`.
    """
    # The oracle speaks text; any Qwen2.5-VL tokenizer can hold it, and the tiny one needs no download.
    qwen = build_tiny() if options.policy == ORACLE else load_qwen(options.policy, device=options.device)
    env = DeepEyesVectorEnv(options.num_envs, load_config(EnvConfig, options.env))
    finished: list[Trajectory] = []
    try:
        with TrajectoryWriter(options.out) as writer:
            qwen.tokenizer.save_pretrained(options.out / "tokenizer")
            total = options.n * options.samples
            for one in track(_stream(options, qwen, env), "rolling out", total=total):
                writer.append(one)
                finished.append(one)
    finally:
        env.close()
    return summarise(finished)


def _stream(options: RolloutOptions, qwen: Qwen, env: DeepEyesVectorEnv) -> Iterator[Trajectory]:
    if options.policy == ORACLE:
        return demonstrate_many(
            env, Vocabulary(qwen.tokenizer), _requests(options), max_tokens=options.max_tokens
        )
    policy = TransformersPolicy(qwen.model, qwen.tokenizer)
    return rollout(
        policy,
        env,
        _requests(options),
        SamplingParams(options.temperature, options.max_turn_tokens),
        vocabulary=policy.vocabulary,
        max_tokens=options.max_tokens,
        infra_retries=options.infra_retries,
        versions={"policy": options.policy, "temperature": str(options.temperature)},
    )


def _requests(options: RolloutOptions) -> Iterator[RolloutRequest]:
    for index in range(options.first, options.first + options.n):
        lineage = SeedLineage(options.seed, prompt=index)
        yield from group_requests(index, options.samples, lineage, options.split)


def _table(metrics: RolloutMetrics) -> Table:
    table = Table("figure", "value")
    for name, value in metrics.as_dict().items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
    return table
