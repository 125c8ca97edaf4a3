"""How oracles get several facts and reckon with them in the sandbox."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from deepeyes_env.tasks.worlds.oracles import lookup, turns

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation


def look_up_each(wanted: Iterable[tuple[str, str]]) -> Generator[str, Observation, list[str] | None]:
    """Look up several facts, one search for each.

    Args:
        wanted: Title of a page and a key of `lookup.FACTS`.

    Returns:
        The facts in the order asked for, or None as soon as one is missing.
    """
    facts = []
    for subject, name in wanted:
        found = yield from lookup.look_up(subject, name)
        if found is None:
            return None
        facts.append(found)
    return facts


def answer_with(expression: str, note: str = "Now I can work it out.") -> Generator[str, Observation, None]:
    """Work `expression` out in the sandbox and end the episode with what it prints."""
    seen = yield turns.code(note, f"print({expression})")
    result = turns.printed(seen) or turns.UNKNOWN
    yield turns.answer(f"It comes to {result}.", result)


def give_up(reason: str) -> Generator[str, Observation, None]:
    """End the episode without an answer."""
    yield turns.answer(reason, turns.UNKNOWN)
