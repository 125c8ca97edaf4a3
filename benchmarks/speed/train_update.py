"""One update, ours and the peers': the same model, batch and optimiser, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW
from torch.profiler import ProfilerActivity, profile
from transformers import get_constant_schedule

from agents.pixels import PixelCache
from agents.qwen import Qwen, build_processor
from agents.sampling import banned_mask
from agents.vocabulary import Vocabulary
from benchmarks.speed.train_load import UpdateLoad, experiences
from trainers.batching import micro_batches
from trainers.config import DapoConfig
from trainers.dapo.experience import Experience
from trainers.dapo.update import minibatch
from trainers.distributed.engine import Engine, accelerator, training
from trainers.scoring import Scorer

OURS, PLAIN, TRL = "ours", "transformers", "TRL"

RATE = 1e-9
"""Learning rate: the weights stay what they are, and every step costs the same."""


class Bout:
    """Who takes part, and with what.

    Args:
        qwen: The model; its weights change by next to nothing.
        load: The batch.

    Attributes:
        batch: The batch's trajectories.
        tokens: Tokens of the batch, padding not counted.
    """

    def __init__(self, qwen: Qwen, load: UpdateLoad) -> None:
        self._qwen = qwen
        self._config = DapoConfig(micro_batch_size=load.micro_batch, learning_rate=RATE, progress=False)
        vocabulary = Vocabulary(qwen.tokenizer)
        text: Any = qwen.model.config.text_config
        banned = banned_mask(vocabulary, text.vocab_size)
        self._scorer = Scorer(vocabulary, PixelCache(), banned, qwen.model.device)
        self._optimizer = AdamW(qwen.model.parameters(), lr=RATE)
        schedule = get_constant_schedule(self._optimizer)
        self._engine = Engine(accelerator(self._config, None), qwen.model, self._optimizer, schedule, 1.0)
        self.batch = experiences(load, vocabulary)
        self.tokens = sum(len(one.mask) for one in self.batch)
        trajectories = [one.trajectory for one in self.batch]
        self._parts = micro_batches(trajectories, load.micro_batch)

    def ours(self) -> None:
        """What the trainer does, from trajectories on."""
        sampled = float(sum(one.mask.sum() for one in self.batch))
        minibatch(self._config, self._engine, self._scorer, self.batch, sampled)
        self._engine.update()

    def plain(self) -> Callable[[], None]:
        """Cross-entropy on the same tokens as transformers documents it; the tensors are made beforehand.

        With several processes each takes its part of the micro-batches, under `DistributedDataParallel`.
        """
        ranks = self._engine.ranks
        own = self._parts[ranks.rank :: ranks.size]
        inputs = [self._plain_inputs([self.batch[i] for i in part]) for part in own]
        model: Any = self._qwen.model if ranks.size == 1 else DistributedDataParallel(self._qwen.model)

        def step() -> None:
            with training(model):
                for number, one in enumerate(inputs):
                    # Gradients travel with the last pass only, as torch's documentation advises.
                    last = ranks.size == 1 or number == len(inputs) - 1
                    with nullcontext() if last else model.no_sync():
                        (model(**one, use_cache=False).loss / len(inputs)).backward()
            self._step()

        return step

    def trl(self) -> Callable[[], None]:
        """The loss of TRL's `GRPOTrainer` on the same trajectories; the tensors are made beforehand."""
        trainer = _trl_trainer(self._qwen)
        sampled = torch.tensor(float(sum(one.mask.sum() for one in self.batch)), device=self._scorer.device)
        inputs = [self._trl_inputs([self.batch[i] for i in part], sampled) for part in self._parts]

        def step() -> None:
            with training(self._qwen.model):
                for one in inputs:
                    trainer._compute_loss(self._qwen.model, one).backward()
            self._step()

        return step

    def _step(self) -> None:
        torch.nn.utils.clip_grad_norm_(self._qwen.model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def _plain_inputs(self, members: Sequence[Experience]) -> dict[str, Any]:
        batch = self._scorer.batch([one.trajectory for one in members])
        return {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "pixel_values": batch.pixel_values,
            "image_grid_thw": batch.image_grid_thw,
            "mm_token_type_ids": batch.mm_token_type_ids,
            "labels": batch.input_ids.masked_fill(~batch.loss_mask, -100),
        }

    def _trl_inputs(self, members: Sequence[Experience], sampled: torch.Tensor) -> dict[str, Any]:
        """All prompts are equally long, so a completion begins in the same column everywhere."""
        batch = self._scorer.batch([one.trajectory for one in members])
        start = int(batch.loss_mask.any(dim=0).nonzero()[0])
        device = self._scorer.device
        return {
            "prompt_ids": batch.input_ids[:, :start],
            "prompt_mask": batch.attention_mask[:, :start],
            "completion_ids": batch.input_ids[:, start:],
            "completion_mask": batch.attention_mask[:, start:],
            "tool_mask": batch.loss_mask[:, start:].long(),
            "old_per_token_logps": batch.logprobs[:, start:],
            "advantages": torch.tensor([one.advantage for one in members], device=device),
            "num_items_in_batch": sampled,
            "pixel_values": batch.pixel_values,
            "image_grid_thw": batch.image_grid_thw,
            "num_images": [len(one.trajectory.images) for one in members],
            "mm_token_type_ids": batch.mm_token_type_ids,
        }


def _trl_trainer(qwen: Qwen) -> Any:
    import trl
    from datasets import Dataset

    arguments = trl.GRPOConfig(
        output_dir=tempfile.mkdtemp(prefix="deepeyes-bench-trl-"),
        loss_type="dapo",
        epsilon=0.20,
        epsilon_high=0.30,
        num_generations=2,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=1,
        use_cpu=qwen.model.device.type == "cpu",
        bf16=False,  # the weights themselves are, on a GPU
        report_to="none",
        activation_checkpointing=False,
    )
    trainer = trl.GRPOTrainer(
        model=qwen.model,
        reward_funcs=_no_reward,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
        processing_class=build_processor(qwen.tokenizer),
    )
    trainer.current_gradient_accumulation_steps = 1  # set by Trainer's loop, which is not run here
    return trainer


def _no_reward(completions: list[str], **_: Any) -> list[float | None]:
    return [0.0] * len(completions)


def peak_memory(work: Callable[[], None], device: torch.device) -> int:
    """Bytes that `work` adds at its peak to what was there before, as torch's allocator counts them."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        work()
    assert watched.profiler is not None
    assert watched.profiler.kineto_results is not None
    events = [e for e in watched.profiler.kineto_results.events() if e.name() == "[memory]"]
    used = torch.tensor([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]).cumsum(0)
    return int(used.max())


def synchronised(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`work`, done when it returns."""
    return partial(_and_wait, work, device) if device.type == "cuda" else work


def _and_wait(work: Callable[[], None], device: torch.device) -> None:
    work()
    torch.cuda.synchronize(device)
