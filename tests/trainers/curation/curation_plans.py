"""Small curations whose every number is known: scripts of known ability in the fictional world.

Run as a program it curates into the directory that it is given, for a test that kills it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from agents.policy import PolicyError
from agents.rollout import RolloutLimits
from agents.scripted import Program, Script, ScriptSpeaker, oracle_program
from agents.speaker import LiveEpisode, Speaker
from agents.tiny import TinyShape, build_tiny
from agents.trajectory import SeedLineage
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds.oracles.turns import answer, code
from trainers.curation.pipeline import BENEFIT, DIFFICULTY
from trainers.curation.plan import Plan
from trainers.curation.recipe import Recipe
from trainers.curation.report import write_report
from trainers.curation.rollouts import Effort
from trainers.curation.voices import Voice, scripted_voice

FAMILIES = ("at-a-glance", "closer-look", "bar-chart", "emblem-fact")

TINIEST = TinyShape(hidden=32, layers=1, vision_layers=1)

ABILITY = {
    "closer-look/0": (2, 1),
    "closer-look/1": (3, 8),
    "closer-look/2": (0, 0),
    "bar-chart/0": (2, 8),
    "bar-chart/1": (1, 0),
    "bar-chart/2": (8, 8),
    "emblem-fact/0": (0, 0),
    "emblem-fact/1": (0, 2),
    "emblem-fact/2": (0, 0),
}
"""Task -> right answers of eight without and with tools; all others are always answered right."""


def ability(task_id: str) -> tuple[int, int]:
    """What the base policy can do on a task."""
    _, family, _, number = task_id.split("/")
    return ABILITY.get(f"{family}/{number}", (8, 8))


def base(task: Task, lineage: SeedLineage) -> Script:
    """Right in the first attempts, wrong in the others; looks before it answers where it has tools."""
    alone, helped = ability(task.id)
    if lineage.step == BENEFIT:
        yield code("Look.", "print(6 * 7)")
    right = lineage.sample < (alone if lineage.step == DIFFICULTY else helped)
    yield answer("So.", task.answer.text if right else "no idea")


def teacher(task: Task, lineage: SeedLineage) -> Script:
    """An error in the code, a wrong answer, then twice the oracle."""
    if lineage.sample == 0:
        yield code("Divide.", "1 / 0")
        yield answer("So.", task.answer.text)
    elif lineage.sample == 1:
        yield answer("So.", "no idea")
    else:
        yield from oracle_program(task, lineage)


@cache
def vocabulary() -> Vocabulary:
    """The tiny model's tokenizer."""
    return Vocabulary(build_tiny().tokenizer)


def environment(families: tuple[str, ...] = FAMILIES) -> EnvConfig:
    """The fictional world, seen small."""
    return EnvConfig(
        source=load_config(EnvConfig, {"source": {"families": families}}).source,
        prompt="minimal",
        max_pixels=12544,
        tool_max_pixels=12544,
        sandbox_pixels="original",
    )


def recipe(**parts: Mapping[str, Any]) -> Recipe:
    """The paper's recipe with other settings."""
    return load_config(Recipe, {"difficulty": {"prompt": "minimal"}} | parts)


def make_plan(out: Path, **changes: Any) -> Plan:
    """Twelve tasks of four families."""
    plan = Plan(
        out=out,
        env=environment(),
        split="train",
        indexes=range(12),
        recipe=recipe(),
        base=scripted_voice(base, vocabulary()),
        teacher=scripted_voice(teacher, vocabulary()),
        vocabulary=vocabulary(),
        effort=Effort(RolloutLimits(), num_envs=4, infra_retries=0),
    )
    return replace(plan, **changes)


class Failing(ScriptSpeaker):
    """A script behind a server that is down for some draws."""

    def __init__(self, program: Program, down: set[tuple[int, int]]) -> None:
        super().__init__(program, vocabulary())
        self._down = down

    async def speak(self, episode: LiveEpisode) -> str:
        lineage, number = episode.request.lineage, int(episode.task.id.rpartition("/")[2])
        if episode.task.family == "emblem-fact" and (lineage.step, number) in self._down:
            raise PolicyError("the server is down")
        return await super().speak(episode)


def failing_voice(program: Program, down: set[tuple[int, int]]) -> Voice:
    """The same voice as the script's, for kinds of rollouts and numbers of tasks behind a dead server."""

    @contextmanager
    def opened() -> Iterator[Speaker]:
        yield Failing(program, down)

    return replace(scripted_voice(program, vocabulary()), open=opened)


def interrupted_voice(program: Program, turns: int) -> Voice:
    """The same voice, until somebody presses Ctrl-C in the middle of a turn."""

    class Interrupted(ScriptSpeaker):
        spoken = 0

        async def speak(self, episode: LiveEpisode) -> str:
            self.spoken += 1
            if self.spoken == turns:
                signal.raise_signal(signal.SIGINT)
            return await super().speak(episode)

    @contextmanager
    def opened() -> Iterator[Speaker]:
        yield Interrupted(program, vocabulary())

    return replace(scripted_voice(program, vocabulary()), open=opened)


def silent(voice: Voice) -> Voice:
    """The voice of somebody who must not be asked again."""

    @contextmanager
    def opened() -> Iterator[Speaker]:
        raise AssertionError("a finished rollout was to be made again")
        yield

    return replace(voice, open=opened)


def contents(out: Path, *under: str) -> dict[str, bytes]:
    """All files below some of its parts, but for what names the machine's time."""
    places = [out / name for name in under] or [out]
    files = [file for place in places for file in sorted(place.rglob("*")) if file.is_file()]
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


if __name__ == "__main__":
    from trainers.curation.pipeline import curate

    asked = make_plan(Path(sys.argv[1]))
    write_report(asked, curate(asked), asked.out / "report.html")
