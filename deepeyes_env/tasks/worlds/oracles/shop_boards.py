"""A program that finds boards above coloured doors in a street of shops."""

from __future__ import annotations

from collections.abc import Iterable

from deepeyes_env.tasks.worlds.drawing.shop_street import DOORS, FRAME_SHARE
from deepeyes_env.tasks.worlds.oracles import sight

_FIND = """
import json
boxes = []
for colour in {colours}:
    found = blobs_of(mask_of(image_1, colour), least=30)
    largest = max(map(len, found))
    door = max([blob for blob in found if len(blob) > largest * 0.3], key=lambda blob: blob[:, 0].max())
    middle, wide, top = door[:, 1].mean(), np.ptp(door[:, 1]), door[:, 0].min()
    reach = top - image_1.height * 0.22
    above = [blob for blob in found if reach < blob[:, 0].min() and blob[:, 0].max() < top]
    frame = np.concatenate([blob for blob in above if abs(blob[:, 1].mean() - middle) < wide])
    (top, left), (bottom, right) = frame.min(0).tolist(), frame.max(0).tolist()
    inset = round((right - left) * {frame}) + 1
    boxes.append([left + inset, top + inset, right + 1 - inset, bottom + 1 - inset])
    part = image_1.crop(tuple(boxes[-1]))
    part.resize((part.width * 3, part.height * 3)).show()
print(json.dumps(boxes))
"""


def find_boards(doors: Iterable[str]) -> str:
    """Source that shows the boards above doors of these colours and prints their boxes.

    A board's frame has the colour of the door below it; the box is what the frame encloses.
    """
    colours = "[" + ", ".join(sight.channels(DOORS[door]) for door in doors) + "]"
    share = FRAME_SHARE / (1 + 2 * FRAME_SHARE)
    return sight.MASK_OF + sight.BLOBS_OF + _FIND.format(colours=colours, frame=round(share, 4))
