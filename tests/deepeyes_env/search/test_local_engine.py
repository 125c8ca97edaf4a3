import pickle
from functools import partial

import pytest
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import SearchEngine, SearchErrorKind
from deepeyes_env.search.local import LocalSearchEngine, Page

calls: list[str] = []


def flag(left: str, right: str) -> EncodedImage:
    image = Image.new("RGB", (80, 60), left)
    image.paste(Image.new("RGB", (30, 60), right), (50, 0))
    return EncodedImage.from_pil(image)


def write_pages() -> list[Page]:
    calls.append("written")
    return [
        Page("Harbour", "https://corpus.example/harbour", "The harbour has a crane.", "2020-01-02"),
        Page("Flag of Ost", "https://corpus.example/ost", "A flag.", None, partial(flag, "navy", "gold")),
        Page("Flag of Wes", "https://corpus.example/wes", "A flag.", None, partial(flag, "white", "red")),
    ]


def test_it_is_a_search_engine() -> None:
    assert isinstance(LocalSearchEngine([]), SearchEngine)


def test_a_text_hit_carries_the_page() -> None:
    (hit,) = LocalSearchEngine(write_pages).search_text("crane").hits
    assert (hit.rank, hit.title, hit.url, hit.date) == (
        1,
        "Harbour",
        "https://corpus.example/harbour",
        "2020-01-02",
    )
    assert hit.snippet == "The harbour has a crane."
    assert hit.thumbnail is None


def test_an_image_hit_carries_the_picture() -> None:
    hit = LocalSearchEngine(write_pages()).search_image(flag("navy", "gold").decode()).hits[0]
    assert hit.title == "Flag of Ost"
    assert hit.thumbnail == flag("navy", "gold")


def test_nothing_is_read_before_the_first_search_and_then_once() -> None:
    calls.clear()
    engine = LocalSearchEngine(write_pages)
    assert calls == []
    for _ in range(3):
        engine.search_text("flag")
        engine.search_image(flag("white", "red").decode())
    assert calls == ["written"]


def test_a_pickled_engine_answers_alike() -> None:
    engine = LocalSearchEngine(write_pages)
    before = engine.search_text("flag")
    copy = pickle.loads(pickle.dumps(engine))
    assert copy.search_text("flag") == before
    assert copy.search_image(flag("navy", "gold").decode()) == engine.search_image(
        flag("navy", "gold").decode()
    )


@pytest.mark.parametrize(
    ("query", "k", "kind"),
    [
        ("zeppelin", 5, SearchErrorKind.NO_RESULTS),
        ("the", 5, SearchErrorKind.NO_RESULTS),
        ("  ", 5, SearchErrorKind.BAD_REQUEST),
        ("flag", 0, SearchErrorKind.BAD_REQUEST),
    ],
)
def test_failures_have_a_kind(query: str, k: int, kind: SearchErrorKind) -> None:
    response = LocalSearchEngine(write_pages).search_text(query, k)
    assert response.error is kind
    assert response.hits == ()
    assert not kind.is_infrastructure


def test_k_limits_hits() -> None:
    assert len(LocalSearchEngine(write_pages).search_text("flag", 1).hits) == 1
