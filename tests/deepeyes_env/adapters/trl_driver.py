"""Plays scripts through TRL's own rollout: all is `GRPOTrainer`'s, only the model's sampling is replaced."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from going_on import spoken_turns
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer

from agents.qwen import build_processor
from agents.tiny import TinyShape, build_tiny
from deepeyes_env.adapters.trl import (
    environment_factory,
    episode_reward,
    prepare_processor,
    rollout_settings,
    to_dataset,
)
from deepeyes_env.adapters.trl_template import END_OF_TURN
from deepeyes_env.config import EnvConfig
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.testing import Played, Script, Seen, Tokens, adapter_config

THINK = "<think>"
"""Given at the start of every turn but the first."""


@cache
def processor() -> Any:
    """The tiny model's processor, prepared."""
    return prepare_processor(build_processor(build_tiny().tokenizer))


def encode(text: str) -> list[int]:
    """Text as a policy would have sampled it: what looks like a control token is letters."""
    return list(processor().tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def end_of_turn() -> int:
    return int(processor().tokenizer.convert_tokens_to_ids(END_OF_TURN))


class Sampling:
    """Stands for `model.generate`: each row of a batch gets its script's next turn.

    TRL keeps the rows in order and leaves out those that are done, so a row is that of the first unused
    script whose conversation so far begins the row.
    """

    def __init__(self, scripts: Sequence[Sequence[str]]) -> None:
        self._scripts = [list(turns) for turns in scripts]
        self.sampled: list[list[list[int]]] = [[] for _ in scripts]
        self._seen: list[list[int]] = [[] for _ in scripts]

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> torch.Tensor:
        rows = [ids[mask.bool()].tolist() for ids, mask in zip(input_ids, attention_mask, strict=True)]
        turns, unused = [], iter(range(len(self._scripts)))
        for row in rows:
            number = next(n for n in unused if self._continues(n, row))
            turns.append(torch.tensor(self._sample(number, row)))
        padding = float(processor().tokenizer.pad_token_id)
        return torch.cat([input_ids, pad_sequence(turns, batch_first=True, padding_value=padding)], dim=1)

    def _continues(self, number: int, row: list[int]) -> bool:
        known = self._seen[number]
        return len(self.sampled[number]) < len(self._scripts[number]) and row[: len(known)] == known

    def _sample(self, number: int, row: list[int]) -> list[int]:
        turn = self._scripts[number][len(self.sampled[number])]
        ids = [*encode(turn.removeprefix(THINK) if self.sampled[number] else turn), end_of_turn()]
        self.sampled[number].append(ids)
        self._seen[number] = row + ids
        return ids


class Rollout:
    """A trainer whose rollouts are scripted.

    Attributes:
        trainer: TRL's own.
        output: What `_generate_and_score_completions` gave for the last batch: the loss's inputs.
        completions: The messages of the last batch's rollouts.
        rewards: What `episode_reward` gave for it.
    """

    def __init__(self, config: EnvConfig, *, sandbox: Sandbox | None = None, **settings: Any) -> None:
        args = GRPOConfig(
            output_dir=tempfile.gettempdir(),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            num_generations_eval=1,
            **{"max_completion_length": 8192} | rollout_settings(processor(), config) | settings,
        )
        model: PreTrainedModel = build_tiny(shape=TinyShape(hidden=32, layers=1, vision_layers=1)).model
        self.trainer = GRPOTrainer(
            model,
            self._reward,
            args,
            to_dataset(range(8), config),
            processing_class=processor(),
            environment_factory=environment_factory(args, config, sandbox=sandbox),
        )
        # Groups of one, so that any number of scripts is a batch.
        self.trainer.model.eval()
        self.rewards: list[float | None] = []

    def play(self, rows: Sequence[dict[str, Any]], turns: Sequence[Sequence[str]]) -> Sampling:
        """Roll out a batch; see the attributes for what came of it."""
        sampling = Sampling(turns)
        self.trainer.model.generate = sampling
        self.output = self.trainer._generate_and_score_completions([dict(row) for row in rows])
        return sampling

    def _reward(self, **given: Any) -> list[float | None]:
        self.prompts, self.completions = given["prompts"], given["completions"]
        self.rewards = episode_reward(**given)
        return self.rewards


class TrlDriver:
    """Plays scripts as rollouts of one batch."""

    @property
    def rollout(self) -> Rollout:
        return _shared_rollout()

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        rollout = self.rollout
        rows = [row(script) for script in scripts]
        sampling = rollout.play(rows, [spoken_turns(script) for script in scripts])
        return [self._played(rollout, n, sampling.sampled[n]) for n in range(len(scripts))]

    def _played(self, rollout: Rollout, number: int, sampled: list[list[int]]) -> Played:
        said = [message for message in rollout.completions[number] if message["role"] == "tool"]
        shown = [seen(message["content"]) for message in (rollout.prompts[number][-1], *said)]
        environment = rollout.trainer.environments[number]
        return Played(
            shown,
            [environment.result.reward],
            environment.result.info["outcome"],
            tokens(rollout.output, number, sampled),
        )


@cache
def _shared_rollout() -> Rollout:
    return Rollout(adapter_config())


def row(script: Script) -> dict[str, Any]:
    """A script as a row of the data set."""
    config = adapter_config()
    [made] = to_dataset([script.index], config, split=script.split, seed=script.seed)
    return made


def seen(content: Sequence[dict[str, Any]]) -> Seen:
    """An observation from a message's blocks."""
    images = [block["image"] for block in content if block["type"] == "image"]
    return Seen("".join(block.get("text", IMAGE_MARKER) for block in content), images)


def tokens(output: dict[str, torch.Tensor], number: int, sampled: list[list[int]]) -> Tokens:
    """A rollout's tokens from the inputs of TRL's loss, without the padding on both sides."""
    prompt = output["prompt_ids"][number][output["prompt_mask"][number].bool()].tolist()
    kept = output["completion_mask"][number].bool()
    completion = output["completion_ids"][number][kept].tolist()
    mask = [0] * len(prompt) + output["tool_mask"][number][kept].tolist()
    tokenizer = processor().tokenizer
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    return Tokens(prompt + completion, mask, sampled, image, tokenizer.decode)
