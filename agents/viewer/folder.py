"""A big run as a page that loads what it shows: `RUN/view/` holds the trajectories in chunks.

RUN/trajectories.html   the list; opens at once, from a disk or from any web server
RUN/view/<n>.js         `CHUNK` trajectories each, compressed; a page from a file may load scripts, not data
RUN/images/<sha256>     the run's own images
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from agents.trajectory import Trajectory
from agents.viewer.detail import detail
from agents.viewer.page import folder_page
from agents.viewer.rows import Row, row
from agents.viewer.tokens import Decoder, Words

CHUNKS = "view"
"""Name of the folder of chunks."""

CHUNK = 32
"""Trajectories of a chunk: about 200 kB to load, and 160 files for a run of 5,000."""


def write_folder(
    trajectories: Iterable[Trajectory], page: Path, tokenizer: Decoder | None, *, title: str
) -> int:
    """Write the page and its chunks.

    Args:
        trajectories: The run's trajectories, in order; only a chunk of them is held at a time, and their
            images' bytes are not looked at.
        page: The page, in the run's directory: images are looked for in `images/` beside it.
        tokenizer: Decodes token ids for the token strip; without it the strip shows ids.
        title: Heading of the page.

    Returns:
        The number of trajectories.
    """
    directory = page.parent / CHUNKS
    directory.mkdir(exist_ok=True)
    for stale in directory.glob("*.js"):
        stale.unlink()
    words, rows = Words(lambda: tokenizer), list[Row]()
    for number, chunk in enumerate(_chunks(trajectories)):
        rows += [row(len(rows) + place, one) for place, one in enumerate(chunk)]
        packed = _packed({"words": words.of(chunk), "details": [detail(one) for one in chunk]})
        (directory / f"{number}.js").write_text(f'deepeyesChunk({number}, "{packed}");\n', encoding="ascii")
    text = folder_page(title, rows, chunks=CHUNKS, chunk_size=CHUNK)
    page.write_text(text, encoding="utf-8", errors="replace")
    return len(rows)


def _chunks(trajectories: Iterable[Trajectory]) -> Iterator[list[Trajectory]]:
    waiting = iter(trajectories)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk


def _packed(value: object) -> str:
    data = json.dumps(value, separators=(",", ":")).encode("ascii")
    return base64.b64encode(zlib.compress(data)).decode()
