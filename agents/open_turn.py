"""One turn while it is sampled: when it ends, and which random number its next token is drawn with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agents.policy import GenerationRequest, Sample, SamplingParams
from agents.sampling import uniforms
from agents.vocabulary import Vocabulary


class OpenTurn:
    """A request and what has been sampled for it.

    Args:
        request: What is asked for.
        params: How to sample.
        vocabulary: The tokenizer by its names.

    Attributes:
        finish_reason: Empty until the turn ends; see `Sample`.
        given_up: Set, from any thread, when nobody awaits the turn any more.
    """

    def __init__(self, request: GenerationRequest, params: SamplingParams, vocabulary: Vocabulary) -> None:
        self.request = request
        self.params = params
        self.finish_reason = ""
        self.given_up = False
        self._vocabulary = vocabulary
        self._stop = [s.encode() for s in params.stop]
        self._tail_bytes = max((len(s) for s in self._stop), default=1)
        self._tail = b""
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._noise = _noise(request, params)

    @property
    def uniform(self) -> float:
        """The number in [0, 1) that the next token is drawn with; depends on seed and position alone."""
        return float(self._noise[len(self._ids)])

    @property
    def computed_ids(self) -> npt.NDArray[np.int64]:
        """The ids whose keys and values exist: prompt and sample without the last token, int64 `[T]`."""
        return np.concatenate([self.request.input_ids, np.array(self._ids[:-1], dtype=np.int64)])

    def add(self, token: int, logprob: float) -> None:
        """Take the next token."""
        self._ids.append(token)
        self._logprobs.append(logprob)
        if token == self._vocabulary.im_end:
            self.finish_reason = "stop"
            return
        # In bytes, because a token may end inside a character.
        self._tail += self._vocabulary.token_bytes[token]
        if any(s in self._tail for s in self._stop):
            self.finish_reason = "stop"
        elif len(self._ids) == self.params.max_tokens:
            self.finish_reason = "length"
        self._tail = self._tail[-self._tail_bytes :]

    def sample(self) -> Sample:
        """The finished turn."""
        return Sample(
            token_ids=np.array(self._ids, dtype=np.int64),
            logprobs=np.array(self._logprobs, dtype=np.float32),
            text=self._vocabulary.turn_text(self._ids, self.params.stop),
            finish_reason=self.finish_reason,
        )


def _noise(request: GenerationRequest, params: SamplingParams) -> npt.NDArray[np.float32]:
    if params.temperature == 0:
        return np.broadcast_to(np.float32(0), params.max_tokens)
    return uniforms(request.seed, len(request.input_ids), params.max_tokens)
