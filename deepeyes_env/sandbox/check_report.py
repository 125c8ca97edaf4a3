"""What `deepeyes sandbox check` found, as tables for people and as data for programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from deepeyes_env.sandbox.local.attack import Attempt
from deepeyes_env.sandbox.local.findings import State
from deepeyes_env.sandbox.local.guest.layers import Layer, Level
from deepeyes_env.sandbox.local.machine import Machine
from deepeyes_env.sandbox.local.survey import LevelSurvey

_STYLES = {State.AVAILABLE: "green", State.MISSING: "bold red", State.UNKNOWN: "yellow"}
_ERRNO = re.compile(r"^\w+: \[Errno \d+\] ")
_WIDTHS = {"threat": 11, "what was tried": 26, "": 4, "how it ended": 32}
"""Columns of the attacks: 80 characters in all."""


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes:
        machine: What the sandbox stands on.
        surveys: The layers at each level.
        min_level: What was demanded.
        asked: The level that was asked for, instead of the one that the sandbox chooses.
        level: The level of the sandbox that was attacked; None if there was none.
        error: Why there was none, or why the attacks broke off.
        attempts: The attacks, and what still worked afterwards.
    """

    machine: Machine
    surveys: tuple[LevelSurvey, ...]
    min_level: Level
    asked: Level | None = None
    level: Level | None = None
    error: str = ""
    attempts: tuple[Attempt, ...] = ()

    @property
    def through(self) -> list[Attempt]:
        """The attacks that got through."""
        return [attempt for attempt in self.attempts if not attempt.held]

    @property
    def too_low(self) -> bool:
        """Whether the level is below `min_level`."""
        ranks = list(Level)  # the highest first
        return self.level is not None and ranks.index(self.level) > ranks.index(self.min_level)

    @property
    def ok(self) -> bool:
        """Whether the sandbox can be relied on."""
        return self.level is not None and not (self.error or self.through or self.too_low)

    @property
    def choice(self) -> str:
        """Which level is attacked, and why this one."""
        if self.asked:
            return f"Attacked at the level '{self.level}', as asked."
        return f"This machine gives the level '{self.level}' (min_level = '{self.min_level}')."

    @property
    def verdict(self) -> list[str]:
        """The result in sentences."""
        if self.level is None:
            wanted = f"at the level '{self.asked}'" if self.asked else f"with min_level = '{self.min_level}'"
            return [f"No sandbox here {wanted}: {self.error}"]
        lines = []
        if self.too_low:
            lines.append(f"The level '{self.level}' is below min_level = '{self.min_level}'.")
        if self.error:
            lines.append(f"The attacks broke off: {self.error}")
        tried = len(self.attempts)
        if self.through:
            names = "; ".join(f"{attempt.threat}: {attempt.name}" for attempt in self.through)
            lines.append(f"{len(self.through)} of {tried} GOT THROUGH at the level '{self.level}': {names}.")
        elif not self.error:
            lines.append(
                f"All {tried} held at the level '{self.level}'; siblings, new sessions and the host live on."
            )
        return lines


def machine_lines(machine: Machine) -> str:
    """The machine, and what bounds the whole sandbox on it."""
    user = "root" if machine.user == 0 else f"user {machine.user}"
    landlock = "no Landlock" if machine.landlock is None else f"Landlock {machine.landlock}"
    return (
        f"Linux {machine.kernel} {machine.processor}, Python {machine.python}, {user}, {landlock}\n"
        f"All sessions together are bounded in: {machine.cgroup}."
    )


def matrix(surveys: Sequence[LevelSurvey]) -> Table:
    """A row per layer, a column per level."""
    table = Table("layer", *(survey.level.value for survey in surveys), box=box.SIMPLE_HEAD)
    for layer in Layer:
        states = [survey.findings[layer].state for survey in surveys]
        table.add_row(layer.value, *(Text(state, _STYLES.get(state, "dim")) for state in states))
    totals = ["cannot be had" if survey.failure else "can be had" for survey in surveys]
    table.add_section()
    table.add_row("the level as a whole", *totals)
    return table


def reasons(surveys: Sequence[LevelSurvey]) -> list[str]:
    """For each level that fails, and each layer that is missing: why, and what helps."""
    lines = []
    missing: dict[tuple[str, str, str], list[str]] = {}
    for survey in surveys:
        gaps = {layer: found for layer, found in survey.findings.items() if found.state is State.MISSING}
        if survey.failure and not gaps:
            lines.append(f"{survey.level}: {survey.failure}")
        for layer, found in gaps.items():
            missing.setdefault((survey.level.value, found.cause, found.mend), []).append(f"'{layer}'")
    lines += [
        f"{level} misses {' and '.join(layers)}: {cause}. Mend: {mend}."
        for (level, cause, mend), layers in missing.items()
    ]
    if any(found.state is State.UNKNOWN for survey in surveys for found in survey.findings.values()):
        lines.append("What is unknown lies behind a missing layer and cannot be tried alone.")
    return lines


def attacks_table(attempts: Sequence[Attempt]) -> Table:
    """What was tried, and how it was stopped."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading, width in _WIDTHS.items():
        table.add_column(heading, no_wrap=True, width=width)
    shown = ""
    for attempt in attempts:
        threat, shown = ("" if attempt.threat == shown else attempt.threat), attempt.threat
        result = Text("held", "green") if attempt.held else Text("OPEN", "bold red")
        table.add_row(threat, attempt.name, result, _short(attempt.how))
    return table


def _short(how: str) -> str:
    """An error without its type, number and path."""
    text = _ERRNO.sub("", how)
    if text != how:
        return text.partition(": ")[0]
    kind, _, text = how.partition(": ")
    return text if kind.isidentifier() and text[:1].isalpha() else how


def as_json(report: Report) -> dict[str, object]:
    """The same for programs."""
    return {
        "ok": report.ok,
        "machine": asdict(report.machine),
        "min_level": report.min_level,
        "level": report.level,
        "error": report.error,
        "levels": {
            survey.level: {
                "available": not survey.failure,
                "failure": survey.failure,
                "layers": {layer: asdict(finding) for layer, finding in survey.findings.items()},
            }
            for survey in report.surveys
        },
        "attempts": [asdict(attempt) for attempt in report.attempts],
    }
