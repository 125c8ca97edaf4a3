"""The file of a recording: what goes in comes out, and what is no recording is said to be none."""

import contextlib
import dataclasses
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import Hit, SearchErrorKind, SearchResponse
from deepeyes_env.search.recording.database import Database
from deepeyes_env.search.recording.store import RecordingStore
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.testing import encoded_images, hostile_texts

PICTURE = EncodedImage.from_pil(Image.new("RGB", (30, 40), "navy"))
ANSWER = SearchResponse((Hit(1, "a title", "https://example.org", thumbnail=PICTURE),), backend="x", cost=0.5)
OTHER = SearchResponse(error=SearchErrorKind.NO_RESULTS, detail="nothing")

HITS = st.builds(
    Hit,
    rank=st.integers(1, 9),
    title=hostile_texts(),
    url=hostile_texts(),
    snippet=hostile_texts(),
    date=st.none() | hostile_texts(),
    thumbnail=st.none() | encoded_images(),
    doc_id=hostile_texts(),
    score=st.floats(allow_nan=False),
)
RESPONSES = st.builds(
    SearchResponse,
    hits=st.lists(HITS, max_size=4).map(tuple),
    error=st.none() | st.sampled_from(SearchErrorKind),
    detail=hostile_texts(),
    backend=hostile_texts(),
    cost=st.floats(0, 10),
    recorded=st.booleans(),
    retry_after=st.none() | st.floats(0, 100),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> RecordingStore:
    return RecordingStore(tmp_path_factory.mktemp("store") / "r.sqlite")


@settings(max_examples=60)
@given(RESPONSES)
def test_any_response_comes_back_as_it_was(shared: RecordingStore, response: SearchResponse) -> None:
    assert shared.put("key", "{}", response, replace=True) == response
    assert shared.get("key") == response
    assert RecordingStore(shared.database.path, writable=False).get("key") == response


def test_the_first_answer_stays_unless_it_is_replaced(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    assert store.get("key") is None
    assert store.put("key", "{}", ANSWER, replace=False) == ANSWER
    assert store.put("key", "{}", OTHER, replace=False) == ANSWER
    assert store.get("key") == ANSWER
    assert store.put("key", "{}", OTHER, replace=True) == OTHER
    assert (store.get("key"), len(store)) == (OTHER, 1)


def test_a_thumbnail_is_stored_once(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    for key in "abc":
        store.put(key, "{}", ANSWER, replace=False)
    with sqlite3.connect(tmp_path / "r.sqlite") as connection:
        assert connection.execute("SELECT sha256, data FROM thumbnails").fetchall() == [
            (PICTURE.sha256, PICTURE.data)
        ]


def test_nothing_but_the_recording_is_left_in_the_folder(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "new" / "r.sqlite")
    store.put("key", "{}", ANSWER, replace=False)
    assert {path.name for path in (tmp_path / "new").iterdir()} <= {
        "r.sqlite",
        "r.sqlite-wal",
        "r.sqlite-shm",
    }


def test_a_forked_process_has_connections_of_its_own(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    store.put("before", "{}", ANSWER, replace=False)
    child = os.fork()
    if child == 0:
        right = store.get("before") == ANSWER and store.put("child", "{}", OTHER, replace=False) == OTHER
        os._exit(0 if right else 1)
    store.put("parent", "{}", OTHER, replace=False)
    assert os.waitpid(child, 0)[1] == 0
    assert [store.get(key) for key in ("before", "child", "parent")] == [ANSWER, OTHER, OTHER]


def _text(path: Path) -> None:
    path.write_text("This is no database. " * 100)


def _foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE answers (question, answer)")


def _newer(path: Path) -> None:
    RecordingStore(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        _empty_the_log(connection)


def _empty_the_log(connection: sqlite3.Connection) -> None:
    """Else the last connection does when the garbage collector closes it, and changes the file then."""
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


def _cut(path: Path) -> None:
    store = RecordingStore(path)
    for number in range(200):
        store.put(str(number), "{}", ANSWER, replace=False)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        _empty_the_log(connection)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_text, "not a database"),
        (_foreign, "no recording of searches"),
        (_newer, "format 99, not 1"),
        (_cut, "malformed"),
        (_folder, "this is a folder"),
        (Path.touch, "no recording of searches"),
    ],
)
def test_what_is_no_recording_is_refused_and_kept(tmp_path: Path, make, words: str, writable: bool) -> None:
    path = tmp_path / "r.sqlite"
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(DatasetError, match=words) as caught:
        RecordingStore(path, writable=writable).get("1")
    assert str(path) in str(caught.value)
    assert before is None or path.read_bytes() == before


def test_a_missing_recording_is_not_begun_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such recording"):
        RecordingStore(tmp_path / "r.sqlite", writable=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE thumbnails SET data = x'00'", "missing or altered"),
        ("DELETE FROM thumbnails", "missing or altered"),
        ("UPDATE answers SET response = '{}'", "no recorded response"),
        ("UPDATE answers SET response = '[1]'", "no recorded response"),
        ("UPDATE answers SET response = 'nonsense'", "damaged"),
        ("UPDATE answers SET response = replace(response, 'rank', 'rang')", "no recorded response"),
        ('UPDATE answers SET response = replace(response, \'"error":null\', \'"error":"bad"\')', "damaged"),
    ],
)
def test_altered_content_is_noticed(tmp_path: Path, statement: str, words: str) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    store.put("key", "{}", ANSWER, replace=False)
    with sqlite3.connect(tmp_path / "r.sqlite") as connection:
        assert connection.execute(statement).rowcount == 1
    with pytest.raises(DatasetError, match=words):
        store.get("key")


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    broken = dataclasses.replace(PICTURE, data=object())  # type: ignore[arg-type]
    with pytest.raises(DatasetError):
        store.put("key", "{}", SearchResponse((Hit(1, "", "", thumbnail=broken),)), replace=False)
    assert store.get("key") is None


def test_many_open_a_new_recording_at_once(tmp_path: Path) -> None:
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            try:
                Database(tmp_path / "r.sqlite", writable=True)
                RecordingStore(tmp_path / "r.sqlite").put(str(number), "{}", OTHER, replace=False)
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert len(RecordingStore(tmp_path / "r.sqlite", writable=False)) == 6


def test_answers_in_the_log_of_a_folder_that_cannot_be_written_are_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    store.put("key", "{}", SearchResponse(), replace=False)
    assert (tmp_path / "r.sqlite-wal").stat().st_size
    monkeypatch.setattr(os, "access", lambda *args: False)  # the superuser may write everywhere
    with pytest.raises(DatasetError, match="copy both elsewhere"):
        RecordingStore(tmp_path / "r.sqlite", writable=False)
