"""Whatever a service sends, a hit is short, on one line, and leads to the web."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.caps import SNIPPET_CHARS, TITLE_CHARS, URL_CHARS
from deepeyes_env.search.live.failure import SearchFailure, checked, seconds_to_wait
from deepeyes_env.search.live.hits import (
    DATE_CHARS,
    hits_of,
    text_of,
    web_address,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
addresses = st.sampled_from(
    ["https://a.example/", "https://b.example/?q=1", "javascript:alert(1)", "data:,x"]
)
items = st.fixed_dictionaries(
    {}, optional={"title": anything, "link": anything | addresses, "snippet": anything, "date": anything}
)


@given(anything | st.lists(items | anything, max_size=6), st.integers(1, 4))
def test_hits_of_anything_are_well_formed_or_a_failure(reply: Any, k: int) -> None:
    try:
        hits = hits_of(reply, k)
    except SearchFailure as failure:
        kind = failure.kind
    else:
        kind = SearchErrorKind.UNAVAILABLE
        assert len(hits) <= k
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert len({hit.url for hit in hits}) == len(hits)
        for hit in hits:
            assert hit.url.startswith(("http://", "https://"))
            for text in (hit.title, hit.url, hit.snippet, hit.date or ""):
                text.encode()
                assert text.splitlines() in ([text], [])
    assert kind == SearchErrorKind.UNAVAILABLE


def test_long_texts_are_cut() -> None:
    item = dict.fromkeys(("title", "snippet", "date"), "x " * 10000) | {"link": "https://a.example/"}
    hit = hits_of([item], 1)[0]
    assert (len(hit.title), len(hit.snippet), len(hit.date or "")) == (TITLE_CHARS, SNIPPET_CHARS, DATE_CHARS)


def test_an_address_that_is_too_long_is_none() -> None:
    assert web_address("https://a.example/" + "x" * URL_CHARS) == ""
    assert (
        len(hits_of([{"link": "https://a.example/" + "x" * URL_CHARS}, {"link": "https://b.example"}], 5))
        == 1
    )


def test_numbers_are_written_out_and_the_rest_is_empty() -> None:
    assert [text_of(value, 9) for value in (7, 1.5, None, True, [], {}, " a\n b ")] == [
        "7",
        "1.5",
        "",
        "",
        "",
        "",
        "a b",
    ]


def test_the_first_of_two_hits_on_a_page_counts() -> None:
    found = [("1", "a"), ("2", "b"), ("3", "a")]
    twice = [{"title": title, "link": f"https://{host}.example/"} for title, host in found]
    assert [hit.title for hit in hits_of(twice, 5)] == ["1", "2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "nan",
        "inf",
        "Tue, 99 Foo 2020",
        "1e999",
        "\ud800",
        "12 monkeys",
        "Mon, 01 Jan 2026 00:00:00 +999999999999999999",
    ],
)
def test_a_nonsensical_wait_is_none(text: str) -> None:
    assert seconds_to_wait(text) is None


@given(st.text(max_size=40))
def test_no_wait_is_negative_or_an_error(text: str) -> None:
    wait = seconds_to_wait(text)
    assert wait is None or wait >= 0


def test_a_wait_in_the_past_is_over() -> None:
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_to_wait("-5") == 0
    assert seconds_to_wait("Mon, 01 Jan 0001 00:00:00 +2359") == 0


def test_a_wait_to_the_end_of_time_is_long() -> None:
    wait = seconds_to_wait("Fri, 31 Dec 9999 23:59:59 -2359")
    assert wait is not None
    assert wait > 1e10


def test_a_number_or_no_header_is_read() -> None:
    assert seconds_to_wait("1.5") == 1.5
    assert seconds_to_wait(None) is None


@given(st.text(max_size=80))
def test_a_query_can_be_sent_or_is_refused(query: str) -> None:
    try:
        checked(query, 1).encode()
    except SearchFailure as failure:
        assert failure.kind == SearchErrorKind.BAD_REQUEST  # noqa: PT017
