from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "agents"))
from talk import scripted, tiny

from agents.qwen import save_qwen
from agents.store import TrajectoryWriter
from benchmarks.speed.command import main


def test_a_stored_rollout_is_compared(tmp_path, capsys):
    save_qwen(tiny(), tmp_path / "model")
    trajectory = scripted()
    logprobs = np.where(trajectory.loss_mask, -30.0, 0.0).astype(np.float32)
    with TrajectoryWriter(tmp_path / "rollout") as writer:
        writer.append(replace(trajectory, token_exact=True, logprobs=logprobs))
    arguments = ["--trajectories", str(tmp_path / "rollout"), "--policy", str(tmp_path / "model")]
    assert main(["mismatch", *arguments]) == 0
    printed = capsys.readouterr().out
    assert f"{trajectory.loss_mask.sum()}" in printed
    assert "share with a ratio outside 0.8 - 1.3" in printed


def test_a_rollout_that_is_none_is_told(tmp_path):
    save_qwen(tiny(), tmp_path / "model")
    with pytest.raises(SystemExit, match="deepeyes bench mismatch"):
        main(["mismatch", "--trajectories", str(tmp_path / "no"), "--policy", str(tmp_path / "model")])
