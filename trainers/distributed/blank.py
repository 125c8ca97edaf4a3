"""A picture that shows nothing, for batches that would leave out the vision tower.

Where a model is sharded, every pass gathers weights and sums gradients in all processes at once, so all of
them have to go through all of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from agents.qwen import image_grid, visual_tokens
from agents.trajectory import ImageSpan, Trajectory
from agents.vocabulary import VISION_END, VISION_START, Vocabulary
from deepeyes_env.images import PATCH_FACTOR, EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER


def with_blank_picture(trajectory: Trajectory, vocabulary: Vocabulary) -> Trajectory:
    """The trajectory with one more picture behind its end, where no token of it looks.

    Its tokens keep their log-probabilities, and no gradient comes from the picture.
    """
    image = blank_picture()
    grid = image_grid(image)
    start, length = len(trajectory.input_ids) + 1, visual_tokens(grid)
    ids = [vocabulary.id(VISION_START), *[vocabulary.image_pad] * length, vocabulary.id(VISION_END)]
    texts: dict[str, Any] = {"prompt": trajectory.prompt + IMAGE_MARKER}
    if trajectory.turns:
        *earlier, last = trajectory.turns
        texts = {"turns": (*earlier, replace(last, observation=last.observation + IMAGE_MARKER))}
    return replace(
        trajectory,
        input_ids=np.concatenate([trajectory.input_ids, np.array(ids, dtype=np.int64)]),
        loss_mask=np.concatenate([trajectory.loss_mask, np.zeros(len(ids), dtype=np.bool_)]),
        logprobs=np.concatenate([trajectory.logprobs, np.zeros(len(ids), dtype=np.float32)]),
        images=(*trajectory.images, image),
        image_spans=(*trajectory.image_spans, ImageSpan(start, length, grid)),
        **texts,
    )


def blank_picture() -> EncodedImage:
    """The smallest picture: one visual token."""
    return EncodedImage.from_pil(Image.new("RGB", (PATCH_FACTOR, PATCH_FACTOR)))
