"""Training that is killed again and again equals training that never was, to the bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch

from agents.qwen import Qwen, save_qwen
from trainers.runs.checkpoint import latest_checkpoint

STEPS = 7

KILLS = (
    "sample",
    "best",
    "train",
    "checkpoint",
    "metrics emptied",
    "checkpoint removal",
    "best removal",
    "update",
    "checkpoint emptied",
    "metrics",
    "checkpoint",
)
"""In the middle of what the successive attempts die: of computing, where only memory is lost, and of every
kind of writing, between any two operations on files. Which one of its kind is drawn at random, by seed."""


class Attempt(Protocol):
    def __call__(
        self, run_dir: Path, staleness: int, kill: tuple[str, int] | None = None
    ) -> dict[str, Any]: ...


@pytest.fixture
def attempt(guesser: Qwen, tmp_path: Path) -> Iterator[Attempt]:
    """Starts training or goes on with it, in a process that ends, or is killed at a moment."""
    model = save_qwen(guesser, tmp_path / "model")
    script = Path(__file__).parents[1] / "killed_run.py"
    command = [sys.executable, str(script)]
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def run(run_dir: Path, staleness: int, kill: tuple[str, int] | None = None) -> dict[str, Any]:
            settings = {"model": str(model), "run_dir": str(run_dir), "steps": STEPS}
            server.stdin.write(json.dumps(settings | {"staleness": staleness, "kill": kill}) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        yield run
        server.stdin.close()


@pytest.mark.parametrize("staleness", [0, 1])
def test_killed_again_and_again(attempt: Attempt, tmp_path: Path, staleness: int) -> None:
    draw = random.Random(staleness)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    uninterrupted = attempt(whole, staleness)
    assert uninterrupted["exit"] == 0
    assert set(KILLS) < set(uninterrupted["counts"])
    for kind in KILLS:
        moment = draw.randint(1, max(1, uninterrupted["counts"][kind] // STEPS))
        assert attempt(killed, staleness, (kind, moment))["exit"] == -signal.SIGKILL, (kind, moment)
    assert attempt(killed, staleness)["exit"] == 0

    assert (killed / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert len((whole / "metrics.jsonl").read_text().splitlines()) == STEPS
    assert names(killed) == names(whole), "no litter"
    for part in ("model/model.safetensors", "groups/trajectories.jsonl"):
        assert (latest_checkpoint(killed) / part).read_bytes() == (
            latest_checkpoint(whole) / part
        ).read_bytes()
    for part in ("best.json", "model/model.safetensors"):
        assert (killed / "best" / part).read_bytes() == (whole / "best" / part).read_bytes(), part
    states = [torch.load(latest_checkpoint(run) / "optimizer.pt") for run in (killed, whole)]
    for one, other in zip(*(state["state"].values() for state in states), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
