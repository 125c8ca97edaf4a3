"""Every engine and every wrapper keeps the promises that the environment relies on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from known_engines import CountingEngine, ScriptedEngine, failed
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.search import RecordingConfig, SearchConfig, open_search
from deepeyes_env.search.base import Hit, SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.ledger import MemoryLedger
from deepeyes_env.search.local import LocalSearchEngine, Page
from deepeyes_env.search.recording.key import Origin
from deepeyes_env.search.recording.recorded import Recorded
from deepeyes_env.search.recording.store import RecordingStore
from deepeyes_env.search.wrappers.blocklist import Blocklisted, WithoutQuestion
from deepeyes_env.search.wrappers.budgeted import Budgeted
from deepeyes_env.search.wrappers.fallback import Fallback
from deepeyes_env.search.wrappers.rate_limited import RateLimited
from deepeyes_env.search.wrappers.retried import Retried
from deepeyes_env.search.wrappers.sanitised import Sanitised
from deepeyes_env.tasks import WorldConfig, open_source
from deepeyes_env.testing import check_search_engine


def photo(number: int) -> EncodedImage:
    """A picture of noise, another one for each number."""
    noise = np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return EncodedImage.from_pil(Image.fromarray(noise))


Wrap = Callable[[SearchEngine, Path], SearchEngine]
WRAPPERS: dict[str, Wrap] = {
    "retried": lambda engine, _: Retried(engine),
    "rate_limited": lambda engine, _: RateLimited(engine, MemoryLedger(), name="x", per_second=10_000),
    "budgeted": lambda engine, _: Budgeted(engine, MemoryLedger(), queries=10_000),
    "fallback": lambda engine, _: Fallback([ScriptedEngine(failed(SearchErrorKind.TIMEOUT)), engine]),
    "recorded": lambda engine, path: Recorded(
        engine, RecordingStore(path / "r.sqlite"), mode="replay_or_live", origin=Origin("x")
    ),
    "sanitised": lambda engine, _: Sanitised(engine),
    "blocklisted": lambda engine, _: Blocklisted(engine),
    "without_question": lambda engine, _: WithoutQuestion(engine, "Is this a question of twenty characters?"),
    "all": lambda engine, path: open_search(
        SearchConfig(recording=RecordingConfig(str(path / "r.sqlite"))), engine
    ),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_wrapper_keeps_the_promises(wrap: Wrap, tmp_path: Path) -> None:
    check_search_engine(wrap(CountingEngine(), tmp_path))


EMBEDDED: dict[str, Wrap] = {"nothing": lambda engine, _: engine} | WRAPPERS
PAGES = [
    Page(f"Company {number}", f"https://e.example/{number}", "Its founder.", picture=partial(photo, number))
    for number in range(4)
]


@pytest.mark.parametrize("wrap", EMBEDDED.values(), ids=EMBEDDED.keys())
def test_a_wrapper_keeps_the_promises_of_the_embedded_engine(wrap: Wrap, tmp_path: Path) -> None:
    engine = wrap(LocalSearchEngine(PAGES), tmp_path)
    check_search_engine(engine, query="founder", image=photo(2).decode(), deterministic=True)


@pytest.mark.parametrize("wrap", [EMBEDDED["nothing"], EMBEDDED["all"]], ids=["nothing", "all"])
def test_the_engine_of_the_world_keeps_the_promises(wrap: Wrap, tmp_path: Path) -> None:
    own = open_source(
        WorldConfig()
    ).search_engine()  # the world of the other tests, which takes seconds to make
    assert own is not None
    check_search_engine(wrap(own, tmp_path), query="founder", deterministic=True)


def test_a_replay_keeps_the_promises(tmp_path: Path) -> None:
    config = SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite")))
    check_search_engine(open_search(config, CountingEngine()))
    replay = SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite"), "replay", max_miss_rate=0.0))
    check_search_engine(open_search(replay), deterministic=True)


class Careless(CountingEngine):
    """Answers everything, also what is no request."""

    def __init__(self, change: Callable[[SearchResponse], SearchResponse]) -> None:
        super().__init__()
        self.change = change

    def search_text(self, query: str, k: int = 5) -> SearchResponse:
        return self.change(super().search_text(query, k))

    def search_image(self, image: Image.Image, k: int = 5, region=None) -> SearchResponse:
        return self.change(super().search_image(image, k, region))


class Raising(CountingEngine):
    def search_image(self, image: Image.Image, k: int = 5, region=None) -> SearchResponse:
        if region:
            raise KeyError("region")
        return super().search_image(image, k)


ONE = (Hit(1, "a", "b"),)
BROKEN: dict[str, tuple[Callable[[SearchResponse], SearchResponse], str]] = {
    "too many": (lambda found: SearchResponse((*found.hits, Hit(len(found.hits) + 1, "", ""))), "k ="),
    "from zero": (lambda found: SearchResponse((Hit(0, "", ""),)), "ranks"),
    "hits and error": (lambda found: SearchResponse(ONE, error=SearchErrorKind.TIMEOUT), "together"),
    "always": (lambda found: SearchResponse(ONE), "k = 0 must be a bad request"),
    "never": (lambda found: failed(SearchErrorKind.UNAVAILABLE), "has no hits"),
    "a gain": (lambda found: SearchResponse(ONE, cost=-1.0), "negative cost"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_engine_is_found_out(name: str) -> None:
    change, words = BROKEN[name]
    with pytest.raises(AssertionError, match=words):
        check_search_engine(Careless(change))


def test_half_an_engine_is_found_out() -> None:
    with pytest.raises(AssertionError, match="search_image is missing"):
        check_search_engine(object())  # type: ignore[arg-type]


def test_an_engine_that_changes_its_mind_is_found_out() -> None:
    with pytest.raises(AssertionError, match="different hits"):
        check_search_engine(CountingEngine(), deterministic=True)


def test_an_engine_that_raises_is_found_out() -> None:
    with pytest.raises(KeyError):
        check_search_engine(Raising())
