"""Results on disk: what they lie beside, and what the disk refuses."""

from __future__ import annotations

from pathlib import Path

from trainers.curation.stages import Stages


def test_what_others_put_beside_the_stages_stays_and_what_was_killed_goes(tmp_path: Path) -> None:
    done = Stages(tmp_path).record("cards", {}, (), lambda: [{"a": 1}])
    (tmp_path / ".directory").write_text("[Dolphin]")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    killed = tmp_path / f".{done.ref}.x7_b"
    killed.mkdir()
    stages = Stages(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {done.ref, ".directory", ".ipynb_checkpoints"}
    assert stages.find("cards", {}) == done
