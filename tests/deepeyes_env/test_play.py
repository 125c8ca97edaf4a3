"""`deepeyes play` as a person would use it, with the real world, sandbox and search; input from a pipe."""

import io
from pathlib import Path

import pytest
from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.play import main
from deepeyes_env.tasks import open_source

INDEX = 3


def play(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, *arguments: str
) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["--index", str(INDEX), "--seed", "0", *arguments]) == 0
    return capsys.readouterr().out


def test_an_episode(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    task = open_source(EnvConfig().source).task(INDEX)
    typed = (
        "side = 60\nfor i in range(2):\n    print('side', side + i)\nimage_1.crop((0, 0, side, side))\n\n"
        "/search river\n/image\n/what\n\n/answer\n"
        f"/answer {task.answer.text}\n"
    )
    out = play(monkeypatch, capsys, typed, "--images", str(tmp_path / "new"))
    assert task.question[:30] in out
    assert "side 61" in out
    assert "Google search for 'river'" in out
    assert "Google image search" in out
    assert out.count("/quit           leave") == 3
    assert f"reference: {task.answer.text}   reward 1" in out or "reward 0.92" in out
    assert Image.open(tmp_path / "new" / "question-1.png").size == (
        task.images[0].width,
        task.images[0].height,
    )
    assert Image.open(tmp_path / "new" / "turn-1-1.png").size == (56, 56)


@pytest.mark.parametrize("typed", ["", "print('half a cell')", "/quit\n"])
def test_leaving_early_is_polite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, typed: str
) -> None:
    out = play(monkeypatch, capsys, typed, "--images", str(tmp_path))
    assert "Goodbye. The reference answer was:" in out


def test_bad_arguments_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="index = -1"):
        main(["--index", "-1"])
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        main(["--config", str(tmp_path / "absent.toml")])
    own = tmp_path / "own.toml"
    own.write_text('[source]\nkind = "jsonl"\n')
    with pytest.raises(ConfigError, match="a 'jsonl' source has no task families"):
        main(["--config", str(own), "--family", "emblem-fact"])


def test_a_family_of_the_configured_world(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world = tmp_path / "world.toml"
    world.write_text("[source]\nseed = 5\n")
    out = play(monkeypatch, capsys, "/quit\n", "--config", str(world), "-f", "emblem-fact")
    assert "fictional-5/emblem-fact/train/3" in out
    world.write_text('[source]\nkind = "real"\n')
    out = play(monkeypatch, capsys, "/quit\n", "--config", str(world), "-f", "element-tile")
    assert "real-0/element-tile/train/3" in out


def test_a_failure_of_the_infrastructure_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    judged = tmp_path / "judged.toml"
    judged.write_text('[judge]\nbase_url = "http://127.0.0.1:9/v1"\nattempts = 1\n')
    out = play(monkeypatch, capsys, "/answer what nobody knows\n", "--config", str(judged))
    assert "infra_failed" in out
    assert "the judge at http://127.0.0.1:9/v1 gave no verdict" in out
