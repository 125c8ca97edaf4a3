"""Attacks run in an arena, and what comes of them is judged. For a child process."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Sequence

from arena import DEAD, LIMITS, PRELUDE, SYSCALLS, Arena, Outcome
from attack import ANYTHING, Attack
from tables import ATTACKS

from deepeyes_env.sandbox import CellResult, SandboxUnavailableError
from deepeyes_env.sandbox.local.guest.layers import Level

SHORT = 1.0
"""Attacks with a deadline below this only wait for it."""


def main(task: dict) -> None:
    """Do what the parent asks (`places.py`), and print the answer as the last line."""
    wanted, standing = set(task["attacks"]), task["standing"]
    chosen = [attack for attack in ATTACKS if attack.name in wanted]
    problems: dict[str, str] = {}
    impossible: list[str] = []
    try:
        arena = Arena(Level(task["level"]), None if standing is None else frozenset(standing), task["ahead"])
    except SandboxUnavailableError as error:
        print(json.dumps({"unavailable": str(error)}))
        return
    try:
        if task["must"] == "fail":
            problems = fail(arena, chosen, real=standing is None)
        else:
            problems, impossible = succeed(arena, chosen)
    except Exception:
        problems = {"": traceback.format_exc()}
    finally:
        arena.close()
    tried = [attack.name for attack in chosen]
    print(json.dumps({"tried": tried, "problems": problems, "impossible": impossible}))
    sys.stdout.flush()


def fail(arena: Arena, attacks: Sequence[Attack], *, real: bool) -> dict[str, str]:
    """Attacks that must fail; the answer names those that did not, and what they did.

    Args:
        arena: Where.
        attacks: Which.
        real: Whether all layers stand, so that the session afterwards must be as promised too.
    """
    problems = {}
    waiting = [attack for attack in attacks if attack.seconds < SHORT]
    together = [waiting] if waiting else []
    for group in [*together, *([attack] for attack in attacks if attack not in waiting)]:
        outcomes = arena.run(group)
        for attack, outcome in zip(group, outcomes, strict=True):
            if _wrong(attack, outcome, real=real):
                problems[attack.name] = str(outcome)
        if any(outcome.succeeded for outcome in outcomes):
            arena.restore(outcomes[0])
    return problems


def _wrong(attack: Attack, outcome: Outcome, *, real: bool) -> bool:
    result = outcome.result
    if outcome.succeeded or result is None:
        return True
    return real and (
        result.status not in attack.ends
        or attack.then not in (outcome.following, None, ANYTHING)
        or (outcome.following == DEAD and attack.then != ANYTHING)
        or attack.prints not in (result.stdout, None)
        or not _within_limits(result)
    )


def _within_limits(result: CellResult) -> bool:
    """What the host was promised of every result, whatever the cell did."""
    texts = [text.encode("utf-8").decode("utf-8") for text in (result.stdout, result.stderr)]
    return (
        max(map(len, texts)) <= LIMITS.output_chars + 200
        and len(result.images) <= LIMITS.images_per_cell
        and all(image.width * image.height <= LIMITS.pixels_per_image for image in result.images)
    )


def succeed(arena: Arena, attacks: Sequence[Attack]) -> tuple[dict[str, str], list[str]]:
    """Attacks that must succeed; the answer names those that did not, and those that the machine stops."""
    problems, impossible = {}, []
    for attack in attacks:
        (outcome,) = arena.run([attack])
        refused = outcome.result is not None and "REFUSED" in outcome.result.stdout and not attack.partly
        if not outcome.succeeded or refused:
            if attack.optional and not _succeeds_outside(attack.code):
                impossible.append(attack.name)
            else:
                problems[attack.name] = str(outcome)
        arena.restore(outcome)
    return problems, impossible


def _succeeds_outside(code: str) -> bool:
    """Whether an attack on the kernel alone succeeds in a process without any sandbox."""
    script = PRELUDE.format(facts={}, numbers=SYSCALLS) + code
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return "BREACH" in ended.stdout
