"""What holds for every corpus, however its index came about, and for every query."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.corpora import Document
from deepeyes_env.search.local import LocalSearchEngine, Page
from deepeyes_env.search.local.cuts import Cuts, Entry, cut
from deepeyes_env.search.local.writer import update_index

CUTS = Cuts(one_in=3, least=3, most=12, chars=10_000)

words = st.sampled_from(["lamp", "rope", "harbour", "crane", "the", "Ærø", "40", "it's"])
texts = st.lists(words, max_size=6).map(" ".join)
names = st.sampled_from([f"d{number}" for number in range(40)])
corpora = st.dictionaries(names, st.tuples(texts, texts), min_size=1, max_size=16).map(
    lambda pages: [Document(name, title, name, body) for name, (title, body) in pages.items()]
)
anything = st.text(st.characters(), max_size=120)  # half surrogate pairs, too


@given(st.lists(corpora, min_size=2, max_size=3), texts, st.integers(1, 12))
@settings(max_examples=6)
def test_an_index_with_a_past_answers_like_a_new_one(
    versions: list[list[Document]], query: str, k: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for version in versions:
            update_index(Path(directory, "old"), version, cuts=CUTS)
        update_index(Path(directory, "new"), versions[-1], cuts=CUTS)
        old, new = (LocalSearchEngine.open(Path(directory, name)) for name in ("old", "new"))
        for asked in (query, "lamp rope crane 40"):
            assert old.search_text(asked, k) == new.search_text(asked, k)


@given(st.lists(names, unique=True), st.integers(1, 9), st.integers(1, 9))
def test_runs_hold_the_corpus_in_its_order_and_are_as_long_as_they_may_be(
    ids: list[str], least: int, most: int
) -> None:
    cuts = Cuts(one_in=2, least=least, most=most, chars=30)
    entries = [Entry(Document(name, "", "", "x" * len(name)), b"", None) for name in ids]
    runs: list[list[Entry]] = []
    for entry, begins in cut(entries, cuts):
        if begins:
            runs.append([])
        runs[-1].append(entry)
    assert [entry for run in runs for entry in run] == entries
    for run, (first, *_) in itertools.pairwise([*runs, [None]]):
        chars = sum(len(entry.document.body) for entry in run)
        assert chars <= 30
        assert len(run) <= most
        is_last = first is None
        assert is_last or len(run) >= min(least, most) or chars + len(first.document.body) > 30


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> LocalSearchEngine:
    directory = tmp_path_factory.mktemp("index")
    update_index(directory, [Document(str(n), f"Lamp {n}", "", "A rope and a crane.") for n in range(20)])
    return LocalSearchEngine.open(directory)


@given(anything, st.integers(-2, 30))
@settings(max_examples=200)
def test_no_query_raises(engine: LocalSearchEngine, query: str, k: int) -> None:
    response = engine.search_text(query, k)
    assert len(response.hits) <= max(k, 0)
    assert response.hits or response.error in (SearchErrorKind.NO_RESULTS, SearchErrorKind.BAD_REQUEST)
    assert [hit.rank for hit in response.hits] == list(range(1, len(response.hits) + 1))


@given(anything, anything)
@settings(max_examples=20)
def test_no_page_raises(title: str, body: str) -> None:
    memory = LocalSearchEngine([Page(title, "", body), Page("lamp", "", "rope")])
    assert memory.search_text("lamp").hits
    memory.search_text(body)
