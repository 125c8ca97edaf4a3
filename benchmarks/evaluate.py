"""`deepeyes eval`: accuracy of a policy with its tools on and off, on the same tasks, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tyro
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.actor import Actor, ActorOptions
from agents.qwen import ModelError
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.task import Split
from trainers.evaluation import accuracy, by_family, paired_test, scored


@dataclass(frozen=True, kw_only=True)
class EvalOptions(ActorOptions):
    """Measure a policy with its tools on and off."""

    split: Split = "test"
    n: int = 64
    num_envs: int = 16
    temperature: float = 0.0


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
        ConfigError: An option or the environment's file cannot be used.
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
    config = options.env_config
    actor = Actor(options)
    try:
        return Evaluation(
            _answers(options, actor, config, "tools on"),
            _answers(options, actor, replace(config, tools=frozenset()), "tools off"),
        )
    finally:
        actor.close()


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


def _answers(options: EvalOptions, actor: Actor, config: EnvConfig, label: str) -> tuple[Trajectory, ...]:
    requests = [
        RolloutRequest(index, options.split, SeedLineage(options.seed, prompt=index))
        for index in options.indexes
    ]
    env = DeepEyesAsyncEnv(options.num_envs, config)
    try:
        return tuple(track(actor.play(env, requests), label, total=options.n))
    finally:
        env.close()
