"""Turn texts that oracles speak, and how they read what came back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

UNKNOWN = "unknown"
"""What an oracle answers when its tools gave it nothing to go on."""


def code(thought: str, program: str) -> str:
    """A turn that runs `program`."""
    return f"<think>{thought}</think>\n<code>\n```python\n{program.strip()}\n```\n</code>"


def search(thought: str, query: str) -> str:
    """A turn that searches the text corpus."""
    call = json.dumps({"name": "search", "arguments": {"query": query}}, ensure_ascii=False)
    return f"<think>{thought}</think>\n<tool_call>\n{call}\n</tool_call>"


def image_search(
    thought: str, region: tuple[float, float, float, float] | None = None, image: str | None = None
) -> str:
    """A turn that searches by a picture.

    Args:
        thought: The reasoning.
        region: Left, top, right and bottom in the picture's pixels in the sandbox; None is all of it.
        image: A variable of the session; None is the question's first image.
    """
    arguments = {"image": image, "region": region and list(region)}
    given = {name: value for name, value in arguments.items() if value is not None}
    call = json.dumps({"name": "image_search"} | ({"arguments": given} if given else {}))
    return f"<think>{thought}</think>\n<tool_call>\n{call}\n</tool_call>"


def answer(thought: str, text: str) -> str:
    """The turn that ends the episode."""
    return f"<think>{thought}</think>\n<answer>{text}</answer>"


def printed(observation: Observation) -> str | None:
    """The last line the cell printed, stripped, or None when it printed nothing.

    Args:
        observation: What came back; a code observation lists stdout first (reference 1.4).
    """
    head, marker, rest = observation.text.partition("stdout:\n```\n")
    if head.strip() != "Code execution result:" or not marker:
        return None
    lines = rest.partition("\n```")[0].strip().splitlines()
    return lines[-1].strip() if lines else None


def passages(observation: Observation) -> dict[str, str]:
    """Title -> text of each page that a text search found, in order (reference 1.4)."""
    found: dict[str, str] = {}
    title = None
    for line in observation.text.splitlines():
        item = re.match(r"\d+\. \[(.+?)\]\(\S+\)$", line)
        if item:
            title = item[1]
            found[title] = ""
        elif title is not None and line != "</tool_response>":
            found[title] = f"{found[title]} {line}".strip()
    return found


def picture_titles(observation: Observation) -> list[str]:
    """Titles of the pages that an image search found, in order (reference 1.4)."""
    return re.findall(r"^\[(.+)\] *$", observation.text, re.MULTILINE)
