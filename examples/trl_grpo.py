"""GRPO with TRL on the CPU, with crops that the policy makes in the loss.

A tiny Qwen2.5-VL first imitates a scripted policy, because one that has learned nothing never writes a turn;
then TRL's `GRPOTrainer` trains it on episodes of its own. It shows that all parts fit together; to see
something learned, run `deepeyes quickstart`.

Run: python examples/trl_grpo.py --steps 3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from trl import GRPOConfig, GRPOTrainer

from agents.batch import Batch, collate, token_logprobs
from agents.pixels import PixelCache
from agents.qwen import Qwen, build_processor, load_qwen
from agents.sampling import banned_mask
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
    imitation: int = 100
    steps: int = 3
    output: Path = Path("runs/trl")


def crop_and_guess(task: Task, lineage: SeedLineage) -> Script:
    """Looks at the upper left corner, whatever the question, and guesses.

    Its turns end with a line break, so that the end of a turn is learned too: TRL has no stop strings.
    """
    del task
    yield code("Look.", "image_1.crop((0, 0, 112, 112))") + "\n"
    yield answer("Guess.", str(lineage.prompt % 10)) + "\n"


def demonstrations(vocabulary: Vocabulary, count: int = 5) -> Batch:
    """Episodes of the scripted policy."""
    env = DeepEyesAsyncEnv(4, CONFIG)
    requests = [RolloutRequest(index, "train", SeedLineage(0, prompt=index)) for index in range(count)]
    try:
        return collate(
            list(demonstrate_many(env, vocabulary, requests, crop_and_guess)), vocabulary, PixelCache()
        )
    finally:
        env.close()


def imitate(qwen: Qwen, steps: int) -> None:
    """Teach the model the shape of a turn."""
    model: Any = qwen.model
    vocabulary = Vocabulary(qwen.tokenizer)
    batch = demonstrations(vocabulary)
    banned = banned_mask(vocabulary, model.config.text_config.vocab_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    for _ in range(steps):
        loss = -token_logprobs(model, batch, banned).sum() / batch.loss_mask.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"imitation: {loss.item():.3f} nats per token")


def train(qwen: Qwen, options: Options) -> GRPOTrainer:
    """TRL's GRPO on episodes of the model's own."""
    processor = prepare_processor(build_processor(qwen.tokenizer))
    args = GRPOConfig(
        output_dir=str(options.output),
        max_steps=options.steps,
        per_device_train_batch_size=8,
        num_generations=8,
        max_completion_length=160,
        learning_rate=1e-4,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        **rollout_settings(processor, CONFIG),
    )
    trainer = GRPOTrainer(
        qwen.model,
        episode_reward,
        args,
        to_dataset(range(64), CONFIG),
        processing_class=processor,
        environment_factory=environment_factory(args, CONFIG),
    )
    trainer.train()
    return trainer


def main(argv: Sequence[str] | None = None) -> None:
    """Run it."""
    options = tyro.cli(Options, args=argv)
    if options.checkpoint:
        qwen = load_qwen(options.checkpoint)
    else:
        qwen = build_tiny(shape=TinyShape(hidden=64, layers=2, vision_layers=1))
        imitate(qwen, options.imitation)
    trainer = train(qwen, options)
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
"""Of every step: tool calls per rollout, how the episodes went, and whether there was something to learn."""


if __name__ == "__main__":
    main()
