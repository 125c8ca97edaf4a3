"""Results on disk: what they lie beside, and what the disk refuses."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainers.curation.stages import CurationError, Stages, point

WAYS = {
    "records": lambda stages: stages.record("cards", {}, (), lambda: [{"a": "b" * 2000}]),
    "files": lambda stages: stages.build("rl", {}, (), lambda d: (d / "tasks.json").write_bytes(bytes(2000))),
}
"""Ways to more bytes than a full disk takes."""


@pytest.fixture
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_named_and_leaves_no_half_result(tmp_path: Path, way: str) -> None:
    with pytest.raises(CurationError, match=r"could not be made .*make room on the disk"):
        WAYS[way](Stages(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_given_is_named(tmp_path: Path) -> None:
    stage = Stages(tmp_path / "stages").record("rl", {}, (), list)
    (tmp_path / "rl").mkdir()
    with pytest.raises(CurationError, match="rl could not be made"):
        point(tmp_path / "rl", stage)


def test_what_others_put_beside_the_stages_stays_and_what_was_killed_goes(tmp_path: Path) -> None:
    done = Stages(tmp_path).record("cards", {}, (), lambda: [{"a": 1}])
    (tmp_path / ".directory").write_text("[Dolphin]")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    killed = tmp_path / f".{done.ref}.x7_b"
    killed.mkdir()
    stages = Stages(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {done.ref, ".directory", ".ipynb_checkpoints"}
    assert stages.find("cards", {}) == done
