"""Copies of releases: what is opened, what is told of it, and what is said where it is not the release."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas
import pytest
from golden import base64_picture, embedded, parquet, picture, tsv
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.suites import find_suite, open_suite
from benchmarks.suites.copies import open_copy
from benchmarks.suites.tables import open_table
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

ROW = {"type": "human_test", "question": "Who?", "answer": "Peru", "image": embedded()}


def test_the_md5_of_a_copy_is_told(tmp_path: Path) -> None:
    path = parquet([ROW])(tmp_path)
    copy = open_copy(find_suite("chartqa"), path)
    assert copy.source == {"md5": {path.name: hashlib.md5(path.read_bytes()).hexdigest()}}
    assert copy.warnings == ()


def test_a_copy_that_is_not_the_release_says_so(tmp_path: Path) -> None:
    row = {"index": 0, "image": base64_picture(), "question": "Who?", "answer": "Peru", "split": "human"}
    items = open_suite("chartqa", tsv([row], "ChartQA_TEST.tsv")(tmp_path))
    assert "published is c902e0aa9be5582a7aad6dcf52734b42; this copy is not the release" in items.warnings[0]
    assert "1 items, the public release has 2500" in items.warnings[1]
    assert items.describe()["warnings"] == list(items.warnings)


def test_a_copy_of_which_a_sha256_is_published_is_checked_by_it(tmp_path: Path) -> None:
    path = parquet([ROW], "mmsearch_r1_infoseek_sub_2k.parquet")(tmp_path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    copy = open_copy(find_suite("infoseek"), path)
    published = find_suite("infoseek").card.releases[0].sha256[path.name]
    assert copy.warnings == (
        f"{path.name}: sha256 is {found}, published is {published}; this copy is not the release",
    )
    assert open_copy(find_suite("infoseek"), path.rename(tmp_path / "mine.parquet")).warnings == ()


def test_the_whole_release_has_no_warning(tmp_path: Path) -> None:
    rows = [
        {"query": "?", "answer": "7", "perception": 1, "search": 0, "reason": 0, "image": embedded()}
    ] * 194
    assert open_suite("realx", parquet(rows)(tmp_path)).warnings == ()


def test_a_folder_is_read_in_order_and_by_split(tmp_path: Path) -> None:
    for split, parts in (("test", 2), ("train", 1)):
        for part in range(parts):
            name = f"{split}-{part:05}-of-{parts:05}.parquet"
            parquet([ROW | {"question": f"{split} {part} {row}"} for row in range(3)], name)(tmp_path)
    items = open_suite("chartqa", tmp_path)
    assert [items.task(index).question for index in range(len(items))] == [
        f"test {part} {row}" for part in range(2) for row in range(3)
    ]
    assert set(items.copy.source["md5"]) == {f"test-0000{part}-of-00002.parquet" for part in range(2)}


def test_a_folder_of_two_configurations(tmp_path: Path) -> None:
    for name in ("hr_bench_4k", "hr_bench_8k"):
        row = {"index": 0, "question": name, "answer": "A", "category": "single", "A": "x", "B": "y"}
        parquet(
            [row | {"C": "z", "D": "w", "cycle_category": 0, "image": base64_picture()}], f"{name}.parquet"
        )(tmp_path)
    assert (
        open_suite("hrbench-8k", tmp_path / "hr_bench_8k.parquet").task(0).question.startswith("hr_bench_8k")
    )


def test_only_the_split_test_has_tasks(tmp_path: Path) -> None:
    items = open_suite("chartqa", parquet([ROW])(tmp_path))
    assert items.size("train") == items.size("validation") == 0
    for call in (lambda: items.task(0, "train"), lambda: items.task(1), lambda: items.item(-1)):
        with pytest.raises(IndexError):
            call()
    assert items.item(0) is items.item(0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing", "is not there"),
        (lambda folder: folder, "has no rows in it"),
        (lambda folder: _written(folder / "a.parquet", b"x"), "cannot be read as parquet"),
        (lambda folder: _written(folder / "a.tsv", b""), "is empty"),
        (lambda folder: _written(folder / "a.tsv", b'a\tb\n1\t"2\n'), "has no end"),
        (lambda folder: _written(folder / "a.json", b"7"), "no list of rows"),
        (lambda folder: _written(folder / "a.csv", b"a"), "is no file of rows"),
    ],
)
def test_what_cannot_be_opened(make, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        open_suite("chartqa", make(tmp_path))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"a\tb\n1\n", "1 fields under 2 names"),
        ("a.tsv", b"a\tb\n1\t\xff\n", "is not UTF-8"),
        ("a.jsonl", b"{\n", "not JSON"),
        ("a.jsonl", b"7\n", "the row is no object"),
        ("a.json", b"[7]", "the row is no object"),
    ],
)
def test_a_row_that_cannot_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    items = open_suite("chartqa", _written(tmp_path / name, content))
    with pytest.raises(DatasetError, match=message):
        items.item(0)


def test_a_copy_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its md5 says what it is"):
        open_suite("chartqa", parquet([ROW])(tmp_path), revision="main")


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"q": st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)}
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_tsv_reads_as_pandas_wrote_it(rows: list[dict], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    pandas.DataFrame([{"index": number, **row} for number, row in enumerate(rows)]).to_csv(
        path, sep="\t", index=False
    )
    table = open_table(path)
    assert len(table) == len(rows)
    assert [table.row(number)["q"] for number in range(len(rows))] == [row["q"] for row in rows]


def test_json_by_id_and_lines_with_gaps(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"x": {"v": 1}, "y": {"id": "z", "v": 2}}))
    table = open_table(tmp_path / "a.json")
    assert [table.row(number) for number in range(len(table))] == [{"id": "x", "v": 1}, {"id": "z", "v": 2}]
    (tmp_path / "a.jsonl").write_text('{"v": 1}\n\n  \n{"v": 2}')
    table = open_table(tmp_path / "a.jsonl")
    assert [table.row(number) for number in range(len(table))] == [{"v": 1}, {"v": 2}]


def test_a_picture_that_another_row_has(tmp_path: Path) -> None:
    rows = [
        {"index": 10, "image": base64_picture()},
        {"index": 11, "image": "10"},
        {"index": 12, "image": "99"},
    ]
    table = open_table(tsv(rows, "a.tsv")(tmp_path))
    assert table.row(1)["image"] == table.row(0)["image"] == base64_picture()
    assert table.row(2)["image"] == "99"


def test_rows_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"image": {"bytes": b"broken", "path": "x"}}]
    items = open_suite("chartqa", parquet(rows)(tmp_path))
    assert len(items) == 2
    assert items.item(0).task.images[0].data == picture()
    with pytest.raises(DatasetError, match="row 1, column 'image'"):
        items.item(1)
