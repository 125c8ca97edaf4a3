"""Readers of columns: every form that a release writes, and what is said of all others."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from golden import base64_picture, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.suites import row as readers
from benchmarks.suites.row import Row, RowError
from deepeyes_env.images import EncodedImage

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
READERS = [
    readers.text,
    readers.optional_text,
    readers.integer,
    readers.flag,
    readers.sequence,
    readers.texts,
    readers.options,
    readers.image,
    readers.images,
]


def row(value: object, folder: Path | None = None) -> Row:
    return Row({"c": value}, "suite", "file.tsv", 3, folder=folder)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@settings(max_examples=40, deadline=None)
@given(value=ANYTHING)
def test_anything_is_read_or_refused_by_name(read, value: object) -> None:
    try:
        read(row(value), "c")
    except RowError as error:
        message = str(error)
        refused = (error.suite, error.row, error.column)
        assert refused == ("suite", 3, "c"), message


@settings(max_examples=40, deadline=None)
@given(value=ANYTHING)
def test_letters_of_anything(value: object) -> None:
    try:
        choices = readers.lettered(Row({"A": value, "B": "b"}), ("A", "B", "C"))
    except RowError:
        return
    assert list(choices) == ["A", "B"]


def test_a_missing_column_lists_those_that_are_there() -> None:
    with pytest.raises(RowError, match=r"row 3, column 'd': suite 'suite': there is no such column but c"):
        readers.text(row("x"), "d")
    assert row("x").get("d") is None


@pytest.mark.parametrize(("value", "wanted"), [(" a ", "a"), (7, "7"), (7.0, "7"), (0.5, "0.5")])
def test_text(value: object, wanted: str) -> None:
    assert readers.text(row(value), "c") == wanted


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_no_text(value: object) -> None:
    with pytest.raises(RowError, match="there is no text"):
        readers.text(row(value), "c")
    assert readers.optional_text(row(value), "c") is None


@given(number=st.integers())
def test_integers_however_they_are_written(number: int) -> None:
    assert readers.integer(row(number), "c") == number
    if abs(number) < 2**53:
        assert readers.integer(row(str(number)), "c") == readers.integer(row(float(number)), "c") == number


@pytest.mark.parametrize("value", [1, 1.0, True, "1", "True", "yes"])
def test_true(value: object) -> None:
    assert readers.flag(row(value), "c") is True


@pytest.mark.parametrize("value", [2, "", None, "x", 0.5])
def test_neither_true_nor_false(value: object) -> None:
    with pytest.raises(RowError, match="neither true nor false"):
        readers.flag(row(value), "c")


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=5))
def test_lists_however_they_are_written(values: list[str]) -> None:
    wanted = tuple(value.strip() for value in values)
    for written in (values, json.dumps(values), repr(values)):
        assert readers.texts(row(written), "c") == wanted
        assert tuple(readers.options(row(written), "c").values()) == wanted


def test_options_by_letter() -> None:
    assert readers.options(row('{"A": "x", "B": "y"}'), "c") == {"A": "x", "B": "y"}


@pytest.mark.parametrize("letter", ["B", "(B)", " B "])
def test_the_right_options_letter(letter: str) -> None:
    assert readers.label(row(letter), "c", {"A": "x", "B": "y"}) == "B"
    with pytest.raises(RowError, match="is none of A, C"):
        readers.label(row(letter), "c", {"A": "x", "C": "y"})


def forms(folder: Path) -> list[object]:
    data = picture()
    (folder / "deep").mkdir()
    (folder / "deep" / "a.png").write_bytes(data)
    encoded = base64.b64encode(data).decode()
    return [
        data,
        {"bytes": data, "path": None},
        {"bytes": None, "path": "deep/a.png"},
        encoded,
        encoded[:40] + "\n" + encoded[40:],
        f"data:image/png;base64,{encoded}",
        "deep/a.png",
        "copy/deep/a.png",
        "deep\\a.png",
    ]


def test_a_picture_in_every_form(tmp_path: Path) -> None:
    wanted = EncodedImage.from_bytes(picture())
    for value in forms(tmp_path):
        assert readers.image(row(value, tmp_path), "c") == wanted, value
        assert readers.images(row([value], tmp_path), "c") == (wanted,)
        assert readers.images(row(value, tmp_path), "c") == (wanted,)
    decoded = Image.open(io.BytesIO(picture()))
    assert readers.image(row(decoded), "c").decode().tobytes() == wanted.decode().tobytes()


def test_a_list_of_pictures_written_as_text() -> None:
    assert len(readers.images(row(json.dumps([base64_picture(), base64_picture("navy")])), "c")) == 2


@pytest.mark.parametrize("path", ["/etc/hostname", "../secret.png", "a/../../secret.png", "missing.png"])
def test_a_path_stays_in_the_copy(path: str, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    (tmp_path / "copy").mkdir()
    with pytest.raises(RowError, match="cannot be used"):
        readers.image(row(path, tmp_path / "copy"), "c")


@pytest.mark.parametrize("value", [b"", b"no picture", {}, [], 7, "", None, {"bytes": b"", "path": None}])
def test_no_picture(value: object) -> None:
    with pytest.raises(RowError, match="picture"):
        readers.images(row(value), "c")


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300), share=st.floats(0.01, 0.99))
def test_a_picture_larger_than_what_is_decoded_is_shrunk(width: int, height: int, share: float) -> None:
    most = max(1, int(width * height * share))
    small = readers.shrunk(Image.new("RGB", (width, height)), most)
    assert small.width <= width
    assert small.height <= height
    assert small.width * small.height <= max(most, width, height)
