"""Draws that are made once; see also test_pipeline.py, where whole curations make them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "agents"))

from actors import SAY, Riddles, left_behind, lineages
from talk import vocabulary

from agents.rollout import RolloutLimits
from agents.scripted import Script, ScriptSpeaker
from agents.speaker import RolloutRequest
from agents.store import TrajectoryWriter
from agents.trajectory import SeedLineage
from deepeyes_env.config import EnvConfig
from deepeyes_env.task import Task
from trainers.curation.rollouts import Effort, Rollouts
from trainers.curation.voices import scripted_voice


def says_seven(task: Task, lineage: SeedLineage) -> Script:
    yield SAY


def test_after_an_interruption_no_episode_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrajectoryWriter, "append", interrupted)
    effort = Effort(RolloutLimits(), num_envs=2)
    rollouts = Rollouts(tmp_path, scripted_voice(says_seven, vocabulary()), EnvConfig(), effort)
    requests = [RolloutRequest(number, lineage=line) for number, line in enumerate(lineages(20))]
    with pytest.raises(KeyboardInterrupt) as raised:
        rollouts.complete(requests, Riddles(), lambda: ScriptSpeaker(says_seven, vocabulary()))
    assert not left_behind(), raised  # whose frames keep what they hold
