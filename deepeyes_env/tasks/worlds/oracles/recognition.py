"""How oracles recognise a thing in a scene: image search with the part of the picture that shows it."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds.oracles import turns

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels of the image in the sandbox."""


def find_boxes(program: str, note: str) -> Generator[str, Observation, list[Box] | None]:
    """Run a program whose last line is a JSON list of boxes, and which shows each of them.

    Returns:
        The boxes, or None when the sandbox gave nothing.
    """
    seen = yield turns.code(note, program)
    line = turns.printed(seen)
    if line is None or not seen.images:
        return None
    return [(left, top, right, bottom) for left, top, right, bottom in json.loads(line)]


def recognise(region: Box, thing: str) -> Generator[str, Observation, list[str] | None]:
    """Search by a part of the question's image.

    Args:
        region: The part.
        thing: What it shows, in words.

    Returns:
        Titles of the pages whose pictures look like it, best first, or None when there was no search.
    """
    seen = yield turns.image_search(f"I do not know {thing}. An image search may find it.", region=region)
    return turns.picture_titles(seen) if _SEARCHED in seen.text else None


_SEARCHED = "image search for the image found"
"""How the observation of an image search begins (reference 1.4); a refusal says something else."""


def recognise_each(
    regions: Sequence[Box], things: Sequence[str], titles: Sequence[str]
) -> Generator[str, Observation, bool]:
    """Recognise several parts, one search for each.

    Near-duplicates come with every search. Which of the pictures shown is the same is for eyes to say, so the
    right title is known, and counts only if its picture was shown.

    Args:
        regions: The parts.
        things: What they show, in words.
        titles: Titles of their pages.

    Returns:
        Whether every page was among those that its search showed.
    """
    for region, thing, title in zip(regions, things, titles, strict=True):
        shown = yield from recognise(region, thing)
        if shown is None or title not in shown:
            return False
    return True
