"""An evaluation on disk with real conversations, and the other harnesses where they are installed.

Each harness lives in an environment of its own, whose interpreter a variable names; this project is installed
there too: `make interchange-tools` builds them, `make test-interchange` runs these tests with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "agents"))  # chat_server

from agents.scripted import demonstrate_many
from agents.speaker import RolloutRequest
from agents.store import TrajectoryWriter
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.vocabulary import Vocabulary
from benchmarks.result import Result
from benchmarks.run_folder import RESULTS, TRAJECTORIES, RunCard, write_card
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.tasks import WorldConfig

SUITE = "fictional-0"
"""What the ids of the generated world's tasks begin with, as those of any suite do."""

ROOT = Path(__file__).parents[3]

FAMILIES = ("closer-look", "emblem-fact")
"""One that looks with code and shows a picture, one that searches."""

Foreign = Callable[..., str]
"""Runs a program in a harness's environment and gives what it printed."""


def result(one: Trajectory, number: int, **other: object) -> Result:
    right = Result(
        suite=SUITE,
        item=one.task_id,
        cluster=one.task_id,
        category=one.family,
        skills=one.skills,
        mode="all",
        seed=0,
        sample=0,
        draw=0,
        outcome=one.outcome.value,
        answer=one.answer,
        correct=True,
        official=1.0,
        rule="exact",
        turns=len(one.turns),
        prompt_tokens=100,
        sampled_tokens=20,
        trajectory=number,
    )
    return replace(right, **other)


@pytest.fixture(scope="session")
def conversations() -> list[Trajectory]:
    """Two of each family, by the oracle, in the real environment."""
    env = DeepEyesAsyncEnv(2, source=WorldConfig(families=FAMILIES))
    requests = [RolloutRequest(index, "test", SeedLineage(0, prompt=index)) for index in range(4)]
    try:
        return list(demonstrate_many(env, Vocabulary(build_tiny().tokenizer), requests))
    finally:
        env.close()


@pytest.fixture(scope="session")
def run(conversations: list[Trajectory], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mode `all`: right, wrong, no answer, failed infrastructure; mode `off`: two draws of one item."""
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    write_card(folder, RunCard("org/tiny model", {"temperature": 0.0}, {SUITE: {"title": "Fictional"}}))
    with TrajectoryWriter(folder / TRAJECTORIES) as writer:
        for one in conversations:
            writer.append(one)
    first, second, third, fourth = conversations
    nothing = {"correct": None, "official": None, "rule": "unscored"}
    results = [
        result(first, 0),
        result(second, 1, answer="something else", correct=False, official=0.0),
        result(third, 2, answer=None, correct=False, official=0.0, outcome="truncated"),
        result(fourth, 3, answer=None, outcome="infra_failed", **nothing),
        result(first, 0, mode="off"),
        result(first, 0, mode="off", sample=1, draw=1, answer="no", correct=False, official=0.0),
    ]
    lines = [json.dumps(one.to_record()) + "\n" for one in results]
    (folder / RESULTS).write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def inspect_ai() -> Foreign:
    """Programs with inspect_ai."""
    return _foreign("DEEPEYES_INSPECT_PYTHON", "inspect_ai")


@pytest.fixture(scope="session")
def lmms_eval() -> Foreign:
    """Programs with lmms-eval."""
    return _foreign("DEEPEYES_LMMS_PYTHON", "lmms-eval")


@pytest.fixture(scope="session")
def vlmevalkit() -> Foreign:
    """Programs with VLMEvalKit."""
    return _foreign("DEEPEYES_VLMEVALKIT_PYTHON", "VLMEvalKit")


def _foreign(variable: str, tool: str) -> Foreign:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no interpreter with {tool}: make interchange-tools")

    def perform(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [python, *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"} | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    return perform
