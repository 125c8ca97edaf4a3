"""GRPO with TRL on the CPU, with crops that the policy makes in the loss.

A tiny Qwen2.5-VL first imitates a scripted policy (TRL's `SFTTrainer`), because one that has learned nothing never
writes a turn; then TRL's `GRPOTrainer` trains it on episodes of its own. It is a demonstration that runs, not one
that learns much: `deepeyes quickstart` is that.

Run: python examples/trl_grpo.py --steps 3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from datasets import Dataset, Image, List
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from agents.convert.trl import to_row
from agents.qwen import build_processor, load_qwen
from agents.scripted import Script, demonstrate_many
from agents.speaker import RolloutRequest
from agents.tiny import TinyShape, build_tiny
from agents.trajectory import SeedLineage
from agents.vocabulary import Vocabulary
from deepeyes_env.adapters.trl import (
    environment_factory,
    episode_reward,
    prepare_processor,
    rollout_settings,
    to_dataset,
)
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.task import Task
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.tasks.worlds.oracles.turns import answer, code

CONFIG = EnvConfig(
    source=WorldConfig(families=("closer-look",)),
    prompt="minimal",
    tools=frozenset({"code"}),
    max_turns=3,
    max_pixels=112 * 112,
    sandbox_pixels="original",
)
"""What digit is on the card? It cannot be read without a crop (as in `deepeyes quickstart`)."""


@dataclass(frozen=True)
class Options:
    """Imitate, then train.

    Attributes:
        checkpoint: A Qwen2.5-VL that speaks the environment's tags; None teaches a tiny one on the spot.
        imitation: Steps of imitation for the tiny one.
        steps: Steps of GRPO.
        output: Where TRL puts its files.
    """

    checkpoint: Path | None = None
    imitation: int = 60
    steps: int = 3
    output: Path = Path("runs/trl")


def crop_and_guess(task: Task, lineage: SeedLineage) -> Script:
    """Looks at the picture's upper left quarter, whatever the question, and guesses."""
    yield code("I look.", "image_1.crop((0, 0, 112, 112))")
    yield answer("I guess.", str((7 * lineage.prompt + len(task.id)) % 10))


def demonstrations(tokenizer: Any, count: int) -> Dataset:
    """Episodes of the scripted policy as rows for `SFTTrainer`."""
    env = DeepEyesAsyncEnv(4, CONFIG)
    requests = [RolloutRequest(index, "train", SeedLineage(0, prompt=index)) for index in range(count)]
    try:
        played = demonstrate_many(env, Vocabulary(tokenizer), requests, crop_and_guess)
        return Dataset.from_list([to_row(one) for one in played]).cast_column("images", List(Image()))
    finally:
        env.close()


def imitate(model: PreTrainedModel, processor: Any, options: Options) -> None:
    """Teach the model the shape of a turn."""
    args = SFTConfig(
        output_dir=str(options.output / "imitation"),
        max_steps=options.imitation,
        per_device_train_batch_size=8,
        learning_rate=5e-3,
        assistant_only_loss=True,
        max_length=None,
        **ON_THE_CPU,
    )
    dataset = demonstrations(processor.tokenizer, 32)
    SFTTrainer(model, args, train_dataset=dataset, processing_class=processor).train()


def train(model: PreTrainedModel, processor: Any, options: Options) -> GRPOTrainer:
    """TRL's GRPO on episodes of the model's own."""
    args = GRPOConfig(
        output_dir=str(options.output),
        max_steps=options.steps,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=256,
        learning_rate=1e-4,
        **rollout_settings(processor, CONFIG),
        **ON_THE_CPU,
    )
    trainer = GRPOTrainer(
        model,
        episode_reward,
        args,
        to_dataset(range(64), CONFIG),
        processing_class=processor,
        environment_factory=environment_factory(args, CONFIG),
    )
    trainer.train()
    return trainer


ON_THE_CPU: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": "none",
    "save_strategy": "no",
    "logging_steps": 1,
    "disable_tqdm": True,
}
"""What both trainers need on a laptop."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run it."""
    options = tyro.cli(Options, args=argv)
    qwen = load_qwen(options.checkpoint) if options.checkpoint else build_tiny(shape=TinyShape(64, 2, 2))
    processor = prepare_processor(build_processor(qwen.tokenizer))
    if options.checkpoint is None:
        imitate(qwen.model, processor, options)
    trainer = train(qwen.model, processor, options)
    for step in trainer.state.log_history[: options.steps]:
        print({name: round(step[name], 4) for name in SHOWN})


SHOWN = (
    "tools/call_frequency",
    "episodes/accuracy",
    "rewards/episode_reward/mean",
    "completions/mean_length",
    "loss",
    "grad_norm",
)
"""Of every step: tool calls per rollout, how the episodes went, and that there was something to learn from."""


if __name__ == "__main__":
    main()
