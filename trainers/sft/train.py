"""Cold start: supervised fine-tuning on token-masked trajectories.

The loop is our own although TRL's `SFTTrainer` takes multi-turn conversations with images. It renders them
again from text with its own training template, and its labels then differ from what the sampler produces: it
trains the line break after `<|im_end|>`, wants an `<|im_end|>` after `</code>` where sampling stops, and
knows no pre-filled `<think>`. Here the loss covers exactly the tokens of a trajectory's `loss_mask`, through
the same `Batch` and the same masked softmax as in DAPO, so what is imitated is what is later sampled.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch.optim import AdamW
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_cosine_schedule_with_warmup

from agents.batch import token_logprobs
from agents.pixels import PixelCache
from agents.sampling import banned_mask
from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary
from trainers.batching import micro_batches, shuffled
from trainers.config import SftConfig
from trainers.distributed.engine import Engine, accelerator, checkpointing, frozen, training
from trainers.distributed.idle import idle_loss
from trainers.lora import adapted
from trainers.runs.metrics import Evaluate, Metrics, OnStep, StepReport, Stopwatch
from trainers.runs.progress import Progress
from trainers.runs.run import Hooks, open_run
from trainers.scoring import Scorer
from trainers.sft.demonstrations import Demonstrations
from trainers.sft.packing import packed_rows

SHOWN = ("loss", "learning_rate")
"""Metrics next to the progress bar."""


def train_sft(
    config: SftConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    trajectories: Sequence[Trajectory],
    *,
    run_dir: Path | None = None,
    resume: Path | None = None,
    on_step: OnStep | None = None,
    evaluate: Evaluate | None = None,
    eval_every: int = 500,
) -> list[Metrics]:
    """Train `model` in place.

    Args:
        config: Settings.
        model: Qwen2.5-VL; trained in place.
        tokenizer: Its tokenizer; names the banned tokens and is saved in checkpoints.
        trajectories: What to imitate; the loss covers the tokens of their `loss_mask`. Only those of one
            batch are asked for at a time (`trainers.sft.demonstrations`).
        run_dir: Where checkpoints, `metrics.jsonl` and tracker files go; None writes nothing.
        resume: Checkpoint directory to continue from.
        on_step: Called after every step.
        evaluate: Called every `eval_every` steps and after the last one.
        eval_every: See `evaluate`.

    Returns:
        One dictionary of metrics per step.

    Raises:
        Interrupted: Ctrl-C; the state is saved in `run_dir`.
        CheckpointError: `resume` is no checkpoint of this configuration, or saving failed.
        NotFinite: Gradients are infinite or no numbers, update after update.
    """
    steps_per_epoch = math.ceil(len(trajectories) / config.batch_size)
    total = config.epochs * steps_per_epoch
    hooks = Hooks(run_dir, resume, on_step, evaluate, eval_every)
    data = {"data": {"trajectories": len(trajectories), "sha256": _fingerprint(trajectories)}}
    with (
        frozen(model.model.visual, config.freeze_vision),
        adapted(model, config.lora_rank, config.lora_alpha, config.seed),
        checkpointing(model, config.gradient_checkpointing),
    ):
        engine = _engine(config, model, total, run_dir)
        vocabulary = Vocabulary(tokenizer)
        banned = banned_mask(vocabulary, model.config.text_config.vocab_size)
        scorer = Scorer(vocabulary, PixelCache(), banned, engine.accelerator.device, engine.sharded)
        engine.idle = partial(idle_loss, engine.model, scorer)
        with open_run("sft", config, engine, tokenizer, hooks, data=data, total=total, shown=SHOWN) as run:
            for step in range(run.progress.step, total):
                watch = Stopwatch()
                epoch, position = divmod(step, steps_per_epoch)
                order = shuffled(len(trajectories), config.seed, epoch)
                batch = order[position * config.batch_size : (position + 1) * config.batch_size]
                with watch("update"):
                    metrics = _update(config, engine, [trajectories[i] for i in batch], scorer)
                if metrics["updates_skipped"]:
                    run.recorder.tell(f"step {step + 1}: update skipped, its gradient is not finite")
                run.end_step(
                    StepReport(step + 1, metrics | {"epoch": epoch}, watch.seconds), Progress(step + 1)
                )
            return run.history


def _engine(config: SftConfig, model: PreTrainedModel, total: int, run_dir: Path | None) -> Engine:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = get_cosine_schedule_with_warmup(optimizer, round(config.warmup * total), total)
    return Engine(accelerator(config, run_dir), model, optimizer, schedule, config.max_grad_norm)


def _update(config: SftConfig, engine: Engine, batch: list[Trajectory], scorer: Scorer) -> Metrics:
    """One optimiser update on the mean cross-entropy over the batch's policy tokens."""
    tokens = sum(int(trajectory.loss_mask.sum()) for trajectory in batch)
    batch = [batch[i] for i in engine.share([len(trajectory.input_ids) for trajectory in batch])]
    total = 0.0
    lengths = [len(trajectory.input_ids) for trajectory in batch]
    padded = micro_batches(batch, config.micro_batch_size)
    parts = packed_rows(lengths, config.packing) if config.packing else padded
    with training(engine.model):
        for part in engine.passes(parts):
            chosen = [batch[i] for i in part]
            inputs = scorer.row(chosen) if config.packing else scorer.batch(chosen)
            logprobs = token_logprobs(engine.model, inputs, scorer.banned)
            loss = -torch.where(inputs.loss_mask[:, 1:], logprobs, 0.0).sum() / tokens
            engine.backward(loss)
            total += float(loss.detach())
    update = engine.update()
    # What the padded forward passes would have taken, filling included.
    cells = sum(len(part) * max(lengths[i] for i in part) for part in padded)
    loss_sum, rows, filled, taken = engine.ranks.total([total, len(parts), sum(lengths), cells])
    saved = {"rows": rows, "padding_saved": 1 - filled / taken} if config.packing else {}
    counts: Metrics = {"tokens": tokens, "updates_skipped": int(update.skipped), **saved}
    if update.skipped:  # the other figures are no numbers
        return counts
    return {
        "loss": loss_sum,
        "grad_norm": update.grad_norm,
        "learning_rate": update.learning_rate,
        **counts,
    }


def _fingerprint(trajectories: Sequence[Trajectory]) -> str:
    if isinstance(trajectories, Demonstrations):
        return trajectories.sha256
    digest = hashlib.sha256()
    for trajectory in trajectories:
        digest.update(trajectory.input_ids.tobytes())
        digest.update(trajectory.loss_mask.tobytes())
    return digest.hexdigest()
