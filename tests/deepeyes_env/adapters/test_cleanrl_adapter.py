"""CleanRL's style, one file over `gymnasium.make_vec`: the kit through that vector env, and the file runs."""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest
import torch
from menu_drivers import SETTINGS, VectorDriver

from deepeyes_env.testing import check_adapter
from deepeyes_env.wrappers.text_boxes import TextBytes

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str | Path) -> str:
    command = [sys.executable, *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-8000:]
    return done.stdout


def test_the_kit_passes() -> None:
    check_adapter(
        VectorDriver(lambda n: gym.make_vec("DeepEyesMenu-v0", num_envs=n, **SETTINGS)), leave_out=["images"]
    )


def test_the_kit_notices_texts_that_are_cut() -> None:
    short = SETTINGS | {"text": TextBytes(200)}
    with pytest.raises(AssertionError, match="observation 1: the text differs"):
        check_adapter(
            VectorDriver(lambda n: gym.make_vec("DeepEyesMenu-v0", num_envs=n, **short)), leave_out=["images"]
        )


def test_the_example_runs(tmp_path: Path) -> None:
    small = [
        "--total-steps",
        "96",
        "--num-envs",
        "4",
        "--num-steps",
        "12",
        "--test-episodes",
        "4",
        "--epochs",
        "1",
        "--curve",
    ]
    shown = run("examples/ppo_cleanrl.py", *small, tmp_path / "curve.svg")
    assert shown.count("turns ") == 2
    assert (tmp_path / "curve.svg").stat().st_size > 5_000


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("ppo_cleanrl")


class Ends:
    """A vector env whose pictures' level is `10 * slot + step`, and which ends as it is told.

    `R` and `W` are a right and a wrong answer, `!` is a failure of the infrastructure, `.` goes on; the step
    after an end begins a new episode.
    """

    single_action_space = gym.spaces.Discrete(2)

    def __init__(self, side: int, slots: Sequence[str]) -> None:
        self.single_observation_space = gym.spaces.Box(0, 255, (side, side, 3), np.uint8)
        self.slots, self.now = slots, 0

    def reset(self, **how: object) -> tuple[np.ndarray, dict]:
        self.now = 0
        return self.seen(), {}

    def step(self, actions: np.ndarray) -> tuple:
        signs = np.array([slot[self.now] for slot in self.slots])
        self.now += 1
        ended, failed = signs != ".", signs == "!"
        infos = {"action": np.full(len(signs), "answer")}
        if ended.any():
            outcomes = np.where(failed, "infra_failed", "answered").astype(object)
            outcomes[~ended] = None
            infos |= {"outcome": outcomes, "accuracy": (signs == "R").astype(float), "_accuracy": ended}
        return self.seen(), (signs == "R").astype(float), ended & ~failed, failed, infos

    def seen(self) -> np.ndarray:
        levels = [10 * slot + self.now for slot in range(len(self.slots))]
        shape = self.single_observation_space.shape
        return np.stack([np.full(shape, level, np.uint8) for level in levels])

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("slots", "trained", "learning", "learned"),
    [
        ((".!.W..", "R...!."), [3, 5, 10], "50.0%", "100.0%"),
        (("!.!.!.", ".!...!"), [], "nan%", "nan%"),
    ],
)
def test_the_example_leaves_out_what_the_infrastructure_ended(
    example: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    slots: Sequence[str],
    trained: list[int],
    learning: str,
    learned: str,
) -> None:
    heard: list[float] = []
    agents = []

    class Spied(example.Agent):
        def __init__(self, actions: int) -> None:
            super().__init__(actions)
            agents.append(self)

        def forward(self, images: torch.Tensor) -> tuple:
            if torch.is_grad_enabled():
                heard.extend(images[:, 0, 0, 0].tolist())
            return super().forward(images)

    monkeypatch.setattr(example, "Agent", Spied)
    monkeypatch.setattr(example, "make_envs", lambda *_: Ends(example.SIDE, slots))
    small = {"total_steps": 12, "num_envs": 2, "num_steps": 6, "test_episodes": 2}
    example.main(example.Args(**small, epochs=1, minibatches=1))
    shown = capsys.readouterr().out
    assert sorted(heard) == trained
    assert f"right {learning:>6}" in shown
    assert f"{learned} right" in shown
    assert all(weight.isfinite().all() for weight in agents[0].parameters())


def test_the_documented_example_runs(documented) -> None:
    run("-c", documented("CleanRL"))
