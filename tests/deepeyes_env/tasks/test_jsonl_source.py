import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepeyes_env.task import Skill, TaskSource
from deepeyes_env.tasks import JsonlConfig, open_source
from deepeyes_env.tasks.dataset_error import DatasetError

GOOD: dict[str, Any] = {
    "question": " What? ",
    "image": "a.png",
    "answer": ["red", "scarlet"],
    "skills": ["search"],
}


def write(folder: Path, *lines: str) -> str:
    Image.new("RGB", (30, 30), "red").save(folder / "a.png")
    path = folder / "own.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_lines_become_tasks(tmp_path: Path) -> None:
    two = GOOD | {"images": ["a.png", "a.png"], "answer": "A", "choices": {"A": "yes"}, "family": "mine"}
    source = open_source(JsonlConfig(train=write(tmp_path, json.dumps(GOOD), "", json.dumps(two))))
    assert isinstance(source, TaskSource)
    assert source.size("train") == 2
    assert source.size("test") == 0
    first, second = source.task(0), source.task(1)
    assert (first.id, first.question, first.family) == ("jsonl/own/0", "What?", "own")
    assert first.answer.aliases == ("scarlet",)
    assert first.skills == {Skill.SEARCH}
    assert len(second.images) == 2
    assert second.answer.choices == {"A": "yes"}
    assert second.family == "mine"


def test_one_image_and_absent_extras_may_be_written_plainly(tmp_path: Path) -> None:
    line = json.dumps(GOOD | {"images": "a.png", "answer": 7, "choices": None, "skills": None})
    task = open_source(JsonlConfig(train=write(tmp_path, "\ufeff" + line))).task(0)
    assert (len(task.images), task.answer.text, task.answer.choices, task.skills) == (1, "7", {}, frozenset())


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("{", "", "not JSON"),
        ("[1]", "", "not a JSON object"),
        (json.dumps(GOOD | {"question": " "}), "question", "no question"),
        (json.dumps(GOOD | {"answer": None}), "answer", "no answer"),
        (json.dumps(GOOD | {"answer": []}), "answer", "no answer"),
        (json.dumps(GOOD | {"image": None}), "image", "no image"),
        (json.dumps(GOOD | {"image": "gone.png"}), "image", "cannot be used"),
        (json.dumps(GOOD | {"image": "own.jsonl"}), "image", "does not decode"),
        (json.dumps(GOOD | {"image": "\0"}), "image", "cannot be used"),
        (json.dumps(GOOD | {"image": {"bytes": ""}}), "image", "no image"),
        (json.dumps(GOOD | {"images": [None]}), "image", "no image"),
        (json.dumps(GOOD | {"answer": {"text": "red"}}), "answer", "no answer"),
        (json.dumps(GOOD | {"answer": True}), "answer", "no answer"),
        (json.dumps(GOOD | {"choices": ["red", "blue"]}), "choices", "no options by letter"),
        (json.dumps(GOOD | {"choices": {"A": 1}}), "choices", "no options by letter"),
        (json.dumps(GOOD | {"skills": ["seeing"]}), "skills", "unknown skill in .'seeing'"),
        (json.dumps(GOOD | {"skills": "perception"}), "skills", "unknown skill in 'perception'"),
        (json.dumps(GOOD | {"skills": [["perception"]]}), "skills", "unknown skill"),
        ("[" * 100_000, "", "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, column: str, problem: str) -> None:
    source = open_source(JsonlConfig(train=write(tmp_path, json.dumps(GOOD), line)))
    with pytest.raises(DatasetError, match=problem) as caught:
        source.task(1)
    assert caught.value.row == 1
    assert caught.value.column == column


def test_a_missing_file_and_a_missing_line_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        open_source(JsonlConfig(train=str(tmp_path / "none.jsonl")))
    with pytest.raises(IndexError, match="outside the 1 lines"):
        open_source(JsonlConfig(train=write(tmp_path, json.dumps(GOOD)))).task(1)
