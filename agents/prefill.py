"""Running a model over prompts: images are encoded, keys and values go to the rows of a `KVCache`.

Positions and masks are explicit, so the model's own state (`rope_deltas`, stack notes section 6) is never
used, and a conversation may go on from keys and values that were computed earlier.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from agents.kv_cache import KVCache, Writer
from agents.pixels import PixelCache
from agents.policy import GenerationRequest
from agents.positions import rope_positions
from agents.qwen import PATCH
from agents.vocabulary import Vocabulary
from deepeyes_env.images import EncodedImage

PREFILL_TOKENS = 16384
"""Most tokens, padding and past included, in one prefill pass; bounds its memory."""

VISION_PATCHES = 65536
"""Most patches in one pass of the vision tower (a single larger image goes alone); bounds its memory."""

_CACHE_ARGUMENT = (
    "cache" if "cache" in inspect.signature(Qwen2_5_VLTextModel.forward).parameters else "past_key_values"
)
"""What transformers calls the cache; it is renaming it, and drops the older name in 5.40 (its own notice)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt on its way into a row.

    Attributes:
        request: The prompt.
        past: How many of its tokens the row holds already.
    """

    request: GenerationRequest
    past: int = 0

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.request.input_ids)

    @property
    def new_images(self) -> list[EncodedImage]:
        """The images behind `past`."""
        request = self.request
        pairs = zip(request.image_spans, request.images, strict=True)
        return [image for span, image in pairs if span.start >= self.past]


class Prefill:
    """Fills rows with prompts.

    Args:
        model: A `Qwen2_5_VLForConditionalGeneration`.
        vocabulary: Its tokenizer by its names.
        pixels: Prepares images.
    """

    def __init__(self, model: Any, vocabulary: Vocabulary, pixels: PixelCache) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._pixels = pixels

    def __call__(self, cache: KVCache, first: int, prompts: Sequence[Prompt]) -> torch.Tensor:
        """Run prompts, the whole ones first and each kind from short to long, or passes get wide.

        Args:
            cache: Room is reserved, and the pasts are written.
            first: The row of the first prompt; the others follow.
            prompts: `N >= 1` prompts, different from each other.

        Returns:
            Hidden states `[N, H]` of their last tokens.
        """
        features = self._image_features(prompts)
        hidden = [
            self._pass(
                cache,
                slice(first + chunk.start, first + chunk.stop),
                prompts[chunk.start : chunk.stop],
                features,
            )
            for chunk in _chunks(prompts)
        ]
        return torch.cat(hidden)

    def _pass(
        self, cache: KVCache, rows: slice, prompts: Sequence[Prompt], features: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        device = self._model.device
        fresh = [prompt.length - prompt.past for prompt in prompts]
        # Padded on the right: causal attention keeps the padding out of sight.
        ids = np.full((len(prompts), max(fresh)), self._vocabulary.pad, dtype=np.int64)
        positions = np.zeros((3, *ids.shape), dtype=np.int64)
        for row, (prompt, count) in enumerate(zip(prompts, fresh, strict=True)):
            whole, _ = rope_positions(prompt.length, prompt.request.image_spans)
            ids[row, :count] = prompt.request.input_ids[prompt.past :]
            positions[:, row, :count] = whole[:, prompt.past :]
        input_ids = torch.from_numpy(ids).to(device)
        embeds = self._model.get_input_embeddings()(input_ids)
        seen = [features[image.key] for prompt in prompts for image in prompt.new_images]
        if seen:
            embeds[input_ids == self._vocabulary.image_pad] = torch.cat(seen).to(embeds.dtype)
        counts = torch.tensor(fresh, device=device)
        writer, mask = _attention(cache, rows, prompts, counts)
        hidden = forward(self._model, embeds, torch.from_numpy(positions).to(device), mask, writer)
        return hidden[torch.arange(len(prompts), device=device), counts - 1]

    def _image_features(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """Visual tokens `[N, H]` of every different new image, by its key."""
        images = list({image.key: image for prompt in prompts for image in prompt.new_images}.values())
        features: dict[str, torch.Tensor] = {}
        start = 0
        while start < len(images):
            end, patches = start, 0
            while end < len(images) and (end == start or patches + _patches(images[end]) <= VISION_PATCHES):
                patches += _patches(images[end])
                end += 1
            pixel_values, grid = (part.to(self._model.device) for part in self._pixels(images[start:end]))
            output = self._model.model.get_image_features(pixel_values, grid, return_dict=True)
            for image, tokens in zip(images[start:end], output.pooler_output, strict=True):
                features[image.key] = tokens
            start = end
        return features


def forward(
    model: Any, embeds: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, writer: Writer
) -> torch.Tensor:
    """One pass of the language model.

    Args:
        model: A `Qwen2_5_VLForConditionalGeneration`.
        embeds: `[B, T, H]`.
        positions: int64 `[3, B, T]`.
        mask: bool `[B, 1, T, columns]`, True where attention may look; None is causal attention.
        writer: Takes the keys and values.

    Returns:
        Hidden states `[B, T, H]`.
    """
    hidden: torch.Tensor = model.model.language_model(
        inputs_embeds=embeds,
        position_ids=positions,
        attention_mask={"full_attention": mask},
        use_cache=True,
        **{_CACHE_ARGUMENT: writer},
    ).last_hidden_state
    return hidden


def _attention(
    cache: KVCache, rows: slice, prompts: Sequence[Prompt], fresh: torch.Tensor
) -> tuple[Writer, torch.Tensor | None]:
    if not any(prompt.past for prompt in prompts):
        return cache.prompts(rows), None
    past = torch.tensor([prompt.past for prompt in prompts], device=fresh.device)
    columns = torch.arange(max(prompt.length for prompt in prompts), device=fresh.device)
    own = past[:, None] + torch.arange(int(fresh.max()), device=fresh.device)
    return cache.continuations(rows, past, fresh), (columns <= own[:, :, None])[:, None]


def _chunks(prompts: Sequence[Prompt]) -> Iterator[range]:
    """Runs of one kind, whole or continued, whose padded area stays within `PREFILL_TOKENS`."""
    start = 0
    for end in range(1, len(prompts) + 1):
        if end < len(prompts):
            longest = max(prompt.length for prompt in prompts[start : end + 1])
            fits = (end + 1 - start) * longest <= PREFILL_TOKENS
            if fits and bool(prompts[start].past) == bool(prompts[end].past):
                continue
        yield range(start, end)
        start = end


def _patches(image: EncodedImage) -> int:
    return image.pixels // PATCH**2
