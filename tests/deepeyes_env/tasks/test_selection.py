from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.tasks import DeepEyesV2Config, JsonlConfig, SelectionConfig, WorldConfig, open_source
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.selection import read_selection, select

WORLD = WorldConfig(families=("closer-look", "at-a-glance"))


def write(path: Path, **changes: Any) -> str:
    world = open_source(WORLD)
    chosen = select(WORLD, "train", [(index, world.task(index).id) for index in (3, 0)])
    path.write_text(json.dumps(json.loads(chosen.to_json()) | changes))
    return str(path)


def test_chosen_tasks_in_their_order_and_the_other_splits_as_they_are(tmp_path: Path) -> None:
    source, world = open_source(SelectionConfig(write(tmp_path / "tasks.json"))), open_source(WORLD)
    assert [source.size(split) for split in ("train", "validation")] == [2, None]
    assert [source.task(index) for index in range(2)] == [world.task(3), world.task(0)]
    assert source.task(5, "validation") == world.task(5, "validation")
    assert source.search_engine() is world.search_engine()
    with pytest.raises(IndexError, match="2 chosen tasks"):
        source.task(2)


def test_a_selection_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    write(path)
    assert read_selection(path).to_json() == read_selection(path).to_json()
    assert read_selection(path).source == WORLD


def test_the_files_of_its_source_are_found_from_anywhere(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = select(JsonlConfig(train="mine.jsonl"), "train", [])
    assert chosen.source == JsonlConfig(train=str(tmp_path / "mine.jsonl"))
    chosen = select(DeepEyesV2Config(train=("a.parquet",), image_search_cache="c.json"), "train", [])
    here = str(tmp_path)
    assert chosen.source == DeepEyesV2Config(
        train=(f"{here}/a.parquet",), image_search_cache=f"{here}/c.json"
    )
    assert select(SelectionConfig("t.json"), "train", []).source == SelectionConfig(f"{here}/t.json")


def test_an_environment_draws_from_it(tmp_path: Path) -> None:
    source = {"kind": "selection", "file": write(tmp_path / "tasks.json")}
    config = load_config(EnvConfig, {"source": source, "prompt": "minimal"})
    env = DeepEyesEnv(config)
    _, info = env.reset(options={"index": 0})
    assert info["task_id"] == open_source(WORLD).task(3).id
    env.close()


def test_a_source_that_has_changed_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.json", ids=["fictional/closer-look/train/9", "x"])
    with pytest.raises(DatasetError, match="curate again"):
        open_source(SelectionConfig(path)).task(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 7}, "the format is 7"),
        ({"ids": []}, "2 indexes for 0 ids"),
        ({"source": {"kind": "fictionel"}}, "as a selection"),
        ({"split": "tain"}, "as a selection"),
    ],
)
def test_a_file_that_is_no_selection_is_named(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_selection(write(tmp_path / "tasks.json", **changes))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nothing\.json"):
        open_source(SelectionConfig(str(tmp_path / "nothing.json")))
