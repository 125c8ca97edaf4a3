"""Qwen2.5-VL's three-dimensional rotary positions (m-rope), computed from image spans.

The model computes the same from `mm_token_type_ids`, but silently falls back to one dimension without them,
and keeps `rope_deltas` from one call to the next (stack notes section 6). Explicit positions have neither
trap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agents.qwen import MERGE
from agents.trajectory import ImageSpan


def rope_positions(length: int, spans: Sequence[ImageSpan]) -> tuple[npt.NDArray[np.int64], int]:
    """Positions of one conversation, the same as `Qwen2_5_VLModel.get_rope_index` gives.

    Text counts up in all three dimensions. An image's tokens share one temporal position and have their own
    row and column; the text after it goes on from the longer side.

    Args:
        length: `T`, number of tokens.
        spans: The images' placeholder spans, in order.

    Returns:
        int64 `[3, T]` (temporal, height, width), and the position of the token that would come next.
    """
    positions = np.empty((3, length), dtype=np.int64)
    token, position = 0, 0
    for span in spans:
        text = span.start - token
        positions[:, token : span.start] = np.arange(position, position + text)
        position += text
        rows, columns = span.grid[1] // MERGE, span.grid[2] // MERGE
        token = span.start + span.length
        positions[0, span.start : token] = position
        positions[1, span.start : token] = position + np.repeat(np.arange(rows), columns)
        positions[2, span.start : token] = position + np.tile(np.arange(columns), rows)
        position += max(rows, columns)
    positions[:, token:] = np.arange(position, position + length - token)
    return positions, position + length - token
