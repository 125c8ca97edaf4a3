"""`deepeyes eval`: accuracy of a policy with its tools on and off, on the same tasks, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.policy import SamplingParams
from agents.qwen import ModelError, load_qwen
from agents.rollout import RolloutRequest, in_order, rollout
from agents.rollout_command import ORACLE
from agents.scripted import demonstrate_many
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.task import Split
from deepeyes_env.vector import DeepEyesVectorEnv
from trainers.evaluation import accuracy, by_family, paired_test, scored


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """Measure a policy with its tools on and off.

    Attributes:
        policy: A Qwen2.5-VL checkpoint (directory or hub id), or `oracle` for the task families' own scripts.
        env: TOML file of the environment (`EnvConfig`); default: the generated world.
        split: Part of the task source.
        first: Index of the first task.
        n: Number of tasks.
        num_envs: Episodes at once.
        temperature: Of sampling; 0 is greedy.
        max_turn_tokens: Tokens per turn (reference 1.5).
        max_tokens: Tokens of a conversation above which it is truncated (reference 1.5).
        seed: Names the run; the same seed draws the same samples.
        device: Where the model runs.
    """

    policy: str
    env: Path | None = None
    split: Split = "test"
    first: int = 0
    n: int = 64
    num_envs: int = 16
    temperature: float = 0.0
    max_turn_tokens: int = 8192
    max_tokens: int = MAX_TOKENS
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Answers to the same tasks, in order of the tasks.

    Attributes:
        tools_on: With the configured tools.
        tools_off: Every tool call refused.
    """

    tools_on: tuple[Trajectory, ...]
    tools_off: tuple[Trajectory, ...]


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: The environment's file cannot be used.
        SystemExit: The model cannot be used; the message says why.
    """
    options = tyro.cli(EvalOptions, args=list(argv), prog="deepeyes eval")
    try:
        evaluation = evaluate(options)
    except ModelError as error:
        raise SystemExit(f"deepeyes eval: {error}") from error
    Console().print(table(evaluation))


def evaluate(options: EvalOptions) -> Evaluation:
    """Ask the policy all tasks twice, with its tools on and off.

    Args:
        options: What to ask whom.

    Raises:
        ConfigError: The environment's file cannot be used.
        ModelError: The policy is no Qwen2.5-VL.
    """
    config = load_config(EnvConfig, options.env)
    # The oracle speaks text; any Qwen2.5-VL tokenizer can hold it, and the tiny one needs no download.
    qwen = build_tiny() if options.policy == ORACLE else load_qwen(options.policy, device=options.device)
    policy = TransformersPolicy(qwen.model, qwen.tokenizer)
    return Evaluation(
        _answers(options, policy, config, "tools on"),
        _answers(options, policy, replace(config, tools=frozenset()), "tools off"),
    )


def table(evaluation: Evaluation) -> Table:
    """Accuracy by family, with what the tools gained and what they cost."""
    shown = Table(box=box.SIMPLE_HEAD, caption=_NOTE, caption_justify="left", pad_edge=False)
    for name in ("tasks", "n", "tools on", "tools off", "gain", "harm", "p"):
        shown.add_column(name, no_wrap=True)
    on, off = by_family(evaluation.tools_on), by_family(evaluation.tools_off)
    for family in on:
        shown.add_row(*_row(family, on[family], off[family]))
    if len(on) > 1:
        shown.add_section()
        shown.add_row(*_row("all", evaluation.tools_on, evaluation.tools_off))
    return shown


_NOTE = (
    "n: scored episodes. tools on/off: accuracy with Wilson's 95 % interval. gain, harm: tasks right only "
    "with, only without tools; p: exact McNemar test."
)


def _row(name: str, on: Sequence[Trajectory], off: Sequence[Trajectory]) -> tuple[str, ...]:
    test = paired_test(off, on)
    return (
        name,
        str(sum(map(scored, on))),
        str(accuracy(on)),
        str(accuracy(off)),
        str(test.gained),
        str(test.lost),
        f"{test.p_value:.1g}",
    )


def _answers(
    options: EvalOptions, policy: TransformersPolicy, config: EnvConfig, label: str
) -> tuple[Trajectory, ...]:
    indexes = range(options.first, options.first + options.n)
    requests = [
        RolloutRequest(index, options.split, SeedLineage(options.seed, prompt=index)) for index in indexes
    ]
    env = DeepEyesVectorEnv(options.num_envs, config)
    try:
        stream = track(_stream(options, policy, env, requests), label, total=options.n)
        return tuple(in_order(stream, requests))
    finally:
        env.close()


def _stream(
    options: EvalOptions,
    policy: TransformersPolicy,
    env: DeepEyesVectorEnv,
    requests: Sequence[RolloutRequest],
) -> Iterable[Trajectory]:
    if options.policy == ORACLE:
        return demonstrate_many(env, policy.vocabulary, requests, max_tokens=options.max_tokens)
    return rollout(
        policy,
        env,
        requests,
        SamplingParams(options.temperature, options.max_turn_tokens),
        vocabulary=policy.vocabulary,
        max_tokens=options.max_tokens,
        infra_retries=1,
        versions={"policy": options.policy},
    )
