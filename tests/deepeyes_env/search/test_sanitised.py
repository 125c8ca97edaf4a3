"""Caps hold and text is harmless, whatever an engine gives."""

import unicodedata
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_engines import ScriptedEngine, failed
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import neutralise
from deepeyes_env.search.base import Hit, SearchErrorKind, SearchResponse
from deepeyes_env.search.wrappers.sanitised import MAX_CHARS, MAX_THUMBNAIL_BYTES, Sanitised
from deepeyes_env.testing import CONTROL_TEXTS, hostile_texts

PICTURE = EncodedImage.from_pil(Image.new("RGB", (30, 40), "navy"))
LONG = st.builds(lambda text, times: text * times, hostile_texts(), st.sampled_from([1, 1, 100, 800]))
HITS = st.builds(
    Hit,
    rank=st.integers(-5, 5),
    title=LONG,
    url=LONG,
    snippet=LONG,
    date=st.none() | LONG,
    thumbnail=st.none() | st.just(PICTURE),
    doc_id=LONG,
)


def sanitised(*hits: Hit, k: int = 10) -> tuple[Hit, ...]:
    return Sanitised(ScriptedEngine(SearchResponse(hits))).search_text("x", k).hits


def _texts(hit: Hit) -> list[str]:
    return [text for field in fields(Hit) if isinstance(text := getattr(hit, field.name), str)]


@given(st.lists(HITS, max_size=14), st.integers(1, 20))
def test_caps_hold_for_any_hits(hits: list[Hit], k: int) -> None:
    clean = sanitised(*hits, k=k)
    assert len(clean) <= min(k, 10)
    assert bool(clean) == bool(hits)
    assert [hit.rank for hit in clean] == list(range(1, len(clean) + 1))
    assert sum(len(text) for hit in clean for text in _texts(hit)) <= MAX_CHARS
    for hit in clean:
        assert len(hit.title) <= 300
        assert len(hit.url) <= 2_000
        assert len(hit.snippet) <= 2_000
        assert len(hit.date or "") <= 300
        assert all("\n" not in text for text in (hit.title, hit.url, hit.date or "", hit.doc_id))


@given(HITS)
def test_no_text_has_power_or_hides_anything(hit: Hit) -> None:
    for text in _texts(sanitised(hit)[0]):
        text.encode("utf-8")
        for form in (text, unicodedata.normalize("NFC", text)):
            assert "<|" not in form
            assert neutralise(form) == form
        assert not {unicodedata.category(char) for char in text} & {"Cs"}
        assert not {char for char in text if unicodedata.category(char) == "Cc"} - {"\t", "\n"}


@given(HITS)
def test_it_is_done_after_once(hit: Hit) -> None:
    once = sanitised(hit)
    assert sanitised(*once) == once


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\x00",
        "\u202e",
        "\ufeff",
        "\U000e0041",
        "\u2060",
        "\ud800",
        "\xad",
        "\u061c",
        "\u180e",
        "\U000e0100",
    ],
)
def test_what_is_hidden_cannot_keep_a_tag_apart(hidden: str) -> None:
    for tag in CONTROL_TEXTS:
        hit = Hit(1, hidden.join(tag), hidden.join(tag), hidden.join(tag))
        for text in _texts(sanitised(hit)[0]):
            assert hidden not in text
            assert neutralise(text) == text


def test_ordinary_text_stays_as_it_is() -> None:
    hit = Hit(
        1, "می\u200cخواهم · हिन्दी · 家族 👨\u200d👩\u200d👧", "https://example.org/a?b=c%20d&e=<f>#g",
        "first line\n\nsecond\tline: x < y | z", "3 May 2021", PICTURE, "doc-1", 0.5,
    )  # fmt: skip
    assert sanitised(hit) == (hit,)


def test_a_title_cannot_pass_for_another_hit() -> None:
    hit = Hit(1, "a title](x)\n\n2. [another", "https://a\n\n2. [b](c)", "s")
    clean = sanitised(hit)[0]
    assert (clean.title, clean.url) == ("a title](x) 2. [another", "https://a 2. [b](c)")


def test_a_heavy_thumbnail_is_left_out() -> None:
    heavy = replace(PICTURE, data=bytes(MAX_THUMBNAIL_BYTES + 1))
    just = replace(PICTURE, data=bytes(MAX_THUMBNAIL_BYTES))
    clean = sanitised(Hit(1, "a", "b", thumbnail=heavy), Hit(2, "c", "d", thumbnail=just))
    assert [hit.thumbnail for hit in clean] == [None, just]


def test_all_else_of_a_response_passes() -> None:
    response = failed(SearchErrorKind.TIMEOUT, backend="b", cost=0.5, retry_after=3.0)
    assert Sanitised(ScriptedEngine(response)).search_text("x") == response
