"""verl: an `AgentLoop` in which verl's policy plays our episodes, for its PPO, GRPO and DAPO trainers.

    actor_rollout_ref.rollout.agent.agent_loop_config_path: configs/verl/agent_loop.yaml
    actor_rollout_ref.rollout.custom.deepeyes.env: env.toml       # the other settings: `Settings`

Rows name the episode (`adapters/verl_data.py` writes them); the environment gives the prompt, the images, the
observations and the reward, so verl's reward loop has nothing to do. Ids are merged by verl's own Continuous
Token builder and never encoded again. Written against verl 0.9.1 (`experimental/agent_loop/agent_loop.py`).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput, register
from verl.utils.profiler import simple_timer
from verl.utils.rollout_trace import rollout_trace_op

from deepeyes_env.adapters.unscored import EpisodeFailed
from deepeyes_env.adapters.verl_conversation import Conversation, pictures, user_message
from deepeyes_env.async_env import MAX_TOOLS, AsyncEpisode, DeepEyesAsyncEnv, ToolTimeout
from deepeyes_env.chat_parts import up_to_stop
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.episode import Observation
from deepeyes_env.errors import require
from deepeyes_env.images import PATCH_FACTOR
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import STOP_STRINGS
from deepeyes_env.runner import StepResult

THINK = "<think>"
"""Pre-filled at the start of every turn but the first (reference 1.4)."""

IM_END, IMAGE_PAD = "<|im_end|>", "<|image_pad|>"
"""What ends a turn in Qwen2.5-VL's chat template, and what stands for an image's features."""

BAN = -1e9
"""Logit bias of a banned token: in float32 its probability becomes exactly 0. verl makes vLLM's
`SamplingParams` itself; only what comes over HTTP is clamped to [-100, 100] (its `from_optional`)."""


class UnexpectedTokens(RuntimeError):
    """The engine sampled what it must not, or the processor counts an image otherwise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What stands under `actor_rollout_ref.rollout.custom.deepeyes`.

    Attributes:
        env: Path of a TOML file with the environment's settings, the same on every node.
        max_turn_tokens: Tokens per turn (reference 1.5).
        think_prefill: Whether every turn but the first starts with a given `<think>` (reference 1.4).
        infra_retries: How often an episode is begun anew when sandbox, search or judge failed.
        tool_seconds: Wall time after which a tool call counts as failed infrastructure; None leaves it to the
            tools.
    """

    env: str
    max_turn_tokens: int = 8192
    think_prefill: bool = True
    infra_retries: int = 1
    tool_seconds: float | None = None

    def __post_init__(self) -> None:
        require(self.max_turn_tokens >= 1, "max_turn_tokens", self.max_turn_tokens, "at least 1")
        require(self.infra_retries >= 0, "infra_retries", self.infra_retries, "at least 0")
        seconds = self.tool_seconds
        require(seconds is None or seconds > 0, "tool_seconds", seconds, "above 0, or None")


@functools.cache
def open_env(path: str) -> DeepEyesAsyncEnv:
    """The environment of this worker process: verl makes an agent loop for every episode, they share it."""
    return DeepEyesAsyncEnv(MAX_TOOLS, load_config(EnvConfig, path))


@register("deepeyes")
class DeepEyesAgentLoop(AgentLoopBase):
    """Plays one episode with verl's policy."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As verl calls it; opens the environment of this process the first time.

        Raises:
            ConfigError: A bad setting, here or in the environment's file.
        """
        super().__init__(*args, **kwargs)
        custom = OmegaConf.select(self.rollout_config, "custom.deepeyes", default={})
        self.settings = load_config(Settings, dict(custom))
        self.env = open_env(self.settings.env)
        self.im_end = int(self.tokenizer.convert_tokens_to_ids(IM_END))
        added = self.tokenizer.added_tokens_decoder.items()
        self.banned = {int(i) for i, token in added if token.special} - {self.im_end}

    @rollout_trace_op
    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Play the row's episode.

        Args:
            sampling_params: verl's: temperature and the like.
            **row: Fields of the data set; `extra_info` names the episode.

        Raises:
            EpisodeFailed: The infrastructure failed each time. verl's v1 trainer makes no row of such an
                episode: it has no reward, no loss and no part in its group's baseline.
            UnexpectedTokens: The engine or the processor is not set up for this model.
        """
        metrics: dict[str, Any] = {}
        failures: list[str] = []
        for _ in range(self.settings.infra_retries + 1):
            episode = await self.env.begin(*_place(row))
            try:
                talk, result = await self._converse(episode, sampling_params, metrics)
                if result.info["outcome"] != Outcome.INFRA_FAILED:
                    return _output(talk, result, metrics)
                failures.append("; ".join(episode.failures))
            except (ToolTimeout, _Aborted) as error:
                failures.append(str(error))
            finally:
                await episode.close()
        raise EpisodeFailed(f"{episode.info['task_id']}, attempts: {len(failures)}: {' | '.join(failures)}")

    async def _converse(
        self, episode: AsyncEpisode, sampling_params: Mapping[str, Any], metrics: dict[str, Any]
    ) -> tuple[Conversation, StepResult]:
        """Turn after turn, until the episode ends."""
        talk: Conversation | None = await self._open(episode)
        request_id = uuid4().hex  # its turns go to the same server
        while talk is not None:
            with simple_timer("generate_sequences", metrics):
                said, text = await self._speak(talk, request_id, sampling_params)
            if text is None:
                break
            with simple_timer("tool_calls", metrics):
                result = await episode.step(text, self.settings.tool_seconds)
            if result.done:
                return said, result
            talk = await self._show(said, result.observation)
        return said, await episode.abandon()

    async def _open(self, episode: AsyncEpisode) -> Conversation:
        """Lay down the prompt; verl raises ValueError where it exceeds `data.max_prompt_length`."""
        images = await asyncio.to_thread(pictures, episode.observation)
        messages = [
            {"role": "system", "content": episode.info["system_prompt"]},
            user_message(episode.observation, images),
        ]
        ids = await self.ct_build_initial_tokens(messages, images=images or None)
        self._check_images(ids, episode.observation)
        return Conversation(ids, [], [] if self.rollout_config.calculate_log_probs else None, images)

    async def _speak(
        self, talk: Conversation, request_id: str, sampling_params: Mapping[str, Any]
    ) -> tuple[Conversation, str | None]:
        """Sample the next turn; its text for the environment is None if a limit of tokens cut it."""
        room = self.rollout_config.response_length - len(talk.mask)
        sample = await self.server_manager.generate(
            request_id=request_id,
            prompt_ids=talk.ids,
            sampling_params=self._sampling(sampling_params, min(self.settings.max_turn_tokens, room)),
            image_data=talk.images or None,
        )
        if not sample.token_ids or sample.stop_reason in ("abort", "aborted"):
            raise _Aborted(f"the engine broke a turn off ({sample.stop_reason!r})")
        self._check_sampled(sample.token_ids)
        merged, mask, logprobs = await self.ct_merge_assistant_token(
            talk.ids,
            sample.token_ids,
            talk.mask,
            talk.logprobs,
            assistant_logprobs=None if talk.logprobs is None else sample.log_probs,
        )
        said = talk.followed(merged.token_ids, mask, logprobs)
        # Later turns only tell to which version of the weights the episode has come (as verl's own loops).
        later = {name: v for name, v in sample.extra_fields.items() if name == "max_global_steps"}
        engine = talk.engine | later if talk.engine else sample.extra_fields
        return replace(said, engine=engine), self._text(talk.prefill, sample.token_ids)

    async def _show(self, said: Conversation, observation: Observation) -> Conversation | None:
        """Lay down an observation with its images; None where no turn could follow."""
        images = await asyncio.to_thread(pictures, observation)
        # verl's builder begins after the end of a turn, which a stop string leaves out.
        ended = said if said.ids[-1] == self.im_end else said.given([self.im_end])
        merged, mask, logprobs = await self.ct_merge_context_msg(
            [], [user_message(observation, images)], ended.ids, ended.mask, ended.logprobs
        )
        self._check_images(merged.token_ids[len(ended.ids) :], observation)
        prefill = THINK if self.settings.think_prefill else ""
        think = self.tokenizer.encode(prefill, add_special_tokens=False)
        shown = ended.followed(merged.token_ids, mask, logprobs).given(think)
        if len(shown.mask) >= self.rollout_config.response_length:
            return None
        return replace(shown, images=said.images + images, prefill=prefill)

    def _sampling(self, given: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
        """Arguments of vLLM's `SamplingParams`; what stops a turn stays in it."""
        return {
            **given,
            "max_tokens": max_tokens,
            "stop": list(STOP_STRINGS),
            "stop_token_ids": [self.im_end],
            "include_stop_str_in_output": True,
            # Otherwise a stop string would be found across a special token that stands in its middle.
            "skip_special_tokens": False,
            "logit_bias": dict.fromkeys(sorted(self.banned), BAN),
        }

    def _text(self, prefill: str, sampled: list[int]) -> str | None:
        """What the policy said up to its first stop string, or None if it had not ended."""
        ended = sampled[-1] == self.im_end
        said = self.tokenizer.decode(sampled[:-1] if ended else sampled, clean_up_tokenization_spaces=False)
        text = up_to_stop(said)
        return prefill + text if ended or text.endswith(STOP_STRINGS) else None

    def _check_sampled(self, sampled: list[int]) -> None:
        if found := self.banned & {*sampled} | {self.im_end} & {*sampled[:-1]}:
            names = ", ".join(self.tokenizer.convert_ids_to_tokens(sorted(found)))
            raise UnexpectedTokens(
                f"the engine sampled {names}: it must honour logit_bias and stop_token_ids"
            )

    def _check_images(self, ids: list[int], observation: Observation) -> None:
        found = ids.count(self.tokenizer.convert_tokens_to_ids(IMAGE_PAD))
        wanted = sum(image.pixels for image in observation.images) // PATCH_FACTOR**2
        if found != wanted:
            raise UnexpectedTokens(
                f"{found} placeholders stand for {wanted} image features: the processor resizes what the "
                "environment has resized, or takes no images; leave data.mm_processor_kwargs alone, and give "
                "the model's own processor (model.tokenizer_path)"
            )


class _Aborted(Exception):
    """The engine gave a turn up."""


def _place(row: Mapping[str, Any]) -> tuple[int, Any, int]:
    """Index, split and seed of the row's episode; the episodes of a group have seeds of their own.

    `session_id` is the number in the group, which verl's v1 trainer gives.
    """
    info = row["extra_info"]
    return int(info["index"]), info["split"], int(info["seed"]) + int(row.get("session_id", 0))


def _output(talk: Conversation, result: StepResult, metrics: dict[str, Any]) -> AgentLoopOutput:
    info, prompt = result.info, len(talk.ids) - len(talk.mask)
    # What verl's `filter_groups.metric` and validation read; every row has all of them.
    outcomes = {str(name): float(info["outcome"] == name) for name in Outcome if name != Outcome.INFRA_FAILED}
    own = {
        "turn_scores": [],
        "tool_rewards": [],
        "task_id": info["task_id"],
        "reward_extra_info": {"acc": info["accuracy"], "format": info["format"], **outcomes},
    }
    return AgentLoopOutput(
        prompt_ids=talk.ids[:prompt],
        response_ids=talk.ids[prompt:],
        response_mask=talk.mask,
        response_logprobs=talk.logprobs,
        multi_modal_data={"images": talk.images},
        reward_score=result.reward,
        num_turns=talk.messages,
        metrics=metrics,
        extra_fields=talk.engine | own,
    )
