"""What verl's v1 trainer does to get a batch, without its GPUs: its manager, worker, queue and replay buffer.

The place of vLLM takes a Ray actor that samples thoughts from a tiny model and acts by a plan. One task's
groups are always wrong, another's search server is dead; neither may reach the trainer.

usage: verl_trainer_path.py MODEL FOLDER
"""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import transfer_queue as tq
from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.v1 import AgentLoopManagerTQ
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils import tensordict_utils
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
from verl.workers.rollout.llm_server import LLMServerClient
from verl_scripted import ROOT, verl_config

from deepeyes_env.adapters.verl_data import verl_row, write_rows
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.task import Task, TaskSource
from deepeyes_env.tasks import open_source
from deepeyes_env.tasks.worlds.oracles.turns import answer, code, search

SETTINGS = """
prompt = "minimal"
max_turns = 4
max_pixels = 50176
tool_max_pixels = 50176
source = {families = ["closer-look", "portrait-fact"], difficulty = 0.0}

[search]
retry = {attempts = 1}
engine = {kind = "retrieve", url = "http://127.0.0.1:9/retrieve", timeout_seconds = 1.0}
"""

GROUP, BATCH, THOUGHT = 2, 2, 8
"""Episodes of a group, groups of a batch, tokens that the model thinks in a turn."""

HOPELESS, UNLUCKY = 0, 1
"""Numbers of two tasks, in the order in which they are drawn; all others train."""


def plans(number: int, task: Task) -> list[list[str]]:
    """What the episodes of a task's group do, after having thought; those that fail are begun anew."""
    look = code("", "image_1.crop((0, 0, 140, 90))")
    right, wrong = answer("", task.answer.text), answer("", "certainly something else")
    if number == UNLUCKY:
        return [[search("", "anything")]]
    return [[look, wrong], [look, wrong]] if number == HOPELESS else [[look, right], [wrong]]


@ray.remote
class TinyServer:
    """Has the method of verl's rollout servers that the agent loop asks, over `agents`' own policy."""

    def __init__(self, model: str, planned: dict[str, list[list[str]]]) -> None:
        """Load the model.

        Args:
            model: The checkpoint.
            planned: Question -> what the episodes do, in the order in which they come.
        """
        from agents.qwen import load_qwen
        from agents.transformers_policy import TransformersPolicy

        self.qwen = load_qwen(model)
        self.policy = TransformersPolicy(self.qwen.model, self.qwen.tokenizer)
        self.fresh = {question: cycle(turns) for question, turns in planned.items()}
        self.going: dict[tuple[int, ...], Iterator[str]] = {}
        self.count = 0

    async def generate(
        self,
        prompt_ids: list[int],
        sampling_params: dict[str, Any],
        request_id: str,
        image_data: Any = None,
        video_data: Any = None,
    ) -> Any:
        """A thought that is sampled, then what is planned; all of it with the model's log-probabilities."""
        from verl.workers.rollout.replica import TokenOutput

        from agents.policy import GenerationRequest, SamplingParams

        said = self.policy.vocabulary
        known = next((past for past in self.going if tuple(prompt_ids[: len(past)]) == past), None)
        turns = self._begin(said.decode(prompt_ids)) if known is None else self.going.pop(known)
        opening, _, rest = next(turns).partition("<think>")
        head = [] if known else said.encode("<think>")  # given from the second turn on
        ids, images = np.array([*prompt_ids, *head]), pictures(image_data)
        self.count += 1
        request = GenerationRequest(ids, images, spans(ids, images, said.image_pad), seed=self.count)
        thought = await self.policy.generate(request, SamplingParams(max_tokens=THOUGHT, stop=()))
        free = [int(i) for i in thought.token_ids if i != said.im_end]
        turn = [*head, *free, *said.encode(rest)]
        assert opening == ""
        assert sampling_params["max_tokens"] >= len(turn)
        self.going[(*prompt_ids, *turn)] = turns
        logprobs = self._score(prompt_ids, turn, images)
        return TokenOutput(
            token_ids=turn, log_probs=logprobs, stop_reason="completed", extra_fields={"global_steps": 0}
        )

    def _begin(self, prompt: str) -> Iterator[str]:
        planned = next(turns for question, turns in self.fresh.items() if question in prompt)
        return iter(next(planned))

    def _score(self, prompt: list[int], turn: list[int], images: Any) -> list[float]:
        """As the sampler would: by its model, over its own preparation of images and positions."""
        from agents.positions import rope_positions
        from agents.qwen import pixel_inputs
        from agents.sampling import policy_logprobs

        ids = np.array([*prompt, *turn])
        where = spans(ids, images, self.policy.vocabulary.image_pad)
        positions, _ = rope_positions(len(ids), where)
        pixel_values, grid = pixel_inputs(images)
        with torch.no_grad():
            logits = self.qwen.model(
                input_ids=torch.from_numpy(ids)[None],
                position_ids=torch.from_numpy(positions)[:, None],
                pixel_values=pixel_values,
                image_grid_thw=grid,
                mm_token_type_ids=torch.from_numpy(
                    (ids == self.policy.vocabulary.image_pad).astype(np.int64)
                )[None],
            ).logits[0]
        scores = policy_logprobs(logits[len(prompt) - 1 : -1], self.policy.banned)
        return scores.gather(1, torch.tensor(turn)[:, None])[:, 0].tolist()


def pictures(image_data: Any) -> Any:
    from deepeyes_env.images import EncodedImage

    return tuple(EncodedImage.from_pil(image) for image in image_data)


def spans(ids: np.ndarray, images: Any, pad: int) -> Any:
    """Where the images' placeholders stand: image by image, as long as its grid says."""
    from agents.qwen import image_grid, visual_tokens
    from agents.trajectory import ImageSpan

    places, found = np.flatnonzero(ids == pad), []
    for image in images:
        grid = image_grid(image)
        found.append(ImageSpan(int(places[0]), visual_tokens(grid), grid))
        places = places[visual_tokens(grid) :]
    assert not len(places)
    return tuple(found)


class OneServer(LLMServerClient):
    """verl's client with one server and no balancer, which subclasses may do without."""

    def __init__(self, config: DictConfig, server: Any) -> None:
        super().__init__(config)
        self.server = server

    async def _acquire_server(self, request_id: str, **_: Any) -> tuple[str, Any]:
        return "tiny", self.server

    def _release_server(self, server_id: str, request_id: str | None = None) -> None:
        pass


class Trainer:
    """The parts of verl's v1 trainer that get a batch."""

    def __init__(self, config: DictConfig, rows: RLHFDataset, client: LLMServerClient) -> None:
        self.manager = AgentLoopManagerTQ.create(config=config, llm_client=client)
        places = chain(range(len(rows)), cycle(range(UNLUCKY + 1, len(rows))))
        self.rows = (rows[place] for place in places)
        self.drawn: list[str] = []
        self.buffer = ReplayBuffer(
            trainer_mode="sync",
            trainer_config=OmegaConf.create(),
            max_off_policy_threshold=8,
            max_off_policy_strategy="drop",
            sampler_kwargs=OmegaConf.create(),
            poll_interval=0.1,
            refill_fn=self.submit,
            filter_groups_metric=config.algorithm.filter_groups.metric,
            train_batch_size=BATCH,
            gen_batch_size=1,
            sync_refill_failed_groups=config.trainer.v1.sampler.sync_refill_failed_groups,
        )

    def submit(self, count: int) -> None:
        """As `PPOTrainer._submit_batch_to_rollout`."""
        batch = collate_fn([next(self.rows) for _ in range(count)])
        batch["uid"] = np.array([uuid.uuid4().hex for _ in range(count)], dtype=object)
        self.drawn += list(batch["uid"])
        prompts = tensordict_utils.get_tensordict(batch)
        tensordict_utils.assign_non_tensor_data(prompts, "global_steps", 0)
        tags = [{"is_prompt": True, "status": "pending", "global_steps": 0} for _ in range(count)]
        tq.kv_batch_put(keys=list(prompts["uid"]), partition_id="train", tags=tags)
        self.manager.generate_sequences(prompts)


def main(model: Path, folder: Path) -> None:
    env = folder / "env.toml"
    env.write_text(SETTINGS)
    config = trainer_config(model, env)
    settings = load_config(EnvConfig, env)
    places = distinct(open_source(settings.source))
    rows = [verl_row(task, index, "train", 0, settings) for index, task in places.items()]
    write_rows(rows, folder / "rows.parquet")
    ray.init(address="local", num_cpus=4, include_dashboard=False, object_store_memory=256 * 2**20)
    tq.init(config.transfer_queue)
    planned = {task.question: plans(number, task) for number, task in enumerate(places.values())}
    server = TinyServer.remote(str(model), planned)
    from transformers import AutoTokenizer

    rows = RLHFDataset(str(folder / "rows.parquet"), AutoTokenizer.from_pretrained(model), config.data)
    trainer = Trainer(config, rows, OneServer(config, server))
    trainer.submit(BATCH)
    batch, evicted = trainer.buffer.sample(global_steps=0, partition_id="train", batch_size=BATCH)

    groups = Counter(key.split("_")[0] for key in batch.keys)
    assert list(groups.values()) == [GROUP] * BATCH
    assert not groups.keys() & {trainer.drawn[HOPELESS], trainer.drawn[UNLUCKY]}
    assert evicted["training/filter_groups/evicted_samples"] == 1
    assert evicted["training/rollout_failure/evicted_samples"] == 1
    print("ok: groups that are all wrong or failed are drawn anew")
    assert_the_trainer_computes_what_was_sampled(model, tq.kv_batch_get(batch.keys, "train"))


def distinct(source: TaskSource) -> dict[int, Task]:
    """The first tasks that have questions of their own, by which the server tells them apart."""
    found: dict[str, tuple[int, Task]] = {}
    for index in range(64):
        task = source.task(index)
        found.setdefault(task.question, (index, task))
    return dict(list(found.values())[:6])


def trainer_config(model: Path, env: Path) -> DictConfig:
    """The settings of configs/verl that matter here."""
    ours = OmegaConf.load(ROOT / "configs/verl/deepeyes-7b.yaml")
    return verl_config(
        model,
        env,
        response=2048,
        **{
            "actor_rollout_ref.rollout.n": GROUP,
            "actor_rollout_ref.rollout.agent.num_workers": 1,
            "+actor_rollout_ref.rollout.custom.deepeyes.infra_retries": 1,
            "algorithm.filter_groups.metric": ours.algorithm.filter_groups.metric,
            "trainer.v1.sampler.sync_refill_failed_groups": ours.trainer.v1.sampler.sync_refill_failed_groups,
            "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        },
    )


def assert_the_trainer_computes_what_was_sampled(model: Path, rows: Any) -> None:
    """The tokens, positions and pixels that verl hands its actor give the sampler's log-probabilities."""
    from agents.qwen import load_qwen
    from agents.sampling import banned_mask, policy_logprobs
    from agents.vocabulary import Vocabulary

    qwen = load_qwen(model)
    actor, banned = (
        qwen.model,
        banned_mask(Vocabulary(qwen.tokenizer), qwen.model.config.text_config.vocab_size),
    )
    for row in rows:
        ids, positions, pixels = row["input_ids"], row["position_ids"], dict(row["multi_modal_inputs"])
        with torch.no_grad():
            logits = actor(
                input_ids=ids[None],
                position_ids=positions[1:, None],  # verl puts the text's positions before the three of m-rope
                pixel_values=pixels["pixel_values"],
                image_grid_thw=pixels["image_grid_thw"],
                mm_token_type_ids=(ids == actor.config.image_token_id).long()[None],
            ).logits[0]
        responses, mask = row["responses"], row["response_mask"].bool()
        scores = policy_logprobs(logits[-len(responses) - 1 : -1], banned).gather(1, responses[:, None])[:, 0]
        torch.testing.assert_close(row["rollout_log_probs"][mask], scores[mask], atol=1e-4, rtol=1e-4)
        assert not row["rollout_log_probs"][~mask].any()
    print("ok: the trainer computes what was sampled")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
