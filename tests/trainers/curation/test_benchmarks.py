"""Reading users' copies of benchmarks."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Task
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.curation.benchmarks import Sample, find_copy, read_copy
from trainers.curation.cards import CardMaker
from trainers.curation.decontaminate import Decontaminator
from trainers.curation.pictures import look
from trainers.curation.recipe import Decontamination

FIELDS = Decontamination().question_fields


def noise(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A picture that looks like no other: smooth noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=form)
    return buffer.getvalue()


def samples(given: str) -> list[Sample]:
    return list(read_copy(find_copy(given), FIELDS))


def test_a_folder_gives_its_questions_and_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "images" / "deep").mkdir(parents=True)
    noise(1).save(tmp_path / "images" / "deep" / "1.png")
    rows = [{"question": "Who is it?", "image": "images/deep/1.png"}, {"text": "What is it?"}, {"id": 3}]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = samples(f"mine={tmp_path}")
    assert [(one.benchmark, one.place, one.question) for one in found] == [
        ("mine", "images/deep/1.png", None),
        ("mine", "test.jsonl:0", "Who is it?"),
        ("mine", "test.jsonl:1", "What is it?"),
    ]
    assert found[0].looks == (look(noise(1)),)
    assert [Sample.from_record(one.to_record()) for one in found] == found


@pytest.mark.parametrize(
    "hold",
    [
        lambda data: {"bytes": data, "path": None},
        lambda data: [{"bytes": data, "path": "x.png"}],
        lambda data: data,
        lambda data: base64.b64encode(data).decode(),
        lambda data: f"data:image/png;base64,{base64.b64encode(data).decode()}",
    ],
)
def test_pictures_inside_parquet_are_found_however_they_lie_there(tmp_path: Path, hold: Any) -> None:
    row = {"question": "Who?", "image": hold(encoded(noise(2)))}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "bench.parquet")
    [found] = samples(str(tmp_path / "bench.parquet"))
    assert (found.benchmark, found.question, found.looks) == ("bench", "Who?", (look(noise(2)),))


def test_a_benchmarks_picture_is_found_after_it_was_scaled_and_compressed(tmp_path: Path) -> None:
    noise(3, (640, 480)).save(tmp_path / "a.png")
    (tmp_path / "q.json").write_text(json.dumps([{"question": "Anything at all?"}]))
    decontaminator = Decontaminator(samples(str(tmp_path)), Decontamination())
    data = encoded(noise(3, (640, 480)).resize((500, 375)), "JPEG")
    task = Task("t", "Another question?", (EncodedImage.from_bytes(data),), Answer("x"))
    found = decontaminator.check(task.question, CardMaker().card(task, 0).looks)
    assert found is not None
    assert (found.rule, found.place) == ("image", "a.png")
    assert all(decontaminator.check("Who?", (look(noise(seed)),)) is None for seed in range(4, 40))


def test_a_task_that_is_there_twice_to_the_letter_has_two_cards() -> None:
    maker, task = CardMaker(), Task("t", "Who?", (EncodedImage.from_pil(noise(1)),), Answer("x"))
    first, second = maker.card(task, 0), maker.card(task, 1)
    assert first.digest != second.digest
    assert first.looks == second.looks
    assert CardMaker().card(task, 7).digest == first.digest  # wherever it stands


def test_a_caption_is_no_picture(tmp_path: Path) -> None:
    row = {"question": "Wer?", "image_caption": "Eine schöne Brücke " * 10}
    (tmp_path / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False))
    assert [one.question for one in samples(str(tmp_path))] == ["Wer?"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"frage": "Wer?"}', "no row has a question .fields: frage.*question_fields"),
        ("a.jsonl", "{", "not JSON"),
        ("a.parquet", "x", "cannot be read as parquet"),
        ("a.png", "x", "does not decode"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=message):
        samples(str(tmp_path))


@pytest.mark.parametrize(("given", "message"), [("nowhere", "no file or folder"), (".", "holds no file")])
def test_a_copy_that_is_not_there_is_named(tmp_path: Path, given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_copy(f"x={tmp_path / given}")
