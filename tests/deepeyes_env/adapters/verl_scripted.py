"""Scripts through verl's own data set, worker and postprocessing; a client recites in vLLM's place."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from verl.experimental.agent_loop import AgentLoopWorker
from verl.protocol import DataProto
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
from verl.workers.rollout.llm_server import LLMServerClient
from verl.workers.rollout.replica import TokenOutput

from deepeyes_env.adapters.verl_data import verl_row, write_rows
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import STOP_STRINGS
from deepeyes_env.tasks import open_source
from deepeyes_env.testing import Played, Script, Seen, Tokens

ROOT = Path(__file__).resolve().parents[3]

SAID_BY = ContextVar[str]("SAID_BY")
"""The script whose episode the running coroutine plays."""

LAST_MESSAGE = re.compile(
    r".*<\|im_start\|>user\n(.*)<\|im_end\|>\n<\|im_start\|>assistant\n(?:<think>)?", re.DOTALL
)
IMAGE = re.compile(r"<\|vision_start\|>(?:<\|image_pad\|>)+<\|vision_end\|>")


def verl_config(model: Path, env: Path, response: int = 4096, **more: Any) -> DictConfig:
    """verl's own configuration for an agent loop worker with our settings."""
    settings = {
        "actor_rollout_ref.model.path": model,
        "actor_rollout_ref.model.external_lib": "verl_processor",
        "actor_rollout_ref.rollout.name": "vllm",
        "actor_rollout_ref.rollout.agent.agent_loop_config_path": ROOT / "configs/verl/agent_loop.yaml",
        "+actor_rollout_ref.rollout.custom.deepeyes.env": env,
        "data.max_prompt_length": 1024,
        "data.max_response_length": response,
        **more,
    }
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=[f"{name}={value}" for name, value in settings.items()])


@dataclass
class Recital:
    """What the client was asked and what it said, in one episode."""

    prompts: list[list[int]] = field(default_factory=list)
    images: list[Image.Image] = field(default_factory=list)
    shown: list[list[Image.Image]] = field(default_factory=list)
    said: list[list[int]] = field(default_factory=list)


class ReciterClient(LLMServerClient):
    """Says the turns of the running script, letter by letter: no tokenizer would encode them so again."""

    def __init__(self, config: DictConfig, tokenizer: Any, scripts: Sequence[Script]) -> None:
        super().__init__(config)
        self.tokenizer = tokenizer
        self.turns = {script.name: script.turns for script in scripts}
        self.recitals: dict[str, Recital] = {}
        self.instead: TokenOutput | None = None

    async def generate(
        self,
        request_id: str,
        *,
        prompt_ids: list[int],
        sampling_params: dict[str, Any],
        image_data: list[Image.Image] | None = None,
        **_: Any,
    ) -> TokenOutput:
        recital = self.recitals[SAID_BY.get()]
        images = image_data or []
        assert images[: len(recital.images)] == recital.images
        recital.shown.append(images[len(recital.images) :])
        recital.images = list(images)
        recital.prompts.append(list(prompt_ids))
        turn = self.turns[SAID_BY.get()][len(recital.said)]
        said = spell(self.tokenizer, turn.removeprefix("<think>") if recital.said else turn)
        recital.said.append(said[: sampling_params["max_tokens"]])
        await asyncio.sleep(0)
        return self.instead or TokenOutput(
            token_ids=recital.said[-1], log_probs=recited_logprobs(recital.said[-1]), stop_reason="completed"
        )


def recited_logprobs(said: list[int]) -> list[float]:
    """Numbers that float32 holds exactly and that tell the places of a turn apart."""
    return [-(n + 1) / 1024 for n in range(len(said))]


def spell(tokenizer: Any, text: str) -> list[int]:
    """The ids of a turn, one letter after the other."""
    letters = [
        tokenizer.encode(letter, add_special_tokens=False, split_special_tokens=True) for letter in text
    ]
    end = [] if text.endswith(STOP_STRINGS) else tokenizer.encode("<|im_end|>", add_special_tokens=False)
    return [*(token for ids in letters for token in ids), *end]


class ScriptedWorker(AgentLoopWorker):
    """Tells the client whose turn it is to speak; all else is verl's."""

    async def _run_agent_loop(self, *args: Any, script: str, **row: Any) -> Any:
        SAID_BY.set(script)
        return await super()._run_agent_loop(*args, **row)


class VerlDriver:
    """Plays scripts as rows of one batch of verl's worker."""

    def __init__(self, config: DictConfig, scripts: Sequence[Script], folder: Path) -> None:
        self.worker = ScriptedWorker(config, llm_client=None)
        self.tokenizer = self.worker.tokenizer
        self.worker.llm_client = self.client = ReciterClient(config, self.tokenizer, scripts)
        self.places = {script.name: place for place, script in enumerate(scripts)}
        env = load_config(EnvConfig, config.actor_rollout_ref.rollout.custom.deepeyes.env)
        source = open_source(env.source)
        rows = [
            verl_row(source.task(s.index, s.split), s.index, s.split, s.seed, env) | {"script": s.name}
            for s in scripts
        ]
        write_rows(rows, folder / "rows.parquet")
        self.rows = RLHFDataset(
            str(folder / "rows.parquet"), self.tokenizer, config.data, processor=self.worker.processor
        )

    @contextmanager
    def settings(self, response: int | None = None, **ours: Any) -> Iterator[None]:
        """Agent loops, which verl makes for every episode, see other settings meanwhile."""
        changed = {f"custom.deepeyes.{name}": value for name, value in ours.items()}
        changed |= {} if response is None else {"response_length": response}
        before = self.worker.config
        self.worker.config = copy.deepcopy(before)
        for name, value in changed.items():
            OmegaConf.update(self.worker.config.actor_rollout_ref.rollout, name, value, force_add=True)
        try:
            yield
        finally:
            self.worker.config = before

    def batch(self, scripts: Sequence[Script]) -> DataProto:
        """What verl makes of the scripts' episodes."""
        self.client.recitals = {script.name: Recital() for script in scripts}
        rows = collate_fn([self.rows[self.places[script.name]] for script in scripts])
        return asyncio.run(self.worker.generate_sequences(DataProto.from_single_dict(rows)))

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        batch = self.batch(scripts)
        return [self.played(batch[n], self.client.recitals[script.name]) for n, script in enumerate(scripts)]

    def played(self, row: Any, recital: Recital) -> Played:
        """An episode as the trainer gets it; its texts and images as the engine got them."""
        ids, mask = real_tokens(row)
        pad = self.worker.processor.image_token_id
        outcomes = [str(name) for name in Outcome if row.non_tensor_batch.get(str(name))]
        assert len(outcomes) == 1
        return Played(
            self.observations(recital),
            [float(row.batch["rm_scores"].sum())],
            outcomes[0],
            Tokens(ids, mask, recital.said, pad, lambda some: self.tokenizer.decode(some)),
        )

    def observations(self, recital: Recital) -> list[Seen]:
        """What the engine was shown before each turn."""
        seen = []
        for prompt, images in zip(recital.prompts, recital.shown, strict=True):
            message = LAST_MESSAGE.fullmatch(self.tokenizer.decode(prompt))
            assert message, self.tokenizer.decode(prompt)
            seen.append(Seen(IMAGE.sub("<image>", message[1]), images))
        return seen


def real_tokens(row: Any) -> tuple[list[int], list[int]]:
    """An episode's ids and mask without verl's padding."""
    real = row.batch["attention_mask"].bool()
    prompt = torch.zeros_like(row.batch["prompts"])
    mask = torch.cat([prompt, row.batch["response_mask"]])
    return row.batch["input_ids"][real].tolist(), mask[real].tolist()
