"""What we ask of vLLM and how we read its answer, the same for the engine in process and for servers.

vLLM takes one `<|image_pad|>` for an image and expands it itself, as its own picture processor tells it. So
that nothing is taken on trust, every answer brings the prompt that the engine saw, and it must be ours, token
by token. Equal lengths mean equal pictures: a picture that was resized again has another area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.policy import GenerationRequest, PolicyError, Sample, SamplingParams
from agents.sampling import banned_mask
from agents.vocabulary import Vocabulary

BAN = -1e9
"""Logit bias of a banned token: in float32 its probability becomes exactly 0, as with minus infinity, which
JSON cannot say. vLLM's own lists of allowed tokens take 1,024 ids at most (its `MAX_NUM_ALLOWED_TOKEN_IDS`),
and its bad words are texts."""

TEMPERATURES = (0, 1)
"""vLLM tells log-probabilities of the distribution that it samples from. That is ours at temperature 1, and
for a greedy choice, whose logits it leaves undivided (its `Sampler.apply_temperature`)."""

NO_NUMBER = -9999.0
"""What vLLM's servers tell instead of NaN and minus infinity (its `_clamp_logprob`)."""


class EngineMismatch(ValueError):
    """The engine does not do what was asked, and would not the next time; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine said.

    Attributes:
        prompt_ids: The prompt that it saw, image placeholders expanded.
        token_ids: What it sampled.
        logprobs: Their log-probabilities.
        finish_reason: `stop`, `length`, or why there is no proper end, e.g. `abort`.
        cached_tokens: How much of the prompt came from the prefix cache.
        weight_versions: The versions of the weights that it sampled with.
    """

    prompt_ids: Sequence[int]
    token_ids: Sequence[int]
    logprobs: Sequence[float]
    finish_reason: str
    cached_tokens: int
    weight_versions: frozenset[str]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine was started.

    Attributes:
        device: The kind of device that it computes on: `cpu`, `cuda`, ...
        can_sleep: Whether it was started so that it can free its device.
    """

    device: str
    can_sleep: bool

    def check_sleep(self) -> None:
        """Refuse to put an engine to sleep that would go on holding its device's memory.

        The CPU backend has none of a device; there sleep is only a pause.

        Raises:
            EngineMismatch: It was not started for it.
        """
        if self.device != "cpu" and not self.can_sleep:
            raise EngineMismatch(
                "vLLM frees its device only if started with --enable-sleep-mode (enable_sleep_mode=True)"
            )

    def check_model(self, model: Any) -> None:
        """Refuse weights that vLLM would take only in part.

        Its CPU backend keeps a packed copy of the output head, which it does not renew when the head shares
        its weights with the embedding (vLLM 0.32, `dispatch_cpu_unquantized_gemm`). On GPUs there is no copy.

        Args:
            model: What is to be sent.

        Raises:
            EngineMismatch: The head would stay as it was.
        """
        tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
        if self.device == "cpu" and tied:
            raise EngineMismatch(
                "vLLM on the CPU does not renew an output head that is tied to the embedding; sample with "
                "TransformersPolicy, or train a model with tie_word_embeddings=False"
            )


@dataclass(slots=True)
class PromptCount:
    """How much of the prompts the engines did not have to read again.

    Attributes:
        tokens: Prompt tokens of all turns.
        cached: Those of them that came from a prefix cache.
    """

    tokens: int = 0
    cached: int = 0


class Dialect:
    """Requests and answers in vLLM's words.

    Args:
        vocabulary: The tokenizer by its names.
        width: `V`, width of the model's logits (`config.text_config.vocab_size`).

    Attributes:
        count: Prompt tokens so far.
    """

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        self.count = PromptCount()
        self._vocabulary = vocabulary
        self.banned = [int(i) for i in banned_mask(vocabulary, width).nonzero().flatten()]
        self._bias = dict.fromkeys(self.banned, BAN)

    def prompt(self, request: GenerationRequest) -> list[int]:
        """The request's ids with one placeholder for each image."""
        ids, parts, start = request.input_ids.tolist(), [], 0
        for span in request.image_spans:
            parts += ids[start : span.start + 1]
            start = span.start + span.length
        return parts + ids[start:]

    def sampling(self, request: GenerationRequest, params: SamplingParams) -> dict[str, Any]:
        """Arguments of vLLM's `SamplingParams`; everything that it does not name is neutral there.

        Raises:
            ValueError: The temperature is neither 0 nor 1.
        """
        if params.temperature not in TEMPERATURES:
            raise ValueError(
                f"temperature {params.temperature}: vLLM tells log-probabilities at the temperature that it "
                "samples at, but a sample's are those at 1; use temperature 0 or 1"
            )
        return {
            "temperature": float(params.temperature),
            "seed": _turn_seed(request),
            "max_tokens": params.max_tokens,
            "stop": list(params.stop),
            "stop_token_ids": [self._vocabulary.im_end],
            "include_stop_str_in_output": True,
            # Otherwise a stop string would be found across a special token that stands in its middle.
            "skip_special_tokens": False,
            "logit_bias": self._bias,
            "logprobs": 0,
        }

    def sample(self, request: GenerationRequest, params: SamplingParams, answer: Answer) -> Sample:
        """The answer as a sample.

        Args:
            request: What was asked.
            params: How.
            answer: What came back.

        Raises:
            EngineMismatch: The engine saw another prompt than ours.
            PolicyError: The turn was broken off.
        """
        _check(request, answer)
        length = self._turn_length(answer.token_ids, params.stop)
        ids = np.array(answer.token_ids[:length], dtype=np.int64)
        self.count.tokens += len(request.input_ids)
        self.count.cached += answer.cached_tokens
        return Sample(
            token_ids=ids,
            logprobs=np.array(answer.logprobs[:length], dtype=np.float32),
            text=self._vocabulary.turn_text(ids.tolist(), params.stop),
            finish_reason="stop" if length < len(answer.token_ids) else answer.finish_reason,
        )

    def _turn_length(self, token_ids: Sequence[int], stop: Sequence[str]) -> int:
        """Tokens up to the first stop string: an engine that decodes several at a time may go beyond it."""
        said, ends = b"", [s.encode() for s in stop]
        for count, token in enumerate(token_ids, start=1):
            said += self._vocabulary.token_bytes[token]
            if any(end in said for end in ends):
                return count
            said = said[-max((len(end) for end in ends), default=1) :]
        return len(token_ids)


def _check(request: GenerationRequest, answer: Answer) -> None:
    where = f"conversation {request.conversation!r}, {len(request.input_ids)} tokens"
    if list(answer.prompt_ids) != request.input_ids.tolist():
        raise EngineMismatch(
            f"{where}: vLLM saw {len(answer.prompt_ids)} tokens, which are not ours; it resizes pictures "
            "again, or serves another model: start it by `deepeyes serve vllm` with enough --max-pixels"
        )
    if answer.finish_reason not in ("stop", "length") or not answer.token_ids:
        raise PolicyError(
            f"{where}: the turn was broken off ({answer.finish_reason!r}); was the engine put to sleep or "
            "shut down meanwhile?"
        )

    if not all(logprob > NO_NUMBER for logprob in answer.logprobs):
        raise EngineMismatch(f"{where}: a log-probability is no number; the weights have diverged")


def _turn_seed(request: GenerationRequest) -> int:
    """63 bits of the request's seed and length, so that the turns of one episode may share a seed."""
    words = np.random.SeedSequence((request.seed, len(request.input_ids))).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))
