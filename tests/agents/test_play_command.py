"""`deepeyes play`: a person plays, or watches a policy play."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import ChatServer, says
from talk import tiny

from agents.play_command import main
from agents.qwen import save_qwen
from agents.store import read_trajectories
from deepeyes_env.cli import main as deepeyes
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import open_source


def test_a_person_plays_without_a_policy_or_torch() -> None:
    program = (
        "import sys; from agents.play_command import main\n"
        "main(['--index', '3']); print('torch' in sys.modules)"
    )
    played = subprocess.run([sys.executable, "-c", program], input="/quit\n", capture_output=True, text=True)
    assert "Goodbye. The reference answer was:" in played.stdout
    assert played.stdout.splitlines()[-1] == "False"


def test_help_tells_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "deepeyes play --policy" in capsys.readouterr().out


def test_help_says_that_a_new_seed_is_drawn_and_not_which(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 123454321)
    with pytest.raises(SystemExit):
        main(["--policy", "oracle", "--help"])
    shown = capsys.readouterr().out
    assert "a new one each time" in shown
    assert "123454321" not in shown


def test_the_oracle_is_watched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    task = open_source(EnvConfig().source).task(3)
    pictures, run = tmp_path / "pictures", tmp_path / "run"
    arguments = ["--policy", "oracle", "--index", "3", "--images", str(pictures), "--save", str(run)]
    assert deepeyes(["play", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert task.question[:30] in "\n".join(lines)
    assert any("image_1" in line for line in lines)
    assert re.fullmatch(rf"answered   reference: {re.escape(task.answer.text)}   reward (1|0\.92)", lines[-1])
    assert (pictures / "question-1.png").exists()
    [trajectory] = read_trajectories(run)
    assert trajectory.task_id == task.id


def test_the_same_seed_draws_the_same_task(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = []
    for seed in (1, 1, 2):
        main(["--policy=oracle", "--seed", str(seed), "-f", "count-shapes"])
        drawn.append(capsys.readouterr().out.splitlines()[0])
    assert "fictional-0/count-shapes/train/" in drawn[0]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_chat_api_is_watched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    judged = tmp_path / "judged.toml"
    judged.write_text('[judge]\nbase_url = "http://127.0.0.1:9/v1"\nattempts = 1\n')
    chat = ["--policy", "m", "--backend", "api", "--index", "3"]
    with ChatServer(says("<think>?</think><answer>what nobody knows")) as server:
        main([*chat, "--urls", server.url])
        assert capsys.readouterr().out.splitlines()[-1].endswith("reward 0.2")
        main([*chat, "--urls", server.url, "--config", str(judged)])
    *_, reason, used, verdict = capsys.readouterr().out.splitlines()
    assert "judge" in reason
    assert used.startswith("used: 2 requests")
    assert verdict.startswith("infra_failed   reference: ")
    assert "reward" not in verdict


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="index = -1"):
        main(["--policy", "oracle", "--index", "-1"])
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        main(["--policy", "oracle", "--config", str(tmp_path / "absent.toml")])
    own = tmp_path / "own.toml"
    own.write_text('[source]\nkind = "jsonl"\n')
    with pytest.raises(ConfigError, match=r"own\.toml/run cannot be written"):
        main(["--policy", "oracle", "--save", str(own / "run")])
    with pytest.raises(ConfigError, match=r"images = '.*/own\.toml/seen': no folder \(Not a directory\)"):
        main(["--policy", "oracle", "--images", str(own / "seen")])
    with pytest.raises(ConfigError, match="a 'jsonl' source has no task families"):
        main(["--policy", "oracle", "--config", str(own), "--family", "emblem-fact"])
    with pytest.raises(ConfigError, match="has no task in it"):
        main(["--policy", "oracle", "--config", str(own)])


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    save_qwen(tiny(), tmp_path / "model")
    dead = ["--backend", "vllm", "--urls", "http://127.0.0.1:9"]
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9/health failed .* is the server running"):
        main(["--policy", str(tmp_path / "model"), "--index", "3", *dead])


def test_tasks_are_chosen_by_family_here() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--policy", "oracle", "--tasks", "house-number"])
