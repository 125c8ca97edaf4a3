"""The main job in small: every stage runs for real, and what it leaves behind can be used."""

import json
from pathlib import Path

import pytest

from agents.qwen import load_qwen
from agents.store import read_trajectories
from agents.trajectory import check_trajectory
from deepeyes_env.errors import ConfigError
from trainers.quickstart.command import FAMILIES, SMOKE, main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("quickstart") / "run"
    main(["--smoke", "--seed", "3", "--output", str(output)])
    return output


def test_the_report_has_a_row_per_stage_and_its_episodes(run: Path):
    page = (run / "report.html").read_text(encoding="utf-8")
    for part in ("<td>base</td>", "<td>SFT</td>", "<td>SFT + DAPO</td>", "<svg", "at-a-glance"):
        assert part in page
    assert "SFT + DAPO against SFT, sampled" in page
    assert "http" not in page.partition("<svg")[0].replace("http-equiv", "")


def test_every_stage_was_asked_the_same_held_out_tasks(run: Path):
    episodes = list(read_trajectories(run / "trajectories"))
    assert len(episodes) == 3 * SMOKE.test_tasks
    stages = {one.versions["stage"] for one in episodes}
    assert stages == {"base", "SFT", "SFT + DAPO"}
    asked = {stage: [one.task_id for one in episodes if one.versions["stage"] == stage] for stage in stages}
    assert len({tuple(tasks) for tasks in asked.values()}) == 1
    assert all("/test/" in task for task in asked["base"])
    assert {one.family for one in episodes} == set(FAMILIES)
    for one in episodes:
        check_trajectory(one)


def test_the_model_is_an_ordinary_checkpoint(run: Path):
    model = load_qwen(run / "model").model
    assert 500_000 < model.num_parameters() < 10_000_000


def test_the_metrics_of_the_trainers_are_kept(run: Path):
    steps = [json.loads(line) for line in (run / "dapo" / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == SMOKE.dapo.steps
    assert {"reward", "accuracy", "groups_trained", "infra_failures"} <= set(steps[0])


def test_a_directory_in_use_is_left_alone(run: Path):
    before = sorted(run.iterdir())
    with pytest.raises(SystemExit, match="not empty"):
        main(["--smoke", "--output", str(run)])
    assert sorted(run.iterdir()) == before


def test_a_place_or_a_seed_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is no folder"):
        main(["--smoke", "--output", str(tmp_path / "file")])
    with pytest.raises(ConfigError, match="seed = -1"):
        main(["--smoke", "--seed", "-1", "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
