"""What is tried again, how often, and when."""

import pytest
from known_engines import OUTAGES, CountingEngine, ScriptedEngine, failed

from deepeyes_env.search.base import SearchErrorKind, SearchResponse
from deepeyes_env.search.wrappers.retried import Retried

ANSWER = CountingEngine().search_text("an answer", 2)


class Pauses(list[float]):
    """Stands for `time.sleep`."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.mark.parametrize("kind", OUTAGES)
def test_an_outage_that_passes_is_not_seen(kind: SearchErrorKind) -> None:
    engine = ScriptedEngine(failed(kind), failed(kind), ANSWER)
    response = Retried(engine, sleep=Pauses()).search_text("x")
    assert (response.hits, response.error, engine.requests) == (ANSWER.hits, None, 3)


@pytest.mark.parametrize("kind", sorted(set(SearchErrorKind) - set(OUTAGES)))
def test_what_will_not_pass_is_not_tried_again(kind: SearchErrorKind) -> None:
    engine = ScriptedEngine(failed(kind), ANSWER)
    assert Retried(engine, sleep=Pauses()).search_text("x") == failed(kind)
    assert engine.requests == 1


def test_attempts_end_and_the_last_failure_is_kept() -> None:
    engine = ScriptedEngine(failed(OUTAGES[0]), failed(OUTAGES[1]), failed(OUTAGES[2]), ANSWER)
    pauses = Pauses()
    assert Retried(engine, attempts=3, sleep=pauses).search_text("x") == failed(OUTAGES[2])
    assert (engine.requests, len(pauses)) == (3, 2)


def test_pauses_grow_and_differ() -> None:
    longest = [0.0] * 5
    for _ in range(200):
        pauses = Pauses()
        engine = ScriptedEngine(failed(SearchErrorKind.TIMEOUT))
        Retried(
            engine, attempts=6, first_seconds=1, longest_seconds=4, total_seconds=1e6, sleep=pauses
        ).search_text("x")
        longest = [max(pair) for pair in zip(longest, pauses, strict=True)]
        assert all(0 <= pause <= 4 for pause in pauses)
    assert longest[0] <= 1 < longest[1] <= 2 < longest[2]
    assert len(set(longest)) == 5


def test_a_service_that_says_when_to_come_back_is_not_asked_before() -> None:
    pauses = Pauses()
    engine = ScriptedEngine(failed(SearchErrorKind.RATE_LIMITED, retry_after=17.0), ANSWER)
    assert Retried(engine, first_seconds=1, sleep=pauses).search_text("x").hits
    assert 17 <= pauses[0] <= 18


def test_nobody_waits_longer_than_the_total() -> None:
    pauses = Pauses()
    engine = ScriptedEngine(failed(SearchErrorKind.RATE_LIMITED, retry_after=61.0), ANSWER)
    response = Retried(engine, total_seconds=60, sleep=pauses).search_text("x")
    assert (response.error, engine.requests, pauses) == (SearchErrorKind.RATE_LIMITED, 1, [])


def test_the_cost_is_that_of_all_attempts() -> None:
    engine = ScriptedEngine(failed(SearchErrorKind.TIMEOUT, cost=0.25), SearchResponse(ANSWER.hits, cost=0.5))
    assert Retried(engine, sleep=Pauses()).search_text("x").cost == 0.75


def test_it_really_sleeps() -> None:
    engine = ScriptedEngine(failed(SearchErrorKind.TIMEOUT), ANSWER)
    assert Retried(engine, first_seconds=0.01).search_text("x").hits == ANSWER.hits
