"""Qwen2.5-VL through transformers as a `Policy`: token-exact, batched over any mixture of lengths and images.

    policy = TransformersPolicy(model, tokenizer)
    sample = await policy.generate(request, params)       # any number at a time, from one event loop
    samples = policy.generate_all(requests, params)       # the same, without an event loop

Whatever is awaited is decoded together; a turn enters as soon as a row is free and leaves when it ends. A
conversation goes on from the keys and values of its earlier turns, and the samples of a group share their
prompt's. Work runs in one thread, from the first request to the last: until then nobody else may use the
model.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from agents.decode_engine import DecodeEngine
from agents.open_turn import OpenTurn
from agents.pixels import PixelCache
from agents.policy import GenerationRequest, Sample, SamplingParams
from agents.sampling import banned_mask
from agents.vocabulary import Vocabulary

MAX_ROWS = 256
"""Default number of turns decoded together, as many as vLLM's `max_num_seqs`."""

CACHE_BYTES = 2 * 2**30
"""Default bound of the keys and values kept between turns: 37,000 tokens of the 7B model in bfloat16, at
56 KiB each (stack notes section 7)."""


class TransformersPolicy:
    """A `Policy` on a `Qwen2_5_VLForConditionalGeneration`.

    The weights may change in place whenever nothing is awaited: what was kept of older ones is dropped
    (`agents.weight_watch`). Call `forget` after writing through `Tensor.data`, which leaves no trace. A call
    that was cancelled still has its last step to go: await `close` before using the model elsewhere.

    A sample depends on its request alone, up to the rounding of batched arithmetic. To the last bit it also
    depends on what is decoded together and on what was kept: requests awaited in the same tick of an event
    loop, none before them pending, after `forget`, give the same bits every time.

    Args:
        model: The model, on any device and in any precision.
        tokenizer: Its tokenizer.
        pixels: Prepares images; share one cache with the trainer to prepare each image once.
        max_rows: Turns decoded together; further ones wait for a row. The keys and values of the live turns
            take `max_rows` times the longest conversation.
        cache_bytes: Bound of the keys and values kept between turns, beside those of the live ones.

    Raises:
        ValueError: The model's attention is not `sdpa`, or has sliding windows; or `max_rows` is below 1.

    Attributes:
        vocabulary: The tokenizer by its names, for `Transcript`.
        banned: bool `[V]`, the ids that are never sampled, for `token_logprobs`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        pixels: PixelCache | None = None,
        max_rows: int = MAX_ROWS,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        text = model.model.language_model
        if text.config._attn_implementation != "sdpa" or text.has_sliding_layers:
            raise ValueError(
                f"the policy needs attention 'sdpa' without sliding windows, the model has "
                f"{text.config._attn_implementation!r}; load it with attn_implementation='sdpa'"
            )
        if max_rows < 1:
            raise ValueError(f"max_rows={max_rows} leaves no room for a turn; it must be at least 1")
        self.model = model
        self.vocabulary = Vocabulary(tokenizer)
        self.pixels = PixelCache() if pixels is None else pixels
        self.banned = banned_mask(self.vocabulary, model.config.text_config.vocab_size)
        self._engine = DecodeEngine(
            model, self.vocabulary, self.pixels, self.banned, max_rows=max_rows, cache_bytes=cache_bytes
        )
        self._engine_lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transformers-policy")
        self._calls: dict[OpenTurn, _Call] = {}
        self._queue: deque[_Call] = deque()
        self._queue_lock = threading.Lock()
        self._awake = False
        self._waker: asyncio.AbstractEventLoop | None = None

    # --- From an event loop --------------------------------------------------------------------------------

    async def generate(self, request: GenerationRequest, params: SamplingParams) -> Sample:
        """Sample one turn; see `Policy.generate`.

        Raises:
            ValueError: The request's placeholders and image spans disagree.
            Exception: Whatever ended the work on the model; it reaches every waiting call, and the next ones
                begin afresh.
        """
        self._check(f"request {request.conversation!r}", request)
        turn = OpenTurn(request, params, self.vocabulary)
        try:
            sample: Sample = await self._enqueue(turn)
        finally:
            turn.given_up = True
        return sample

    async def update_weights(self, model: Any) -> None:
        """Go on with the weights of `model`, once the turns asked for earlier have ended.

        Args:
            model: The policy's own model, whose weights were changed in place, or another one of its shape.

        Raises:
            RuntimeError: Another model's shapes differ; what fits has been taken over all the same.
        """

        def take_over() -> None:
            if model is not self.model:
                self.model.load_state_dict(model.state_dict())
            self._engine.forget()

        await self._enqueue(take_over)

    async def close(self) -> None:
        """Free the memory, once the turns asked for earlier have ended; the next call takes it again."""
        await self._enqueue(self._engine.forget)

    # --- From anywhere -------------------------------------------------------------------------------------

    def generate_all(self, requests: Sequence[GenerationRequest], params: SamplingParams) -> list[Sample]:
        """Sample one turn for each request in the calling thread, after whatever is awaited elsewhere.

        Args:
            requests: Any number.
            params: How to sample.

        Returns:
            The samples, in the requests' order.

        Raises:
            ValueError: A request's placeholders and image spans disagree.
        """
        for number, request in enumerate(requests):
            self._check(f"request {number}", request)
        turns = [OpenTurn(request, params, self.vocabulary) for request in requests]
        with self._engine_lock, _evaluating(self.model):
            try:
                for turn in turns:
                    self._engine.submit(turn)
                while not self._engine.idle:
                    self._engine.advance()
            except BaseException:
                self._engine.abandon()
                raise
        return [turn.sample() for turn in turns]

    def forget(self) -> None:
        """Drop what was kept of earlier turns, at the latest before the next one begins.

        Frees the live turns' memory too while there are none: good before a training step.
        """
        self._engine.forget_next()
        if self._engine_lock.acquire(blocking=False):
            try:
                self._engine.forget()
            finally:
                self._engine_lock.release()

    # --- Between the event loop and the worker thread ------------------------------------------------------

    def _enqueue(self, job: _Job) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        call = _Call(job, loop.create_future())
        with self._queue_lock:
            self._queue.append(call)
            asleep = not self._awake or (self._waker is not None and self._waker.is_closed())
            if asleep:
                self._awake, self._waker = True, loop
        if asleep:
            # Not now: what else is asked for in this tick is to be in the same batch.
            loop.call_soon(self._wake)
        return call.future

    def _wake(self) -> None:
        self._waker = None
        self._thread.submit(self._serve)

    def _serve(self) -> None:
        """In the worker thread: work until nothing is asked for."""
        awake = True
        while awake:
            outcomes = self._work()
            # Asleep before the last results are out: whoever gets them finds an idle policy, and the model in
            # the mode in which it was.
            with self._queue_lock:
                self._awake = awake = bool(self._queue)
            _deliver(outcomes)

    def _work(self) -> list[_Outcome]:
        """Do what is queued, up to the next job that is not a turn; gives the last outcomes."""
        with self._engine_lock:
            outcomes = self._act()
            try:
                with _evaluating(self.model):
                    self._take_turns()
                    while not self._engine.idle:
                        _deliver(outcomes)
                        outcomes = [self._outcome(turn) for turn in self._engine.advance()]
                        self._take_turns()
            except BaseException as error:
                return self._fail(error)
        return outcomes

    def _outcome(self, turn: OpenTurn) -> _Outcome:
        return _Outcome(self._calls.pop(turn).future, turn.sample())

    def _act(self) -> list[_Outcome]:
        """Do the first job of the queue if it is not a turn."""
        with self._queue_lock:
            if not self._queue or isinstance(job := self._queue[0].job, OpenTurn):
                return []
            call = self._queue.popleft()
        try:
            job()
        except Exception as error:
            return [_Outcome(call.future, error=error)]
        return [_Outcome(call.future)]

    def _take_turns(self) -> None:
        with self._queue_lock:
            while self._queue and isinstance(turn := self._queue[0].job, OpenTurn):
                self._calls[turn] = self._queue.popleft()
                self._engine.submit(turn)

    def _fail(self, error: BaseException) -> list[_Outcome]:
        """Every waiting call gets the error."""
        with self._queue_lock:
            calls = [*self._calls.values(), *self._queue]
            self._calls.clear()
            self._queue.clear()
        self._engine.abandon()
        return [_Outcome(call.future, error=error) for call in calls]

    def _check(self, name: str, request: GenerationRequest) -> None:
        placeholders = np.flatnonzero(request.input_ids == self.vocabulary.image_pad)
        spans = [np.arange(span.start, span.start + span.length) for span in request.image_spans]
        expected = np.concatenate(spans) if spans else np.empty(0, np.int64)
        if len(request.images) != len(spans) or not np.array_equal(placeholders, expected):
            raise ValueError(
                f"{name}: {len(placeholders)} image placeholders, {len(spans)} spans of "
                f"{len(expected)} tokens in all, {len(request.images)} images do not agree"
            )


_Job = OpenTurn | Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A job and who awaits it."""

    job: _Job
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """What a future is to be told."""

    future: asyncio.Future[Any]
    result: Sample | None = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


def _deliver(outcomes: Iterable[_Outcome]) -> None:
    """Tell the futures, all of one event loop in the same tick."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.future.get_loop(), []).append(outcome)
    for loop, own in by_loop.items():
        # A closed loop has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, own)


def _settle(outcomes: Iterable[_Outcome]) -> None:
    for outcome in outcomes:
        outcome.settle()


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, in which gradient checkpointing leaves the cache alone; the mode comes back."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
