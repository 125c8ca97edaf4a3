"""An index directory is a function of the corpus: however it came about, and whoever reads it."""

import gc
import io
import json
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import SearchEngine, SearchErrorKind
from deepeyes_env.search.corpora import Document, Picture
from deepeyes_env.search.local import LocalSearchEngine, writer
from deepeyes_env.search.local.cuts import Cuts
from deepeyes_env.search.local.draft import Draft
from deepeyes_env.search.local.stored import Segment, StoredPages, read_contents
from deepeyes_env.search.local.text import SegmentWriter
from deepeyes_env.search.local.writer import FINISHERS, PICTURE_SIDE, Update, update_index
from deepeyes_env.tasks.dataset_error import DatasetError

CUTS = Cuts(one_in=8, least=15, most=40, chars=10_000)
WORDS = ["lamp", "rope", "harbour", "crane", "tower", "river", "bridge", "mill", "ferry", "beacon"]
QUERIES = [*WORDS, "lamp of the harbour", "mill bridge 17", "nothing", "page ferry rope lamp"]


def document(number: int, text: str = "") -> Document:
    words = f"{WORDS[number % 10]} {WORDS[number * 7 % 9]} page {number % 5}"
    return Document(f"d{number}", words.title(), f"corpus:d{number}", f"{words} {text}", "2020-01-02")


DOCUMENTS = [document(number) for number in range(100)]


def index(directory: Path, documents: Iterable[Document] = DOCUMENTS) -> Update:
    return update_index(directory, documents, cuts=CUTS)


def answers(directory: Path) -> list[object]:
    engine = LocalSearchEngine.open(directory)
    return [engine.search_text(query, 12) for query in QUERIES]


def files(directory: Path) -> dict[str, bytes]:
    paths = [path for path in (directory / "text").iterdir() if path.name != "meta.json"]
    return {path.name: path.read_bytes() for path in paths}


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def encoded(color: str, size: tuple[int, int] = (80, 60), kind: str = "PNG") -> bytes:
    image = Image.new("RGB", size, color)
    ImageDraw.Draw(image).ellipse((5, 5, size[0] // 2, size[1] // 3), fill="white")
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_a_hit_carries_all_that_the_corpus_says(tmp_path: Path) -> None:
    index(tmp_path, [document(0), Document("x", "Ærøhaven", "https://a.example/b", "A café.", None)])
    engine = LocalSearchEngine.open(tmp_path)
    assert isinstance(engine, SearchEngine)
    response = engine.search_text("cafe")
    (hit,) = response.hits
    assert response.backend == "local"
    assert (hit.doc_id, hit.title, hit.url, hit.snippet, hit.date) == (
        "x",
        "Ærøhaven",
        "https://a.example/b",
        "A café.",
        None,
    )
    assert hit.score > 0
    assert engine.search_text("lamp").hits[0].date == "2020-01-02"
    assert engine.search_text("zeppelin").error is SearchErrorKind.NO_RESULTS


def test_disk_and_memory_give_the_same_pages(tmp_path: Path) -> None:
    index(tmp_path)
    pages = StoredPages(tmp_path)
    assert [page.id for page in pages] == [one.id for one in DOCUMENTS]
    assert len(pages.contents.segments) > 2
    in_memory = LocalSearchEngine(list(pages))
    for query in QUERIES:
        stored = LocalSearchEngine.open(tmp_path).search_text(query, 12)
        assert [(hit.doc_id, hit.snippet) for hit in stored.hits] == [
            (hit.doc_id, hit.snippet) for hit in in_memory.search_text(query, 12).hits
        ]


def test_two_builds_are_the_same_files(tmp_path: Path) -> None:
    index(tmp_path / "a")
    index(tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert answers(tmp_path / "a") == answers(tmp_path / "b")


def test_ties_are_broken_by_place_over_segments(tmp_path: Path) -> None:
    index(tmp_path, [Document(str(number), "same", "", "words") for number in range(60)])
    hits = LocalSearchEngine.open(tmp_path).search_text("words", 30).hits
    assert [hit.doc_id for hit in hits] == [str(number) for number in range(30)]


CHANGES = {
    "appended": [*DOCUMENTS, *(document(number) for number in range(100, 131))],
    "changed": [*DOCUMENTS[:50], document(50, "a zeppelin over the mill"), *DOCUMENTS[51:]],
    "removed": [*DOCUMENTS[:30], *DOCUMENTS[33:]],
    "inserted": [*DOCUMENTS[:30], document(777), *DOCUMENTS[30:]],
    "reversed": DOCUMENTS[::-1],
    "one": DOCUMENTS[:1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_updated_index_is_one_that_was_made_at_once(change: str, tmp_path: Path) -> None:
    index(tmp_path / "updated")
    update = index(tmp_path / "updated", CHANGES[change])
    index(tmp_path / "new", CHANGES[change])
    assert answers(tmp_path / "updated") == answers(tmp_path / "new")
    assert files(tmp_path / "updated").items() >= files(tmp_path / "new").items()
    assert update.contents == read_contents(tmp_path / "new")
    if change in ("appended", "changed", "removed", "inserted"):
        assert 0 < update.written < 80


def test_nothing_is_written_when_nothing_has_changed(tmp_path: Path) -> None:
    index(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "lock"}
    assert index(tmp_path).written == 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "lock"}


def broken_off(documents: list[Document], after: int) -> Iterator[Document]:
    yield from documents[:after]
    raise KeyboardInterrupt


def test_an_interrupted_first_run_can_be_searched_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        index(tmp_path, broken_off(DOCUMENTS, 70))
    contents = read_contents(tmp_path)
    assert not contents.complete
    assert 20 < contents.documents <= 70
    assert len(StoredPages(tmp_path)) == contents.documents
    update = index(tmp_path)
    assert update.contents.complete
    assert update.written <= 100 - contents.documents
    index(tmp_path / "new")
    assert answers(tmp_path) == answers(tmp_path / "new")


def test_an_interrupt_while_a_segment_is_waited_for_leaves_no_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Draft.finish
    interrupts = iter([True])

    def finish_late(draft: Draft) -> tuple[Segment, bool]:
        if next(interrupts, False):
            time.sleep(0.3)  # the corpus is read on as far as it may be; then this segment is waited for
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.1)
        return finish(draft)

    monkeypatch.setattr(Draft, "finish", finish_late)
    with pytest.raises(KeyboardInterrupt):
        index(tmp_path / "i")
    listed = read_contents(tmp_path / "i").segments
    assert len(listed) == FINISHERS + 1
    index(tmp_path / "new")
    assert listed == read_contents(tmp_path / "new").segments[: len(listed)]


def unfinishable(directory: Path, place: int, corpus: Path) -> None:
    """Make a segment that cannot be finished: a directory lies where a file of it belongs."""
    digest = read_contents(corpus).segments[place].digest
    (directory / "text" / f"{digest}.store").mkdir(parents=True)


def test_a_segment_that_cannot_be_finished_leaves_no_hole(tmp_path: Path) -> None:
    index(tmp_path / "new")
    unfinishable(tmp_path / "i", 1, tmp_path / "new")
    with pytest.raises(DatasetError, match="Is a directory"):
        index(tmp_path / "i")
    segments = read_contents(tmp_path / "new").segments
    assert read_contents(tmp_path / "i").segments == segments[:1]
    assert {f"{one.digest}.store" for one in segments[:3]} <= files_in(tmp_path / "i" / "text")


def test_the_first_of_two_failures_is_told(tmp_path: Path) -> None:
    index(tmp_path / "new")
    segments = read_contents(tmp_path / "new").segments
    unfinishable(tmp_path / "i", 1, tmp_path / "new")
    with pytest.raises(KeyboardInterrupt):
        index(tmp_path / "i", broken_off(DOCUMENTS, sum(one.documents for one in segments[:2]) + 1))
    assert read_contents(tmp_path / "i").segments == segments[:1]


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("fault", ["the corpus", "a segment", "an interrupt"])
def test_nothing_half_made_is_left(fault: str, tmp_path: Path) -> None:
    index(tmp_path / "new")
    if fault == "a segment":
        unfinishable(tmp_path / "i", 1, tmp_path / "new")
    documents = {
        "the corpus": [*DOCUMENTS, DOCUMENTS[0]],
        "a segment": DOCUMENTS,
        "an interrupt": broken_off(DOCUMENTS, 99),
    }
    with suppress(DatasetError, KeyboardInterrupt):
        index(tmp_path / "i", documents[fault])
    assert not any(isinstance(one, SegmentWriter) for one in gc.get_objects())  # they hold threads and memory
    assert files_in(tmp_path / "i") == {"lock", "text"}


def test_an_interrupted_update_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    index(tmp_path)
    before = answers(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        index(tmp_path, broken_off(CHANGES["changed"], 80))
    assert answers(tmp_path) == before
    index(tmp_path, CHANGES["changed"])
    assert answers(tmp_path) != before


def test_a_killed_process_leaves_a_usable_index(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from test_index_directory import CUTS, DOCUMENTS
from deepeyes_env.search.local import writer
writer.update_index(
    Path(sys.argv[1]), (d if d.id != "d90" else os.kill(os.getpid(), signal.SIGKILL) for d in DOCUMENTS),
    cuts=CUTS)
"""
    path = f"{pytestconfig.rootpath}:{Path(__file__).parent}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "i")], env={"PYTHONPATH": path}, check=False
    )
    assert done.returncode == -9
    assert len(StoredPages(tmp_path / "i")) > 20
    index(tmp_path / "i")
    index(tmp_path / "new")
    assert answers(tmp_path / "i") == answers(tmp_path / "new")


def test_an_open_engine_keeps_its_version(tmp_path: Path) -> None:
    index(tmp_path)
    engine = LocalSearchEngine.open(tmp_path)
    before = [engine.search_text(query) for query in QUERIES]
    for change in ("reversed", "one", "appended"):
        index(tmp_path, CHANGES[change])
    assert [engine.search_text(query) for query in QUERIES] == before
    assert pickle.loads(pickle.dumps(engine)).search_text("lamp") != before[0]


def test_a_copy_of_an_engine_is_named_after_what_it_searches(tmp_path: Path) -> None:
    index(tmp_path)
    engine = LocalSearchEngine.open(tmp_path)
    before = engine.identity
    pickled = pickle.dumps(engine)
    index(tmp_path, CHANGES["appended"])
    assert engine.identity == before
    assert pickle.loads(pickled).identity == read_contents(tmp_path).digest != before


def test_reading_writes_nothing_into_the_directory(tmp_path: Path) -> None:
    index(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    answers(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("*.store", None),
        ("*.term", None),
        ("*.segment.json", None),
        ("*.segment.json", ""),
        ("*.segment.json", "{}"),
        ("*.segment.json", "[1]"),
        ("*.segment.json", '{"documents": 1, "pictures": [5]}'),
    ],
)
def test_what_is_damaged_is_written_anew(name: str, content: str | None, tmp_path: Path) -> None:
    index(tmp_path)
    whole, before = files(tmp_path), answers(tmp_path)
    hurt = max((tmp_path / "text").glob(name))
    if content is None:
        hurt.unlink()
    else:
        hurt.write_text(content)
    with pytest.raises(DatasetError, match=r"cannot be opened \(.*delete the directory and index again"):
        LocalSearchEngine.open(tmp_path)
    update = index(tmp_path)
    assert 0 < update.written < 100
    assert files(tmp_path) == whole
    assert answers(tmp_path) == before


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"payload": "{}"}'])
def test_a_list_of_segments_that_may_be_another_programs_is_left_alone(content: str, tmp_path: Path) -> None:
    index(tmp_path)
    meta = tmp_path / "text" / "meta.json"
    meta.write_text(content)
    assert "delete the directory and index again" in refused(tmp_path)
    assert meta.read_text() == content


def test_a_list_without_segments_is_written_anew(tmp_path: Path) -> None:
    index(tmp_path)
    before = answers(tmp_path)
    (tmp_path / "text" / "meta.json").write_text(r'{"payload": "{\"deepeyes\": 1}"}')
    with pytest.raises(DatasetError, match="cannot be opened"):
        read_contents(tmp_path)
    assert index(tmp_path).written == 0
    assert answers(tmp_path) == before


def test_files_that_nobody_needs_go_away(tmp_path: Path) -> None:
    index(tmp_path)
    for _ in range(2):
        index(tmp_path, DOCUMENTS[:3])
    assert len(list(tmp_path.glob("text/*.store"))) == 1


def test_many_threads_and_another_process_get_the_same_lists(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    index(tmp_path)
    engine = LocalSearchEngine.open(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: engine.search_text("lamp page rope", 9), range(32)))
    assert all(found == lists[0] for found in lists)
    program = f"""
from deepeyes_env.search.local import LocalSearchEngine
import json
hits = LocalSearchEngine.open({str(tmp_path)!r}).search_text("lamp page rope", 9).hits
print(json.dumps([[hit.doc_id, hit.score] for hit in hits]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(pytestconfig.rootpath), "PYTHONHASHSEED": "5"},
    )
    assert json.loads(done.stdout) == [[hit.doc_id, hit.score] for hit in lists[0].hits]


def test_half_a_surrogate_pair_is_no_error(tmp_path: Path) -> None:
    index(tmp_path, [Document("\ud800", "t\udfff", "u", "b\ud83d lamp")])
    (hit,) = LocalSearchEngine.open(tmp_path).search_text("lamp \ud800").hits
    assert hit.snippet == "b? lamp"


def test_pictures_are_kept_once_bounded_and_found(tmp_path: Path) -> None:
    small, large = encoded("navy"), encoded("darkred", (1500, 900))
    pictures = {"a": small, "b": large, "again": small}
    documents = [
        *DOCUMENTS[:30],
        *(
            Document(name, name, f"corpus:{name}", "A flag.", picture=Picture(name, lambda data=data: data))
            for name, data in pictures.items()
        ),
    ]
    assert index(tmp_path, documents).contents.pictures == 3
    kept = list(tmp_path.glob("pictures/*/*"))
    assert len(kept) == 2
    pages = {page.id: page for page in StoredPages(tmp_path)}
    assert pages["a"].picture is not None
    assert pages["a"].picture().data == small
    assert pages["b"].picture is not None
    assert pages["b"].picture().width == PICTURE_SIDE
    engine = LocalSearchEngine.open(tmp_path)
    hit = engine.search_image(Image.open(io.BytesIO(large))).hits[0]
    assert (hit.doc_id, hit.url) == ("b", "corpus:b")
    assert hit.thumbnail == pages["b"].picture()
    for _ in range(2):
        index(tmp_path, DOCUMENTS[:30])
    assert not list(tmp_path.glob("pictures/*/*"))


def test_a_picture_that_an_update_removed_is_named_by_an_engine_that_was_open(tmp_path: Path) -> None:
    data = EncodedImage.from_pil(Image.new("RGB", (40, 30), "teal")).data
    index(tmp_path, [Document("a", "a", "", "A flag.", picture=Picture("a", lambda: data))])
    engine = LocalSearchEngine.open(tmp_path)
    (picture,) = tmp_path.glob("pictures/*/*")
    picture.write_bytes(b"half a pict")
    with pytest.raises(DatasetError, match="a picture of the index cannot be read"):
        engine.search_image(Image.new("RGB", (9, 9)))
    picture.unlink()
    with pytest.raises(DatasetError, match="open it again"):
        engine.search_image(Image.new("RGB", (9, 9)))


def test_a_title_can_count_less(tmp_path: Path) -> None:
    index(
        tmp_path, [Document("title", "beacon", "", "x y"), Document("body", "z", "", "beacon beacon beacon")]
    )
    first = [
        LocalSearchEngine.open(tmp_path, boost).search_text("beacon").hits[0].doc_id for boost in (5.0, 0.1)
    ]
    assert first == ["title", "body"]


def refused(directory: Path, documents: Iterable[Document] = DOCUMENTS) -> str:
    with pytest.raises(DatasetError) as error:
        index(directory, documents)
    return str(error.value)


def test_what_cannot_be_indexed_is_named(tmp_path: Path) -> None:
    twice = [
        Document("a", "", "", "", file="f.jsonl", row=0),
        Document("a", "", "", "", file="f.jsonl", row=7),
    ]
    message = refused(tmp_path / "i", twice)
    assert "f.jsonl" in message
    assert "row 7" in message
    assert "'a' is there already" in message
    assert "no documents" in refused(tmp_path / "j", [])
    picture = Picture("photo.png", lambda: b"no picture")
    assert "photo.png" in refused(tmp_path / "k", [Document("a", "", "", "", picture=picture)])
    gone = Picture("gone.png", (tmp_path / "gone.png").read_bytes)
    message = refused(tmp_path / "l", [Document("a", "", "", "", picture=gone)])
    assert "gone.png" in message
    assert "cannot be read" in message
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.tex").touch()
    assert "not empty" in refused(tmp_path / "used")


@pytest.mark.parametrize(
    ("documents", "most_bytes"),
    [
        pytest.param(60_000, 500_000, id="while documents are added"),
        pytest.param(300, 5_000, id="when the segment is finished"),
        pytest.param(300, 0, id="at once"),
    ],
)
def test_a_disk_without_room_is_named(
    documents: int, most_bytes: int, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    lines = (json.dumps({"id": str(i), "contents": f"{i * i * i * i}\n{i**7}"}) for i in range(documents))
    corpus.write_text("\n".join(lines))
    program = """
import resource, sys
from deepeyes_env.search.local.writer import update_index
from deepeyes_env.search.command import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
main(["index", *sys.argv[1:3]])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(corpus), f"--output={tmp_path / 'i'}", str(most_bytes)],
        capture_output=True,
        check=False,
        text=True,
        env={"PYTHONPATH": str(pytestconfig.rootpath)},
    )
    last = done.stderr.splitlines()[-1]
    assert "DatasetError" in last
    assert f"{tmp_path / 'i'}': cannot be written" in last
    assert "File too large" in last
    assert "make room" in last
    assert files_in(tmp_path / "i") == {"lock", "text"}


def test_two_writers_at_once_are_one_too_many(tmp_path: Path) -> None:
    with writer._locked(tmp_path / "i"):
        assert "another process" in refused(tmp_path / "i")


def test_what_is_no_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not an index"):
        LocalSearchEngine.open(tmp_path)
    index(tmp_path / "i")
    meta = tmp_path / "i" / "text" / "meta.json"
    text = meta.read_text()
    meta.write_text(text.replace(r"\"deepeyes\": 1", r"\"deepeyes\": 99"))
    with pytest.raises(DatasetError, match=r"version 99.*delete the directory"):
        LocalSearchEngine.open(tmp_path / "i")
    meta.write_text("{")
    with pytest.raises(DatasetError, match="cannot be opened"):
        LocalSearchEngine.open(tmp_path / "i")
    meta.write_text(text.replace(r"\"deepeyes\": 1", r"\"deepeyes\": 99"))
    assert "version 99" in refused(tmp_path / "i")
    meta.write_text(text)
    next((tmp_path / "i" / "text").glob("*.store")).unlink()
    with pytest.raises(DatasetError, match="cannot be opened"):
        LocalSearchEngine.open(tmp_path / "i")
