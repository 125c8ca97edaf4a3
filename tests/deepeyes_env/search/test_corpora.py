import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.corpora import Columns, Document, open_corpus
from deepeyes_env.search.corpora.markup import read_html, read_markdown
from deepeyes_env.search.corpora.passages import PASSAGE_CHARS, passages
from deepeyes_env.tasks.dataset_error import DatasetError


def read(source: Path | str, **options: Any) -> dict[str, Document]:
    corpus = open_corpus(str(source), **options)
    found = list(corpus)
    assert corpus.done == corpus.total
    return {document.id: document for document in found}


def refused(source: Path | str, **options: Any) -> str:
    with pytest.raises(DatasetError) as error:
        read(source, **options)
    return str(error.value)


def lines(*records: object) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


SEARCH_R1 = lines(
    {"id": "0", "contents": '"Ost"\nA harbour town.\nIt has a crane.'},
    {"id": 7, "contents": "No title here."},
    {"id": "x y", "contents": '"T"\nb', "title": "Own", "url": "https://a.example/", "date": "1999"},
)


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())])
def test_json_lines_of_search_r1(pack: Callable[[str], bytes], tmp_path: Path) -> None:
    data = pack("\ufeff" + SEARCH_R1.replace("\n", "\r\n\r\n"))
    file = tmp_path / ("c.jsonl" if data[:1] != b"\x1f" else "c.jsonl.gz")
    file.write_bytes(data)
    found = read(file)
    assert list(found) == ["0", "7", "x y"]
    first, second, third = found.values()
    assert (first.title, first.body, first.url) == ("Ost", "A harbour town.\nIt has a crane.", "corpus:0")
    assert (second.title, second.body, second.row) == ("7", "No title here.", 2)
    assert (third.title, third.url, third.date) == ("Own", "https://a.example/", "1999")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not a JSON object"),
        ("[1]", "a JSON list"),
        ("[" * 99_999, "not a JSON object"),
        ('{"contents": "a"}', "column 'id': is missing"),
        ('{"id": "", "contents": "a"}', "column 'id': is missing"),
        ('{"id": true, "contents": "a"}', "is True"),
        ('{"id": "1"}', "column 'contents': is missing"),
        ('{"id": "1", "contents": 5}', "column 'contents': is 5"),
        ('{"id": "1", "contents": "a", "url": 5}', "column 'url': is 5"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text(f"{SEARCH_R1}{line}\n")
    message = refused(file)
    assert str(file) in message
    assert "row 3" in message
    assert says in message


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl.gz"
    file.write_bytes(gzip.compress(SEARCH_R1.encode())[:-9])
    assert "fetch the file again" in refused(file)
    assert "is not there" in refused(tmp_path / "none")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    assert "row 0" in refused(tmp_path / "latin.jsonl")


def test_html_is_read_as_people_read_it() -> None:
    page = """<!doctype html><html><head><title>The
      tower</title><style>p {color: red}</style></head><body><nav>Home</nav><h1>Tower</h1>
      <p>It is <b>un</b>usually\nhigh:<br>40&nbsp;m &amp; more.<script>alert("x")</script>
      <ul><li>one<li>two</ul><!-- note --></body>"""
    assert read_html(page) == ("The tower", "Tower\nIt is unusually high:\n40 m & more.\none\ntwo")
    assert read_html("<h1>First</h1><h1>Second</h1>")[0] == "First"


def test_markdown_is_read_as_people_read_it() -> None:
    heading = "---\nlayout: x\n---\n# The *tower*\n\n"
    text = heading + "It is [high](https://a.example)\nand old.\n\n|a|b|\n|-|-|\n|1|2|\n"
    assert read_markdown(text) == ("The tower", "The tower\nIt is high and old.\na\nb\n1\n2")


@given(st.text(max_size=200))
def test_no_markup_is_an_error(text: str) -> None:
    for title, body in (read_html(text), read_markdown(text)):
        assert "\n" not in title
        assert all(line == line.strip() != "" for line in body.split("\n")) or not body


@given(st.text(max_size=900), st.integers(5, 200))
def test_passages_hold_all_of_a_text(text: str, limit: int) -> None:
    pieces = list(passages(text, limit))
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= limit for piece in pieces)


def picture(file: Path, color: str = "navy") -> None:
    Image.new("RGB", (8, 6), color).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    (root / "sub").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git" / "config.txt").write_text("hidden")
    (root / "a.md").write_text("# Towers\n\nHigh.")
    (root / "sub" / "b.html").write_text("<p>Ropes.")
    (root / "long.txt").write_text("A sentence of eight words is written here. " * 60)
    (root / "data.bin").write_bytes(b"\0")
    for name in ("with_txt.png", "with-json.png", "listed.jpg", "bare.webp", "sub/in_csv.bmp"):
        picture(root / name)
    (root / "with_txt.txt").write_text("A ship\nat sea")
    (root / "with-json.png.json").write_text('{"caption": "A mill", "title": "Mill", "date": "1841"}')
    (root / "captions.jsonl").write_text(
        lines({"file": "listed.jpg", "caption": "A crane", "url": "https://a.b/"})
    )
    (root / "sub" / "metadata.csv").write_text('file_name,text\nin_csv.bmp,"A ferry, old"\n')
    return root


def test_a_folder_of_texts_and_captioned_pictures(folder: Path) -> None:
    found = read(folder)
    texts = {name: one for name, one in found.items() if one.picture is None}
    assert [name for name in texts if not name.startswith("long")] == ["a.md#1", "sub/b.html#1"]
    assert (texts["a.md#1"].title, texts["a.md#1"].url) == ("Towers", "corpus:a.md")
    assert texts["sub/b.html#1"].title == "b"
    long = [one.body for name, one in texts.items() if name.startswith("long")]
    assert len(long) > 2
    assert max(map(len, long)) <= PASSAGE_CHARS
    pictures = {name: (one.title, one.body) for name, one in found.items() if one.picture is not None}
    assert pictures == {
        "with_txt.png": ("with txt", "A ship at sea"),
        "with-json.png": ("Mill", "A mill"),
        "listed.jpg": ("listed", "A crane"),
        "bare.webp": ("bare", ""),
        "sub/in_csv.bmp": ("in csv", "A ferry, old"),
    }
    assert found["listed.jpg"].url == "https://a.b/"
    assert found["with-json.png"].date == "1841"
    bare = found["bare.webp"].picture
    assert bare is not None
    assert bare.read() == (folder / "bare.webp").read_bytes()
    assert list(found) == list(read(folder))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("captions.jsonl", "{", "row 0: not a JSON object"),
        ("captions.jsonl", '{"caption": "a"}\n', "names no picture"),
        ("captions.jsonl", '{"file": "gone.png", "caption": "a"}\n', "'gone.png', which is not there"),
        ("captions.csv", "file,other\nbare.webp,x\n", "has no caption"),
        ("captions.jsonl", '{"file": "bare.webp", "caption": 7}\n', "is 7, which is no text"),
        ("bare.json", '["a"]', "a JSON list"),
    ],
)
def test_captions_that_cannot_be_used_are_named(name: str, text: str, says: str, folder: Path) -> None:
    (folder / name).write_text(text)
    message = refused(folder)
    assert str(folder / name) in message
    assert says in message


def test_a_table_of_captions_that_is_no_csv_is_named(folder: Path) -> None:
    before = csv.field_size_limit(100)
    try:
        (folder / "captions.csv").write_text(f"file,caption\nbare.webp,{'x' * 200}\n")
        message = refused(folder)
    finally:
        csv.field_size_limit(before)
    assert str(folder / "captions.csv") in message
    assert "cannot be read as CSV" in message


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    assert "no texts and no pictures" in refused(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    assert "a.txt" in refused(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datasets = pytest.importorskip("datasets")
    directory = tmp_path_factory.mktemp("hub")
    image = Image.new("RGB", (8, 6), "navy")
    rows = datasets.Dataset.from_dict(
        {
            "key": ["a", "b", "c"],
            "passage": ["Short.", "A sentence of eight words is written here. " * 30, "A flag."],
            "year": [1841, None, 1900],
            "picture": [None, None, image],
        }
    ).cast_column("picture", datasets.Image())
    rows.save_to_disk(str(directory / "plain"))
    datasets.DatasetDict({"test": rows}).save_to_disk(str(directory / "splits"))
    return Path(directory)


COLUMNS = Columns(text="passage", id="key", date="year", image="picture")


def test_a_hugging_face_data_set(saved: Path) -> None:
    found = read(saved / "plain", columns=COLUMNS)
    assert [name for name in found if not name.startswith("b")] == ["a", "c"]
    assert len([name for name in found if name.startswith("b#")]) > 1
    assert (found["a"].body, found["a"].date, found["a"].url) == ("Short.", "1841", "corpus:a")
    assert found["c"].picture is not None
    assert found["c"].picture.read().startswith(b"\x89PNG")
    assert list(read(saved / "splits", columns=COLUMNS, split="test")) == list(found)
    assert list(read(f"hf:{saved / 'plain'}", columns=Columns(text="key"))) == ["0", "1", "2"]


def test_a_data_set_that_cannot_be_used_is_named(saved: Path) -> None:
    assert "no column 'text' but key, passage" in refused(saved / "plain")
    assert "its splits are test" in refused(saved / "splits", columns=COLUMNS)
    assert "holds no pictures" in refused(saved / "plain", columns=Columns(text="key", image="passage"))
    assert "cannot be loaded" in refused(f"hf:{saved}/none")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"deepeyes-gym\[datasets\]"):
        open_corpus("hf:some/thing")
