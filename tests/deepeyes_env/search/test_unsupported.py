"""An engine that can never search by image: the policy is told, and nobody pays, waits or is blamed."""

from pathlib import Path

import pytest
from known_engines import CountingEngine, ScriptedEngine, failed
from PIL import Image

from deepeyes_env.search import (
    BudgetConfig,
    LiveSearchConfig,
    RateConfig,
    RecordingConfig,
    RetryConfig,
    SearchConfig,
    SearchErrorKind,
    open_search,
)
from deepeyes_env.search.base import DEFAULT_HITS, Operation, Region, SearchEngine, SearchResponse
from deepeyes_env.search.ledger import MemoryLedger
from deepeyes_env.search.retrieve import RetrieveEngine
from deepeyes_env.search.wrappers.budgeted import Budgeted
from deepeyes_env.search.wrappers.fallback import Fallback
from deepeyes_env.search.wrappers.rate_limited import RateLimited
from deepeyes_env.testing import check_search_engine

PICTURE = Image.new("RGB", (40, 30), "teal")


class Texts(CountingEngine):
    """Searches texts only."""

    lacks = frozenset({Operation.IMAGE})

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        return failed(SearchErrorKind.UNSUPPORTED)


class Images(CountingEngine):
    """Searches by image only."""

    lacks = frozenset({Operation.TEXT})

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        return failed(SearchErrorKind.UNSUPPORTED)


def test_it_is_nobodys_fault() -> None:
    assert not SearchErrorKind.UNSUPPORTED.is_infrastructure


@pytest.mark.parametrize("engine", [Texts(), Images()])
def test_half_an_engine_that_says_so_keeps_the_promises(engine: SearchEngine) -> None:
    check_search_engine(engine)


def test_half_an_engine_that_does_not_say_so_is_found_out() -> None:
    class Silent(Texts):
        lacks = frozenset()

    with pytest.raises(AssertionError, match="lacks"):
        check_search_engine(Silent())


def test_it_takes_no_turn_no_budget_and_no_second_attempt() -> None:
    ledger = MemoryLedger()
    pauses: list[float] = []
    engine = RateLimited(
        Budgeted(Texts(), ledger, queries=1), ledger, name="x", per_second=0.01, sleep=pauses.append
    )
    for _ in range(3):
        assert engine.search_image(PICTURE).error is SearchErrorKind.UNSUPPORTED
    assert ledger.spent() == (0, 0)
    assert engine.search_text("x").hits
    assert pauses == []


def test_a_configured_engine_answers_at_once() -> None:
    config = SearchConfig(
        budget=BudgetConfig(queries=1), rate=RateConfig(0.001, patience_seconds=0), retry=RetryConfig(4, 60.0)
    )
    engine = open_search(config, Texts())
    for colour in ("red", "lime", "blue"):
        picture = Image.new("RGB", (9, 9), colour)
        assert engine.search_image(picture).error is SearchErrorKind.UNSUPPORTED
    assert engine.search_text("x").hits


def test_keyless_search_is_told_to_lack_it() -> None:
    engine = open_search(SearchConfig(engine=LiveSearchConfig()))
    assert engine.search_image(PICTURE).error is SearchErrorKind.UNSUPPORTED


def test_a_replay_says_the_same(tmp_path: Path) -> None:
    path = str(tmp_path / "r.sqlite")
    live = open_search(SearchConfig(recording=RecordingConfig(path)), Texts()).search_image(PICTURE)
    replay = open_search(SearchConfig(recording=RecordingConfig(path, "replay", max_miss_rate=0.0)))
    assert replay.search_image(PICTURE).error is live.error is SearchErrorKind.UNSUPPORTED


def test_a_recorded_lack_lasts_as_long_as_the_lack(tmp_path: Path) -> None:
    config = SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite")))
    for _ in range(2):
        assert open_search(config, Texts()).search_image(PICTURE).error is SearchErrorKind.UNSUPPORTED
    mended = CountingEngine()
    assert open_search(config, mended).search_image(PICTURE).hits
    assert open_search(config, Texts()).search_image(PICTURE).hits, "its place is taken"
    assert len(mended.requests) == 1


def test_another_engine_that_has_it_is_asked() -> None:
    engine = Fallback([Texts(), CountingEngine()])
    assert len(engine.search_image(PICTURE, 2).hits) == 2
    assert engine.lacks == frozenset()
    assert Fallback([Texts(), RetrieveEngine("http://127.0.0.1:9/retrieve")]).lacks == {Operation.IMAGE}


@pytest.mark.parametrize("kind", [kind for kind in SearchErrorKind if kind is not SearchErrorKind.NO_RESULTS])
def test_it_hides_no_other_failure(kind: SearchErrorKind) -> None:
    engine = ScriptedEngine(failed(kind))
    assert Fallback([engine, Texts()]).search_image(PICTURE).error is kind
    assert Fallback([Texts(), engine]).search_image(PICTURE).error is kind
