"""CleanRL's style, one file over `gymnasium.make_vec`: the kit through that vector env, and the file runs."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest
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


def test_the_documented_example_runs(documented) -> None:
    run("-c", documented("CleanRL"))
