"""A program that finds the framed pictures above stickers of one colour."""

from __future__ import annotations

from deepeyes_env.tasks.worlds.drawing.framed import FRAME, FRAME_SHARE, STICKERS
from deepeyes_env.tasks.worlds.oracles import sight

_FIND = """
import json
gilt = [blob for blob in blobs_of(mask_of(image_1, {frame}), least=150) if np.ptp(blob, axis=0).min() > 60]
edges = [(*blob.min(0).tolist(), *blob.max(0).tolist()) for blob in gilt]
boxes = []
for blob in sorted(blobs_of(mask_of(image_1, {sticker}), least=60), key=lambda blob: tuple(blob.mean(0))):
    y, x = blob.mean(0)
    if any(top <= y <= bottom and left <= x <= right for top, left, bottom, right in edges):
        continue
    over = [edge for edge in edges if edge[1] < x < edge[3] and 0 < y - edge[2] < 60]
    if not over:
        continue
    top, left, bottom, right = over[0]
    inset = round((right - left) * {share}) + 1
    boxes.append([left + inset, top + inset, right + 1 - inset, bottom + 1 - inset])
    image_1.crop(tuple(boxes[-1])).show()
print(json.dumps(boxes))
"""


def find_framed(sticker: str) -> str:
    """Source that shows the pictures above a colour's stickers and prints their boxes from top to bottom."""
    share = FRAME_SHARE / (1 + 2 * FRAME_SHARE)
    return (
        sight.MASK_OF
        + sight.BLOBS_OF
        + _FIND.format(
            frame=sight.channels(FRAME), sticker=sight.channels(STICKERS[sticker]), share=round(share, 4)
        )
    )
