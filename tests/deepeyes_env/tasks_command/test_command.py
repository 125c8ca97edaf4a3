from pathlib import Path

import pytest
from PIL import Image

from deepeyes_env.cli import main
from deepeyes_env.tasks.worlds import FAMILY_MODULES


def test_every_family_is_listed_with_its_knobs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["tasks", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in FAMILY_MODULES)
    assert "digits 16 .. 10" in shown


def test_a_contact_sheet_is_painted_for_each_room(tmp_path: Path) -> None:
    families = ["house-number", "bar-chart"]
    assert main(["tasks", "sheet", "--output", str(tmp_path), "--n", "2", "--families", *families]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"perception.png", "reasoning.png"}
    with Image.open(tmp_path / "perception.png") as sheet:
        assert sheet.width > 1000


def test_the_check_runs_the_ablation_and_agrees_with_the_tags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["tasks", "check", "--n", "2", "--families", "house-number"]) == 0
    assert "ok" in capsys.readouterr().out


def test_the_list_tells_which_world_a_family_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "list"]) == 0
    fictional, real = capsys.readouterr().out.split("The real world")
    assert "house-number" in fictional
    assert "element-tile" not in fictional
    assert 'kind = "real"' in real
    assert "element-tile" in real


def test_an_unknown_family_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "check", "--families", "house-numbr"]) == 2
    assert "did you mean 'house-number'?" in capsys.readouterr().err


def test_an_unknown_part_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "chek"]) == 2
    assert "did you mean 'check'?" in capsys.readouterr().err
