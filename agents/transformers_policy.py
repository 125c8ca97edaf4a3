"""Qwen2.5-VL through transformers as a `Policy`: token-exact, batched over any mixture of lengths and images.

One call is a prefill and a decode loop. Equal prompts (the samples of a group) are prefilled once, equal
images are encoded once, finished conversations leave the batch. Positions, masks and cache are explicit, so
the model's own state (`rope_deltas`) is never used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from agents.kv_cache import DecodeCache, PrefillCache
from agents.pixels import PixelCache
from agents.policy import GenerationRequest, Sample, SamplingParams
from agents.positions import rope_positions
from agents.sampling import banned_mask, draw, policy_logprobs, uniforms
from agents.vocabulary import Vocabulary

PREFILL_TOKENS = 16384
"""Most tokens, padding included, in one prefill pass; bounds its memory."""

VISION_PATCHES = 65536
"""Most patches in one pass of the vision tower (a single larger image goes alone); bounds its memory."""

SHRINK_BELOW = 0.75
"""Finished rows are dropped when at most this share of the rows is still alive; dropping copies the cache."""


class TransformersPolicy:
    """A `Policy` on a `Qwen2_5_VLForConditionalGeneration`.

    Args:
        model: The model, on any device and in any precision; its current weights are used at every call.
        tokenizer: Its tokenizer.
        pixels: Prepares images; share one cache with the trainer to prepare each image once.

    Raises:
        ValueError: The model's attention is not `sdpa`, or has sliding windows.

    Attributes:
        vocabulary: The tokenizer by its names, for `Transcript`.
        banned: bool `[V]`, the ids that are never sampled, for `token_logprobs`.
    """

    def __init__(self, model: Any, tokenizer: Any, *, pixels: PixelCache | None = None) -> None:
        text = model.model.language_model
        if text.config._attn_implementation != "sdpa" or text.has_sliding_layers:
            raise ValueError(
                f"the policy needs attention 'sdpa' without sliding windows, the model has "
                f"{text.config._attn_implementation!r}; load it with attn_implementation='sdpa'"
            )
        self.model = model
        self.vocabulary = Vocabulary(tokenizer)
        self.pixels = PixelCache() if pixels is None else pixels
        self.banned = banned_mask(self.vocabulary, model.config.text_config.vocab_size)

    def generate(self, requests: Sequence[GenerationRequest], params: SamplingParams) -> list[Sample]:
        """Sample one turn for each request; see `Policy.generate`.

        Raises:
            ValueError: A request's placeholders and image spans disagree.
        """
        if not requests:
            return []
        for number, request in enumerate(requests):
            self._check(number, request)
        with torch.inference_mode(), _evaluating(self.model):
            return self._decode(requests, params, *self._prefill(requests))

    # --- Prefill -------------------------------------------------------------------------------------------

    def _prefill(
        self, requests: Sequence[GenerationRequest]
    ) -> tuple[DecodeCache, torch.Tensor, torch.Tensor]:
        """Run all prompts.

        Returns:
            The filled cache, the logits `[B, V]` of the first token, and its rotary position `[B]`.
        """
        device = self.model.device
        rows_of: dict[tuple[bytes, ...], list[int]] = {}
        for row, request in enumerate(requests):
            hashes = (image.sha256.encode() for image in request.images)
            rows_of.setdefault((request.input_ids.tobytes(), *hashes), []).append(row)
        groups = sorted(rows_of.values(), key=lambda rows: len(requests[rows[0]].input_ids))
        features = self._image_features(requests)
        cache = DecodeCache(len(requests), max(len(r.input_ids) for r in requests), device)
        width = self.model.config.text_config.vocab_size
        logits = torch.empty(len(requests), width, dtype=self.model.dtype, device=device)
        positions = torch.empty(len(requests), dtype=torch.int64, device=device)
        for chunk in _chunks([len(requests[rows[0]].input_ids) for rows in groups]):
            members = [groups[i] for i in chunk]
            result = self._prefill_chunk([requests[rows[0]] for rows in members], features)
            rows = torch.tensor([row for own in members for row in own], device=device)
            source = torch.tensor([i for i, own in enumerate(members) for _ in own], device=device)
            cache.fill(rows, source, result.cache, result.lengths[source])
            logits[rows] = result.logits[source]
            positions[rows] = result.positions[source]
        return cache, logits, positions

    def _prefill_chunk(
        self, requests: Sequence[GenerationRequest], features: dict[str, torch.Tensor]
    ) -> _Prefilled:
        device, count = self.model.device, len(requests)
        lengths = np.array([len(request.input_ids) for request in requests])
        # Padded on the right: causal attention keeps the padding out of sight, so no mask is needed.
        ids = np.full((count, lengths.max()), self.vocabulary.pad, dtype=np.int64)
        positions = np.zeros((3, count, lengths.max()), dtype=np.int64)
        following = np.empty(count, dtype=np.int64)
        for row, request in enumerate(requests):
            ids[row, : lengths[row]] = request.input_ids
            positions[:, row, : lengths[row]], following[row] = rope_positions(
                lengths[row], request.image_spans
            )
        input_ids = torch.from_numpy(ids).to(device)
        embeds = self.model.get_input_embeddings()(input_ids)
        seen = [features[image.sha256] for request in requests for image in request.images]
        if seen:
            embeds[input_ids == self.vocabulary.image_pad] = torch.cat(seen).to(embeds.dtype)
        cache = PrefillCache()
        hidden = self._forward(embeds, torch.from_numpy(positions).to(device), None, cache)
        last = torch.from_numpy(lengths - 1).to(device)
        logits = self.model.lm_head(hidden[torch.arange(count, device=device), last])
        return _Prefilled(cache, logits, torch.from_numpy(following).to(device), last + 1)

    def _image_features(self, requests: Sequence[GenerationRequest]) -> dict[str, torch.Tensor]:
        """Visual tokens `[N, H]` of every different image, by hash."""
        images = list({image.sha256: image for request in requests for image in request.images}.values())
        features: dict[str, torch.Tensor] = {}
        start = 0
        while start < len(images):
            end, patches = start, 0
            while end < len(images) and (
                end == start or patches + images[end].pixels // 196 <= VISION_PATCHES
            ):
                patches += images[end].pixels // 196
                end += 1
            pixel_values, grid = (part.to(self.model.device) for part in self.pixels(images[start:end]))
            output = self.model.model.get_image_features(pixel_values, grid, return_dict=True)
            for image, tokens in zip(images[start:end], output.pooler_output, strict=True):
                features[image.sha256] = tokens
            start = end
        return features

    # --- Decode --------------------------------------------------------------------------------------------

    def _decode(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        cache: DecodeCache,
        logits: torch.Tensor,
        positions: torch.Tensor,
    ) -> list[Sample]:
        device = self.model.device
        banned = self.banned.to(device)
        noise = _noise(requests, params).to(device)
        turns = [_Turn(self.vocabulary, params) for _ in requests]
        alive = turns
        for step in range(params.max_tokens):
            logprobs = policy_logprobs(logits, banned)
            tokens = draw(logprobs, params.temperature, noise[:, step])
            chosen = logprobs.gather(1, tokens[:, None]).squeeze(1)
            for turn, token, logprob in zip(alive, tokens.tolist(), chosen.tolist(), strict=True):
                turn.add(token, logprob)
            rows = [row for row, turn in enumerate(alive) if not turn.finish_reason]
            if not rows:
                break
            if len(rows) <= SHRINK_BELOW * len(alive):
                kept = torch.tensor(rows, device=device)
                cache.keep(kept)
                noise, tokens, positions = noise[kept], tokens[kept], positions[kept]
                alive = [alive[row] for row in rows]
            mask = cache.open_column()
            embeds = self.model.get_input_embeddings()(tokens[:, None])
            at = (positions + step)[None, :, None].expand(3, -1, -1)
            logits = self.model.lm_head(self._forward(embeds, at, mask, cache)[:, -1])
        return [turn.sample() for turn in turns]

    def _forward(
        self,
        embeds: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
        cache: PrefillCache | DecodeCache,
    ) -> torch.Tensor:
        """Hidden states `[B, T, H]`; a mask of None is causal attention."""
        return self.model.model.language_model(
            inputs_embeds=embeds,
            position_ids=positions,
            attention_mask={"full_attention": mask},
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state

    def _check(self, number: int, request: GenerationRequest) -> None:
        placeholders = np.flatnonzero(request.input_ids == self.vocabulary.image_pad)
        spans = [np.arange(span.start, span.start + span.length) for span in request.image_spans]
        expected = np.concatenate(spans) if spans else np.empty(0, np.int64)
        if len(request.images) != len(spans) or not np.array_equal(placeholders, expected):
            raise ValueError(
                f"request {number}: {len(placeholders)} image placeholders, {len(spans)} spans of "
                f"{len(expected)} tokens in all, {len(request.images)} images do not agree"
            )


@dataclass(frozen=True, slots=True)
class _Prefilled:
    """What a prefill pass over `N` prompts leaves: logits `[N, V]`, next positions `[N]`, lengths `[N]`."""

    cache: PrefillCache
    logits: torch.Tensor
    positions: torch.Tensor
    lengths: torch.Tensor


class _Turn:
    """One turn while it is sampled; `finish_reason` is empty until it ends, then nothing is added."""

    def __init__(self, vocabulary: Vocabulary, params: SamplingParams) -> None:
        self.finish_reason = ""
        self._vocabulary = vocabulary
        self._params = params
        self._stop = [s.encode() for s in params.stop]
        self._tail = b""
        self._ids: list[int] = []
        self._logprobs: list[float] = []

    def add(self, token: int, logprob: float) -> None:
        if self.finish_reason:
            return
        self._ids.append(token)
        self._logprobs.append(logprob)
        if token == self._vocabulary.im_end:
            self.finish_reason = "stop"
            return
        # In bytes, because a token may end inside a character.
        self._tail += self._vocabulary.token_bytes[token]
        if any(s in self._tail for s in self._stop):
            self.finish_reason = "stop"
        elif len(self._ids) == self._params.max_tokens:
            self.finish_reason = "length"
        self._tail = self._tail[-max((len(s) for s in self._stop), default=1) :]

    def sample(self) -> Sample:
        return Sample(
            token_ids=np.array(self._ids, dtype=np.int64),
            logprobs=np.array(self._logprobs, dtype=np.float32),
            text=self._vocabulary.turn_text(self._ids, self._params.stop),
            finish_reason=self.finish_reason,
        )


def _noise(requests: Sequence[GenerationRequest], params: SamplingParams) -> torch.Tensor:
    """float32 `[B, max_tokens]`: one uniform number per token that may be drawn."""
    if params.temperature == 0:
        return torch.zeros(1, 1).expand(len(requests), params.max_tokens)
    rows = [uniforms(r.seed, len(r.input_ids), params.max_tokens) for r in requests]
    return torch.from_numpy(np.stack(rows))


def _chunks(lengths: Sequence[int]) -> Iterator[range]:
    """Split ascending lengths into runs whose padded area stays within `PREFILL_TOKENS`."""
    start = 0
    for end in range(1, len(lengths) + 1):
        full = end < len(lengths) and (end + 1 - start) * lengths[end] > PREFILL_TOKENS
        if full or end == len(lengths):
            yield range(start, end)
            start = end


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, in which gradient checkpointing leaves the cache alone; the mode comes back."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
