from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from deepeyes_env.search.local.page import Page
from deepeyes_env.search.local.snippet import ELLIPSIS, focus
from deepeyes_env.search.local.text import TextIndex, english


def page(title: str, body: str) -> Page:
    return Page(title, f"https://corpus.example/{title}", body)


PAGES = [
    page("Corvane Lamps", "Corvane Lamps was a maker of oil lamps. It was founded in 1841 by Ida Holby."),
    page("Corvane Ropeworks", "Corvane Ropeworks was a maker of ropes. It was founded in 1799."),
    page("Ærøhaven", "A harbour town with a café. Its lighthouse is 40 m high."),
    *[page(f"Filler {i}", "Nothing of note is said on this page at all.") for i in range(30)],
]
INDEX = TextIndex(PAGES)


def titles(query: str, k: int = 5) -> list[str]:
    return [found.page.title for found in INDEX.search(query, k)]


def test_a_name_finds_its_page_before_its_near_duplicate() -> None:
    assert titles("When was Corvane Lamps founded?")[:2] == ["Corvane Lamps", "Corvane Ropeworks"]


def test_words_are_stemmed_and_accents_folded() -> None:
    assert titles("cafe aerohaven")[0] == "Ærøhaven"
    assert titles("founding of ropework")[0] == "Corvane Ropeworks"


def test_stop_words_alone_find_nothing() -> None:
    assert INDEX.search("what is the of in was", 5) == []


def test_ties_are_broken_by_place() -> None:
    assert titles("note page", 12) == [f"Filler {i}" for i in range(12)]


def test_a_second_build_gives_the_same_lists() -> None:
    other = TextIndex(PAGES)
    for query in ("founded", "page", "maker of lamps", "corvane"):
        assert other.search(query, 9) == INDEX.search(query, 9)


def test_many_threads_get_the_same_lists() -> None:
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: INDEX.search("corvane page founded", 9), range(64)))
    assert all(found == lists[0] for found in lists)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_query_is_an_error(query: str) -> None:
    assert len(INDEX.search(query, 4)) <= 4


def test_syntax_of_query_languages_is_only_words() -> None:
    for query in ('title: "corvane', "AND corvane", "corvane [", "it's corvane", "corvane^ -lamps)"):
        assert "Corvane Lamps" in titles(query)


def test_a_short_page_is_shown_whole() -> None:
    assert INDEX.search("lighthouse", 1)[0].snippet == PAGES[2].body


TEXT = " ".join(f"Sentence number {i} speaks of nothing." for i in range(40)) + " The key is under the mat."


def test_a_snippet_shows_where_the_words_are() -> None:
    analyzer = english()
    snippet = focus(TEXT, {"key", "mat"}, analyzer.analyze, 120)
    assert snippet.startswith(ELLIPSIS)
    assert snippet.endswith("The key is under the mat.")


@given(st.text(max_size=900), st.integers(20, 300), st.sets(st.text("abcde", min_size=1, max_size=2)))
@settings(max_examples=150, deadline=None)
def test_a_snippet_never_exceeds_its_limit(text: str, limit: int, terms: set[str]) -> None:
    assert len(focus(text, terms, english().analyze, limit)) <= limit
