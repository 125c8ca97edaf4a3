"""Published figures beside a run's own: which match, how they compare, and where the protocol differs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.published.figure import Figure, Protocol
from benchmarks.result import Mode

AVAILABLE: dict[Mode, tuple[str, ...]] = {
    "all": ("code", "image_search", "text_search"),
    "code": ("code",),
    "search": ("image_search", "text_search"),
    "off": (),
}
"""The tools of each of our modes, as the tables name them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run knows of the figure that is to stand beside published ones.

    Attributes:
        mode: Which tools answered.
        items: Number of items that were asked.
        judge: The judge's model, or None for rules alone.
        prompt: Name of the prompt, or empty.
        greedy: Whether it was greedy.
    """

    mode: Mode
    items: int
    judge: str | None
    prompt: str
    greedy: bool


def figure_differs(figure: Figure, run: Measured) -> tuple[str, ...]:
    """Where items and tools of one figure differ from ours, as phrases `there; here`."""
    found = []
    if figure.items is None:
        found.append(f"number of items unknown there; {run.items} here")
    elif figure.items != run.items:
        found.append(f"{figure.items} items there; {run.items} here")
    if figure.tools != AVAILABLE[run.mode]:
        found.append(f"tools there: {_listed(figure.tools)}; here: {_listed(AVAILABLE[run.mode])}")
    return tuple(found)


def protocol_differs(protocol: Protocol, run: Measured) -> tuple[str, ...]:
    """Where judge, prompt and decoding of a whole table differ from ours or are unstated."""
    decoding = "greedy" if run.greedy else "sampled"
    found = [
        f"judge there: {protocol.judge}; here: {run.judge or 'none, rules alone'}",
        f"prompt there: {protocol.prompt}; here: {run.prompt or 'unnamed'}",
        f"harness there: {protocol.harness}; here: deepeyes eval",
    ]
    if protocol.decoding != decoding:
        found.append(f"decoding there: {protocol.decoding}; here: {decoding}")
    return tuple(found)


def _listed(tools: tuple[str, ...]) -> str:
    return ", ".join(tools) or "none"
