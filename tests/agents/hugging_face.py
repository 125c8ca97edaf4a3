"""The same conversation as Hugging Face's own processor reads it, from messages instead of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from talk import tiny, vocabulary

from agents.pixels import PixelCache
from agents.positions import rope_positions
from agents.qwen import QwenProcessor, build_processor
from agents.transcript import THINK, Transcript
from deepeyes_env.episode import Observation
from deepeyes_env.protocol import IMAGE_MARKER


@cache
def processor() -> QwenProcessor:
    return build_processor(tiny().tokenizer)


def message(observation: Observation) -> dict[str, Any]:
    """An observation as a user message."""
    images = iter(observation.images)
    content: list[dict[str, Any]] = []
    for number, piece in enumerate(observation.text.split(IMAGE_MARKER)):
        if number:
            content.append({"type": "image", "image": next(images).decode()})
        content.append({"type": "text", "text": piece})
    return {"role": "user", "content": content}


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def messages(system: str, observations: Sequence[Observation], turns: Sequence[str]) -> list[dict[str, Any]]:
    """System prompt, then question, turn, result, turn, ...: one turn less than observations, or as many."""
    made = [said("system", system)]
    for number, observation in enumerate(observations):
        made.append(message(observation))
        if number < len(turns):
            made.append(said("assistant", turns[number]))
    return made


def assert_same_ingest(
    transcript: Transcript, conversation: list[dict[str, Any]], *, prefilled: bool
) -> None:
    """A transcript that awaits a turn is what the processor makes of the messages, and sees the same.

    Ids, grids, pixel values, and the positions that the model itself would compute.
    """
    if prefilled:
        options = {"continue_final_message": True}
        conversation = [*conversation, said("assistant", THINK)]
    else:
        options = {"add_generation_prompt": True}
    theirs = processor().apply_chat_template(
        conversation, tokenize=True, return_dict=True, return_tensors="pt", **options
    )
    assert theirs["input_ids"][0].tolist() == transcript.input_ids.tolist()
    grid, pixels = theirs.get("image_grid_thw"), theirs.get("pixel_values")
    spans = transcript.image_spans
    assert (grid is None) == (not transcript.images)
    if grid is not None:
        assert grid.tolist() == [list(span.grid) for span in spans]
        own_pixels, own_grid = PixelCache(0)(transcript.images)
        assert torch.equal(own_grid, grid)
        torch.testing.assert_close(own_pixels, pixels, atol=2e-6, rtol=0)
    token_types = (theirs["input_ids"] == vocabulary().image_pad).long()
    positions, deltas = tiny().model.model.get_rope_index(
        theirs["input_ids"], token_types, image_grid_thw=grid
    )
    own, following = rope_positions(len(transcript), spans)
    np.testing.assert_array_equal(own, positions[:, 0].numpy())
    assert following == len(transcript) + deltas.item()
