"""Two requests share a key exactly when they are the same request."""

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.normal_form import normal_form
from deepeyes_env.search.recording.key import Origin, canonical, key_of
from deepeyes_env.search.request import ImageRequest, Request, TextRequest

ORIGINS = st.builds(
    Origin,
    backend=st.sampled_from(["a", "b"]),
    version=st.sampled_from(["", "1"]),
    locale=st.sampled_from(["", "de"]),
)
QUERIES = st.text(max_size=6) | st.text(st.sampled_from(" aAåÅÅßſsSKk\t\n\u3000ﬁ1²<"), max_size=5)
PICTURES = st.builds(
    lambda size, colour: Image.new("RGB", size, colour),
    st.sampled_from([(2, 3), (3, 2), (1, 6)]),
    st.sampled_from(["red", "blue"]),
)
REGIONS = st.none() | st.just((0, 0, 1, 1)) | st.just((0, 0, 1, 2))
REQUESTS = st.one_of(
    st.builds(TextRequest, QUERIES, st.integers(1, 3)),
    st.builds(ImageRequest, PICTURES, st.integers(1, 3), REGIONS),
)


def key(request: Request, origin: Origin) -> str:
    return key_of(canonical(request, origin))


def _same(one: Request, other: Request) -> bool:
    if isinstance(one, TextRequest) and isinstance(other, TextRequest):
        return (normal_form(one.query), one.k) == (normal_form(other.query), other.k)
    if isinstance(one, ImageRequest) and isinstance(other, ImageRequest):
        pixels = one.image.size == other.image.size and one.image.tobytes() == other.image.tobytes()
        return pixels and (one.k, one.region) == (other.k, other.region)
    return False


@given(REQUESTS, ORIGINS, REQUESTS, ORIGINS)
def test_keys_are_equal_exactly_for_the_same_request(
    one: Request, origin: Origin, other: Request, other_origin: Origin
) -> None:
    same = _same(one, other) and origin == other_origin
    assert (key(one, origin) == key(other, other_origin)) == same


@given(st.text())
def test_a_normal_form_is_its_own(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@given(st.text(), st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_white_space_around_words_makes_no_difference(text: str, change) -> None:
    assert normal_form(f"  {text}\n") == normal_form(text)
    words = text.split()
    assert normal_form(" \t".join(words)) == normal_form(" ".join(words))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", " paris"),
        ("STRASSE", "straße"),
        ("e\u0301", "é"),
        ("ﬁn", "FIN"),
        ("a\u3000b", "A  b"),
        ("K", "k"),
    ],
)
def test_spellings_of_the_same(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C", "C++"), ("5-4", "54"), ("é", "e"), ("a b", "ab"), ("it's", "its")]
)
def test_nothing_that_may_matter_is_taken_away(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_the_encoding_of_a_picture_makes_no_difference() -> None:
    image = Image.effect_noise((31, 17), 80).convert("RGB")
    again = EncodedImage.from_pil(image).decode()
    other = image.copy()
    other.putpixel((30, 16), (1, 2, 3))
    origin = Origin("a")
    assert key(ImageRequest(image), origin) == key(ImageRequest(again), origin)
    assert key(ImageRequest(image.convert("RGBA")), origin) == key(ImageRequest(image), origin)
    assert key(ImageRequest(image), origin) != key(ImageRequest(other), origin)


def test_a_key_is_the_same_in_every_process() -> None:
    program = (
        "from deepeyes_env.search.recording.key import *; from deepeyes_env.search.request import *;"
        "print(key_of(canonical(TextRequest('Wie Groß \\ud800?'), Origin('x', '1', 'de'))))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    origin = Origin("x", "1", "de")
    assert printed == [key(TextRequest("wie gross \ud800?"), origin)] * 2
    assert printed[0] == "ed20675d489b586f3d35d3c5689d5397f441410e207713d6e1dba91d7ff56891", (
        "recordings of earlier releases would no longer be found"
    )


def test_every_part_of_the_origin_counts() -> None:
    request = TextRequest("x")
    origins = [Origin("a", "b", "c"), Origin("z", "b", "c"), Origin("a", "z", "c"), Origin("a", "b", "z")]
    assert len({key(request, origin) for origin in origins}) == 4
    assert {field.name for field in dataclasses.fields(Origin)} == {"backend", "version", "locale"}
