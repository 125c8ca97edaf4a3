"""vLLM in this process as a `Policy` (its `AsyncLLM`); for the environment that has vLLM installed.

    policy = VllmEngine("Qwen/Qwen2.5-VL-7B-Instruct", gpu_memory_utilization=0.5, enable_sleep_mode=True)

On one GPU with the trainer: `sleep()` before training, `wake()` and `update_weights(model)` after it.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from agents.policy import GenerationRequest, PolicyError, Sample, SamplingParams
from agents.vllm.loop import BackgroundLoop
from agents.vllm.requests import Answer, Dialect, EngineMismatch, EngineSettings, PromptCount
from agents.vllm.settings import engine_arguments
from agents.vllm.weights import WeightFolder, reload_call
from agents.vocabulary import Vocabulary


class VllmEngine:
    """A `Policy` on a vLLM engine that this process starts.

    The engine's workers are processes of their own, started anew: a script that opens one needs the usual
    `if __name__ == "__main__":`.

    Args:
        checkpoint: A Qwen2.5-VL checkpoint (directory or hub id).
        arguments: More of vLLM's `AsyncEngineArgs`; they go before those of `settings.engine_arguments`.

    Raises:
        ImportError: vLLM is not installed.

    Attributes:
        vocabulary: The tokenizer by its names.
        prompts: Prompt tokens so far, and how many of them came from the prefix cache.
    """

    def __init__(self, checkpoint: str, **arguments: Any) -> None:
        try:
            from vllm import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise ImportError(
                "the engine in process needs vLLM in this environment: pip install 'deepeyes-gym[vllm]'; "
                "vLLM in an environment of its own is started by `deepeyes serve vllm`"
            ) from error
        options = AsyncEngineArgs(model=checkpoint, **(engine_arguments() | arguments))
        self._weights = WeightFolder()
        self._loop = BackgroundLoop("vllm-engine")

        async def start() -> Any:
            return AsyncLLM.from_engine_args(options)

        try:
            self._engine = self._loop.block(start())
        except BaseException:
            self._loop.stop()
            self._weights.close()
            raise
        config = self._engine.vllm_config
        self._settings = EngineSettings(
            config.device_config.device_type, can_sleep=config.model_config.enable_sleep_mode
        )
        self.vocabulary = Vocabulary(self._engine.get_tokenizer())
        self._dialect = Dialect(self.vocabulary, self._engine.model_config.get_vocab_size())
        self.prompts: PromptCount = self._dialect.count

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        """Sample one turn; see `Policy.generate`.

        Raises:
            PolicyError: The engine died, or the turn was broken off.
            EngineMismatch: The engine saw another prompt, or refuses it, e.g. because it is too long.
            ValueError: The temperature is neither 0 nor 1.
        """
        return await self._loop.run(self._generate(request, params))

    async def update_weights(self, model: Any) -> None:
        """See `Policy.update_weights`; running turns are finished first."""
        await self._loop.run(self._update(model))

    async def sleep(self, level: int = 1) -> None:
        """Give the accelerator free, after running turns; the engine needs `enable_sleep_mode=True`.

        Args:
            level: 1 keeps the weights in main memory, 2 drops them, so that `update_weights` has to follow.

        Raises:
            EngineMismatch: It was started without.
        """
        self._settings.check_sleep()
        await self._loop.run(self._engine.sleep(level, mode="wait"))

    async def wake(self) -> None:
        """Undo `sleep`."""
        await self._loop.run(self._engine.wake_up())

    async def close(self) -> None:
        """Stop the engine. Idempotent."""
        await asyncio.to_thread(self._shut)

    # --- In the background loop ----------------------------------------------------------------------------

    async def _generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        from vllm import SamplingParams as EngineParams
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        sampling = EngineParams(
            **self._dialect.sampling(request, params), output_kind=RequestOutputKind.FINAL_ONLY
        )
        prompt = TokensPrompt(prompt_token_ids=self._dialect.prompt(request))
        if request.images:
            pictures = await asyncio.to_thread(lambda: [image.decode() for image in request.images])
            prompt["multi_modal_data"] = {"image": pictures}
            prompt["multi_modal_uuids"] = {"image": [image.key for image in request.images]}
        try:
            [rendered] = await self._engine.renderer.render_cmpl_async([prompt])
            [output] = [o async for o in self._engine.generate(rendered, sampling, uuid.uuid4().hex)]
        except (EngineDeadError, EngineGenerateError) as error:
            raise PolicyError(f"vLLM's engine failed: {error}; its own log tells why") from error
        except VLLMClientError as error:
            where = f"conversation {request.conversation!r}"
            raise EngineMismatch(f"vLLM refuses the turn of {where}: {error}") from error
        return self._dialect.sample(request, params, _answer(output))

    async def _update(self, model: Any) -> None:
        self._settings.check_model(model)
        call = reload_call(self._weights.folder)
        await self._weights.write(model)
        try:
            await self._engine.pause_generation(mode="wait")
            await self._engine.collective_rpc(call["method"], kwargs=call["kwargs"])
            await self._engine.reset_prefix_cache()
            await self._engine.reset_mm_cache()
            await self._engine.reset_encoder_cache()
        finally:
            await self._engine.resume_generation()

    # --- Any thread ----------------------------------------------------------------------------------------

    def _shut(self) -> None:
        async def shutdown() -> None:
            self._engine.shutdown()

        if self._loop.running:
            self._loop.block(shutdown())
            self._loop.stop()
            self._weights.close()
            # It would shut itself down once more when the interpreter ends, without the modules it needs.
            del self._engine


def _answer(output: Any) -> Answer:
    """A `vllm.RequestOutput` in our words."""
    [choice] = output.outputs
    return Answer(
        prompt_ids=output.prompt_token_ids,
        token_ids=list(choice.token_ids),
        logprobs=[at[token].logprob for at, token in zip(choice.logprobs, choice.token_ids, strict=True)],
        finish_reason=choice.finish_reason,
        cached_tokens=output.num_cached_tokens or 0,
        weight_versions=frozenset(span.version for span in choice.weight_versions or ()),
    )
