"""Which engine answers, and which failure is reported."""

import itertools

import pytest
from known_engines import OUTAGES, CountingEngine, ScriptedEngine, failed

from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.wrappers.fallback import Fallback

FAILURES = [kind for kind in SearchErrorKind if kind is not SearchErrorKind.NO_RESULTS]


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_goes_to_the_next(kind: SearchErrorKind) -> None:
    second = CountingEngine()
    response = Fallback([ScriptedEngine(failed(kind)), second]).search_text("x", 1)
    assert (len(response.hits), response.backend, second.requests) == (1, "counting", ["x"])


def test_no_results_is_an_answer() -> None:
    second = CountingEngine()
    nothing = failed(SearchErrorKind.NO_RESULTS)
    assert Fallback([ScriptedEngine(nothing), second]).search_text("x") == nothing
    assert second.requests == []


@pytest.mark.parametrize("kinds", list(itertools.product(FAILURES, repeat=3)))
def test_an_outage_never_becomes_the_fault_of_the_policy(kinds: tuple[SearchErrorKind, ...]) -> None:
    engines = [ScriptedEngine(failed(kind, backend=str(place))) for place, kind in enumerate(kinds)]
    response = Fallback(engines).search_text("x")
    assert response.error is not None
    assert response.error.is_infrastructure == any(kind.is_infrastructure for kind in kinds)
    passing = [kind for kind in kinds if kind in OUTAGES]
    if passing:
        assert response.error is passing[-1], "the last one that may pass"
    assert response.backend == str(max(place for place, kind in enumerate(kinds) if kind is response.error))
    assert all(f"it is {kind}" in response.detail for kind in kinds)


def test_the_cost_is_that_of_all_requests() -> None:
    engines = [ScriptedEngine(failed(SearchErrorKind.TIMEOUT, cost=0.25)), CountingEngine()]
    assert Fallback(engines).search_text("x").cost == 0.26
