"""`deepeyes quickstart`: the main job on a laptop, from nothing to a report.

A tiny Qwen2.5-VL is built, gets its eyes in a short visual pre-training (the stand-in for a pretrained
base), is warm-started with SFT on demonstrations of a hasty teacher, and trained with DAPO on episodes in
which its code runs in the sandbox. The question is always the same, "What digit is on the red card?"; small
cards need a closer look, large ones do not, so what DAPO has to teach is *when* to look. Every stage is
measured on the same held-out tasks. No setting was tuned on the test split.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.progress import Progress

from agents.qwen import Qwen, save_qwen
from agents.scripted import demonstrate_many
from agents.speaker import RolloutRequest
from agents.store import TrajectoryWriter
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import make_folder, require
from deepeyes_env.tasks import WorldConfig
from trainers.config import DapoConfig, SftConfig
from trainers.dapo.train import train_dapo
from trainers.distributed.layouts.base import NotFinite
from trainers.evaluation import EvaluationPlan, answer_all
from trainers.quickstart.report import Report, Stage, table, tests, write_page
from trainers.quickstart.teacher import eager_teacher, hasty_teacher
from trainers.quickstart.visual_pretraining import EyesConfig, draw_lessons, pretrain_eyes
from trainers.runs.checkpoint import CheckpointError
from trainers.runs.interrupt import Interrupted
from trainers.runs.metrics import Metrics
from trainers.sft.train import train_sft

FAMILIES = ("closer-look", "at-a-glance")

ENV = EnvConfig(
    prompt="minimal",
    tools=frozenset({"code"}),
    max_turns=4,
    # 16 visual tokens: a small card's digit is one pixel wide in this view, a large card's is readable.
    max_pixels=112 * 112,
    # The closer look is taken at the picture itself, so that it shows more than the view.
    sandbox_pixels="original",
)
"""The environment; the source is added per seed."""

SLOTS = 128
"""Episodes at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of every stage; the defaults are the real run, measured in a lab on one core.

    Attributes:
        eyes: Visual pre-training.
        demonstrations: Episodes of the hasty teacher.
        toolless: Episodes of the eager teacher without tools, so that a refused tool does not end in babble
            and the tools-off control is fair.
        rehearsal: New lessons of the visual pre-training among the demonstrations, as general data are mixed
            into the cold start of a large model. Without them a model forgot how to point with some seeds
            (lab, seed 12: 21 % of its crops hit the card, with them 98 %).
        sft: Cold start. If the model cannot point and read after it, looking does not pay and DAPO gives it
            up (lab).
        dapo: Reinforcement learning. Its accuracy was still rising after 20 steps (lab).
        test_tasks: Held-out tasks per evaluation, half of each family.
        turn_tokens: Tokens per turn; a turn of the teacher has at most 40.
        episode_tokens: Tokens of a conversation; the longest demonstration has about 250.
    """

    eyes: EyesConfig = field(default_factory=EyesConfig)
    demonstrations: int = 3200
    toolless: int = 256
    rehearsal: int = 1200
    sft: SftConfig = field(
        default_factory=lambda: SftConfig(
            epochs=3, batch_size=16, micro_batch_size=16, learning_rate=2e-3, save_every=10_000, keep=1
        )
    )
    dapo: DapoConfig = field(
        default_factory=lambda: DapoConfig(
            steps=40,
            prompts_per_step=16,
            group_size=8,
            minibatches=2,
            micro_batch_size=64,
            max_rounds=3,
            learning_rate=2e-4,
            weight_decay=0.0,
            save_every=10_000,
            keep=1,
        )
    )
    test_tasks: int = 512
    turn_tokens: int = 80
    episode_tokens: int = 600


SMOKE = Plan(
    eyes=EyesConfig(lessons=64, steps=4),
    demonstrations=32,
    toolless=8,
    rehearsal=8,
    sft=replace(Plan().sft, epochs=1),
    dapo=replace(Plan().dapo, steps=1, prompts_per_step=2, group_size=4, minibatches=1, max_rounds=1),
    test_tasks=16,
    turn_tokens=24,
)
"""The same pipeline in under a minute; it learns nothing."""


@dataclass(frozen=True, slots=True)
class QuickstartOptions:
    """Build, teach and train a tiny policy, and report what it learned.

    Attributes:
        seed: Seeds everything: weights, pictures, demonstrations, samples.
        output: Where the report, the models and the metrics go; default: a new directory below `runs`.
        smoke: Only check that everything runs, in under a minute.
    """

    seed: int = 0
    output: Path | None = None
    smoke: bool = False


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        ConfigError: The seed is below 0, or the output cannot be a folder.
        SystemExit: The output directory is in use, the run was interrupted, its disk is
            full, or its gradients are not finite.
    """
    options = tyro.cli(QuickstartOptions, args=list(argv), prog="deepeyes quickstart")
    output = options.output or _fresh(Path("runs"))
    require(options.seed >= 0, "seed", options.seed, "a whole number from 0")
    make_folder("output", output)
    if output.exists() and any(output.iterdir()):
        raise SystemExit(f"deepeyes quickstart: {output} is not empty; choose another --output")
    # Faster than two for a model this small (stack notes section 2), and leaves a core to the tools.
    torch.set_num_threads(1)
    console = Console() if sys.stdout.isatty() else Console(width=120)
    try:
        report = quickstart(SMOKE if options.smoke else Plan(), options.seed, output, console)
    except (Interrupted, CheckpointError, NotFinite) as error:
        raise SystemExit(f"deepeyes quickstart: {error}; the next run starts anew") from error
    console.print(table(report))
    console.print(tests(report))
    console.print(f"{report.seconds / 60:.1f} minutes; report: {output / 'report.html'}")


def quickstart(plan: Plan, seed: int, output: Path, console: Console) -> Report:
    """Run all stages.

    Args:
        plan: Sizes.
        seed: Seeds everything.
        output: A new or empty directory.
        console: Where progress is shown.

    Returns:
        What every stage achieved; the page is in `output/report.html`.
    """
    started = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    qwen = build_tiny(seed)
    policy = TransformersPolicy(qwen.model, qwen.tokenizer)
    config = replace(ENV, source=WorldConfig(seed=seed, families=FAMILIES))
    examiner = _Examiner(plan, seed, policy, config, console)
    stages, curves = [], {}

    console.rule("1/3 visual pre-training: stands in for a pretrained base")
    curves["visual pre-training"] = _give_eyes(plan, seed, qwen, console)
    stages.append(examiner.examine("base"))

    console.rule("2/3 SFT on demonstrations of a hasty teacher")
    demonstrations = _demonstrate(plan, seed, policy.vocabulary, config, console)
    lessons = draw_lessons(plan.rehearsal, seed, policy.vocabulary, stream="rehearsal")
    curves["SFT"] = train_sft(
        replace(plan.sft, seed=seed, freeze_vision=True),
        qwen.model,
        qwen.tokenizer,
        [*demonstrations, *lessons],
        run_dir=output / "sft",
    )
    stages.append(examiner.examine("SFT"))

    console.rule("3/3 DAPO on rollouts in the sandbox")
    env = DeepEyesAsyncEnv(SLOTS, config)
    dapo = replace(plan.dapo, seed=seed, max_turn_tokens=plan.turn_tokens, max_tokens=plan.episode_tokens)
    curves["DAPO"] = train_dapo(dapo, qwen.model, qwen.tokenizer, env, run_dir=output / "dapo")
    env.close()
    stages.append(examiner.examine("SFT + DAPO"))

    save_qwen(qwen, output / "model")
    with TrajectoryWriter(output / "trajectories") as writer:
        for stage in stages:
            for one in stage.sampled:
                writer.append(one)
    report = Report(seed, tuple(stages), curves, time.monotonic() - started)
    write_page(report, output / "report.html", policy.vocabulary)
    return report


def _fresh(runs: Path) -> Path:
    """The first free name for a run."""
    numbers = iter(range(1, 1_000_000))
    return next(path for n in numbers if not (path := runs / f"quickstart-{n}").exists())


def _give_eyes(plan: Plan, seed: int, qwen: Qwen, console: Console) -> list[Metrics]:
    losses: list[Metrics] = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("looking at pictures", total=plan.eyes.steps)

        def on_step(step: int, loss: float) -> None:
            losses.append({"loss": loss})
            progress.update(bar, completed=step)

        pretrain_eyes(replace(plan.eyes, seed=seed), qwen.model, qwen.tokenizer, on_step=on_step)
    return losses


def _demonstrate(
    plan: Plan, seed: int, vocabulary: Vocabulary, config: EnvConfig, console: Console
) -> list[Trajectory]:
    """Episodes of the teachers on training tasks, in order of the tasks."""
    count = plan.demonstrations
    requests = [RolloutRequest(i, "train", SeedLineage(seed, prompt=i)) for i in range(count + plan.toolless)]
    episodes: list[Trajectory] = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("demonstrating", total=len(requests))
        for settings, teacher, part in (
            (config, hasty_teacher, requests[:count]),
            (replace(config, tools=frozenset()), eager_teacher, requests[count:]),
        ):
            env = DeepEyesAsyncEnv(SLOTS, settings)
            for one in demonstrate_many(env, vocabulary, part, teacher):
                episodes.append(one)
                progress.advance(bar)
            env.close()
    return episodes


@dataclass(frozen=True, slots=True)
class _Examiner:
    """Asks a policy the same held-out tasks at every stage."""

    plan: Plan
    seed: int
    policy: TransformersPolicy
    config: EnvConfig
    console: Console

    def examine(self, name: str) -> Stage:
        asked = EvaluationPlan(
            self.plan.test_tasks,
            seed=self.seed,
            max_turn_tokens=self.plan.turn_tokens,
            max_tokens=self.plan.episode_tokens,
        )
        versions = {"stage": name}
        with Progress(console=self.console, transient=True) as progress:
            bar = progress.add_task(f"examining: {name}", total=3 * asked.tasks)

            def answers(config: EnvConfig, temperature: float) -> tuple[Trajectory, ...]:
                env = DeepEyesAsyncEnv(SLOTS, config)
                done: Callable[[], None] = lambda: progress.advance(bar)  # noqa: E731
                found = answer_all(
                    self.policy, env, asked, temperature=temperature, versions=versions, on_episode=done
                )
                env.close()
                return tuple(found)

            without_tools = replace(self.config, tools=frozenset())
            return Stage(
                name, answers(self.config, 0.0), answers(self.config, 1.0), answers(without_tools, 0.0)
            )
