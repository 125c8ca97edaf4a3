"""Performs one stage: train, examine, and leave model and record in its folder, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agents.qwen import Qwen, load_qwen, save_qwen
from agents.scripted import Program, demonstrate_many
from agents.speaker import RolloutRequest
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, with_overrides
from deepeyes_env.sandbox import open_sandbox
from trainers.dapo.sampling import accuracy_varies, reward_varies
from trainers.dapo.train import train_dapo
from trainers.evaluation import EvaluationPlan, answer_all
from trainers.quickstart.visual_pretraining import pretrain_eyes
from trainers.reproduction.corpus import microcosm_corpus
from trainers.reproduction.curriculum import Curriculum
from trainers.reproduction.faults import BlamingEnv, FaultySandbox
from trainers.reproduction.lessons import draw_base_lessons
from trainers.reproduction.record import Answered, Record, Way, call_metrics, write_record
from trainers.reproduction.settings import ENV, SLOTS
from trainers.reproduction.stages import ALL_SKILLS, Base, Cold, Reinforced, Skills, Stage, address, parent
from trainers.reproduction.tasks import FAMILIES, MicrocosmTasks
from trainers.reproduction.teachers import eager, hasty, novice
from trainers.runs.checkpoint import appearing
from trainers.runs.metrics import Metrics, StepReport
from trainers.sft.train import train_sft


def perform(stage: Stage, root: Path) -> None:
    """Perform a stage whose parent is done; nothing if it is done itself.

    Args:
        stage: What to do.
        root: Holds a folder per stage, named by its address.
    """
    if is_done(stage, root):
        return
    started = time.monotonic()
    qwen = _start(stage, root)
    match stage:
        case Base():
            curve = _teach_base(stage, qwen)
        case Cold():
            curve = _imitate(stage, qwen)
        case Reinforced():
            curve = _reinforce(stage, qwen)
    exam = examine(stage, qwen)
    with appearing(root / address(stage)) as folder:
        save_qwen(qwen, folder / "model")
        write_record(folder / "record.json", Record(exam, tuple(curve), time.monotonic() - started))


def is_done(stage: Stage, root: Path) -> bool:
    """Whether a stage has been performed."""
    return (root / address(stage)).exists()


def examine(stage: Stage, qwen: Qwen) -> dict[Way, tuple[Answered, ...]]:
    """Ask a policy held-out tasks of all families, in every way."""
    policy = TransformersPolicy(qwen.model, qwen.tokenizer)
    tasks = _tasks(stage.seed, ALL_SKILLS)
    asked = EvaluationPlan(
        stage.exam.tasks,
        seed=stage.seed,
        max_turn_tokens=stage.exam.turn_tokens,
        max_tokens=stage.exam.episode_tokens,
    )

    def answers(config: EnvConfig, temperature: float) -> tuple[Answered, ...]:
        env = DeepEyesAsyncEnv(SLOTS, config, tasks=tasks)
        found = answer_all(policy, env, asked, temperature=temperature)
        env.close()
        return tuple(map(Answered.of, found))

    return {
        "sampled": answers(ENV, 1.0),
        "greedy": answers(ENV, 0.0),
        "toolless": answers(replace(ENV, tools=frozenset()), 0.0),
    }


def _start(stage: Stage, root: Path) -> Qwen:
    before = parent(stage)
    if before is None:
        return build_tiny(stage.seed, corpus=microcosm_corpus())
    return load_qwen(root / address(before) / "model")


def _teach_base(stage: Base, qwen: Qwen) -> list[Metrics]:
    losses: list[Metrics] = []
    config = replace(stage.lessons, seed=stage.seed)
    lessons = draw_base_lessons(config.lessons, config.seed, Vocabulary(qwen.tokenizer))
    pretrain_eyes(
        config,
        qwen.model,
        qwen.tokenizer,
        curriculum=Curriculum(lessons, config.seed, config.batch_size),
        on_step=lambda step, loss: losses.append({"loss": loss}),
    )
    return losses


def _imitate(stage: Cold, qwen: Qwen) -> list[Metrics]:
    config = replace(stage.sft, seed=stage.seed, progress=False)
    return train_sft(config, qwen.model, qwen.tokenizer, demonstrations(stage, Vocabulary(qwen.tokenizer)))


def demonstrations(stage: Cold, vocabulary: Vocabulary) -> list[Trajectory]:
    """Everything that a cold start imitates, in an order that its seed fixes."""
    data = stage.data
    tasks = _tasks(stage.seed, data.skills)
    teacher = hasty if data.teacher == "hasty" else novice(data.right)
    toolless = replace(ENV, tools=frozenset())
    shown = _shown(tasks, ENV, teacher, vocabulary, range(data.episodes))
    refused = range(data.episodes, data.episodes + data.toolless)
    return [
        *shown,
        *_shown(tasks, toolless, eager, vocabulary, refused),
        *draw_base_lessons(data.rehearsal, stage.seed, vocabulary, stream="rehearsal"),
    ]


def _shown(
    tasks: MicrocosmTasks, config: EnvConfig, teacher: Program, vocabulary: Vocabulary, which: range
) -> list[Trajectory]:
    env = DeepEyesAsyncEnv(SLOTS, config, tasks=tasks)
    requests = [RolloutRequest(i, "train", SeedLineage(tasks.seed, prompt=i)) for i in which]
    found = list(demonstrate_many(env, vocabulary, requests, teacher))
    env.close()
    return found


def _reinforce(stage: Reinforced, qwen: Qwen) -> list[Metrics]:
    extra: list[Metrics] = []

    def on_step(report: StepReport) -> None:
        extra.append(call_metrics(report.trajectories))

    config = replace(
        stage.dapo,
        seed=stage.seed,
        max_turn_tokens=stage.exam.turn_tokens,
        max_tokens=stage.exam.episode_tokens,
        progress=False,
    )
    keep = accuracy_varies if stage.keep == "accuracy" else reward_varies
    with _training_env(stage) as env:
        history = train_dapo(config, qwen.model, qwen.tokenizer, env, keep=keep, on_step=on_step)
    return [step | more for step, more in zip(history, extra, strict=True)]


@contextmanager
def _training_env(stage: Reinforced) -> Iterator[DeepEyesAsyncEnv]:
    config = with_overrides(ENV, reward=stage.reward)
    sandbox = open_sandbox(config.sandbox_backend, config.limits)
    if stage.fault_rate:
        sandbox = FaultySandbox(sandbox, stage.fault_rate)
    kind = BlamingEnv if stage.blame else DeepEyesAsyncEnv
    env = kind(SLOTS, config, tasks=_tasks(stage.seed, stage.skills), sandbox=sandbox)
    try:
        yield env
    finally:
        env.close()
        sandbox.close()


def _tasks(seed: int, skills: Skills) -> MicrocosmTasks:
    return MicrocosmTasks(seed, [family for skill in skills for family in FAMILIES[skill]])
