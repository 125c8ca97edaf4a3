"""The whole command in toy sizes: every arm for real, in two processes, and once more for nothing.

What needs the finished run is one test, because every worker of pytest-xdist would make a run of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.qwen import load_qwen
from deepeyes_env.errors import ConfigError
from trainers.reproduction.arms import SMOKE, arms
from trainers.reproduction.command import main
from trainers.reproduction.record import read_record
from trainers.reproduction.stages import address


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--smoke --workers 0", "workers = 0: must be at least 1"),
        ("--seeds 100", "seed 100: the lessons were tuned on it"),
        ("--seeds 3,0", "seed 0: the lessons were tuned on it"),
        ("--seeds", r"seeds = \(\): name one at least"),
        ("--seeds 1,1", r"seeds = \(1, 1\): .*each once"),
        ("--seeds -1", r"seeds = \(-1,\): .*none below 0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(tmp_path: Path, options: str, words: str):
    with pytest.raises(SystemExit, match=words):
        main([*options.split(), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_folder_is_named_and_kept(tmp_path: Path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match=r"output = .*/out is no folder"):
        main(["--smoke", "--output", str(tmp_path / "out")])
    assert (tmp_path / "out").read_text() == "mine"


def test_all_arms_are_trained_once(tmp_path: Path):
    main(["--smoke", "--seeds", "0", "--output", str(tmp_path)])
    _every_arm_leaves_a_model_and_a_record(tmp_path)
    _the_page_has_every_claim_and_no_links(tmp_path)
    _a_killed_stage_is_done_again_and_others_are_not(tmp_path)
    _what_is_done_is_not_done_again(tmp_path)


def _every_arm_leaves_a_model_and_a_record(output: Path) -> None:
    for name, stage in arms(0, SMOKE).items():
        folder = output / "stages" / address(stage)
        record = read_record(folder / "record.json")
        assert {way: len(answers) for way, answers in record.exam.items()} == dict.fromkeys(
            ("sampled", "greedy", "toolless"), SMOKE.exam.tasks
        ), name
        assert record.curve
    assert load_qwen(folder / "model").model.num_parameters() > 500_000


def _the_page_has_every_claim_and_no_links(output: Path) -> None:
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Smoke run" in page
    assert page.count("<svg") == 5
    assert "paper, table 6" in page
    assert "Not run" not in page
    assert "<script" not in page


def _what_is_done_is_not_done_again(output: Path) -> None:
    folders = {path: path.stat().st_mtime_ns for path in (output / "stages").iterdir()}
    (output / "report.html").unlink()
    main(["--smoke", "--seeds", "0", "--claims", "1,4", "--output", str(output)])
    assert {path: path.stat().st_mtime_ns for path in (output / "stages").iterdir()} == folders
    assert (output / "report.html").read_text().count("<svg") == 2


def _a_killed_stage_is_done_again_and_others_are_not(output: Path) -> None:
    stages = output / "stages"
    lost = stages / address(arms(0, SMOKE)["rl"])
    others = {path: path.stat().st_mtime_ns for path in stages.iterdir() if path != lost}
    before = read_record(lost / "record.json")
    # As a kill leaves it: half written, under another name.
    lost.rename(stages / f".writing-{lost.name}")
    main(["--smoke", "--seeds", "0", "--claims", "4", "--output", str(output), "--workers", "1"])
    after = read_record(lost / "record.json")
    assert (after.exam, after.curve) == (before.exam, before.curve)
    assert {path: path.stat().st_mtime_ns for path in stages.iterdir() if path != lost} == others


def test_an_unknown_claim_is_refused(tmp_path: Path):
    with pytest.raises(SystemExit, match="no claim 6"):
        main(["--claims", "6", "--output", str(tmp_path)])
