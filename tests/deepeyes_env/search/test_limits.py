"""Rates and budgets, of one process and of many: both ledgers keep the same promises."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_engines import CountingEngine

from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.ledger import Ledger, MemoryLedger, next_turn
from deepeyes_env.search.recording.database import Database
from deepeyes_env.search.recording.ledger import RecordedLedger
from deepeyes_env.search.wrappers.budgeted import Budgeted
from deepeyes_env.search.wrappers.rate_limited import RateLimited


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    return RecordedLedger(Database(tmp_path / "r.sqlite", writable=True))


def test_no_thread_gets_more_than_the_budget(ledger: Ledger) -> None:
    engine = CountingEngine()
    budgeted = Budgeted(engine, ledger, queries=10)
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda number: budgeted.search_text(f"query {number}"), range(24)))
    assert len(engine.requests) == 10
    assert [response.error for response in responses].count(SearchErrorKind.BUDGET) == 14
    assert ledger.spent() == (10, pytest.approx(0.1))


def test_the_money_runs_out(ledger: Ledger) -> None:
    engine = CountingEngine()
    budgeted = Budgeted(engine, ledger, dollars=0.025)
    errors = [budgeted.search_text("x").error for _ in range(5)]
    assert errors == [None, None, None, SearchErrorKind.BUDGET, SearchErrorKind.BUDGET]
    assert "3 requests, 0.03 US dollars" in budgeted.search_text("x").detail


def test_what_cannot_be_asked_costs_nothing(ledger: Ledger) -> None:
    assert Budgeted(CountingEngine(), ledger).search_text(" ").error is SearchErrorKind.BAD_REQUEST
    assert ledger.spent() == (0, 0)


def test_two_engines_share_a_budget(ledger: Ledger) -> None:
    engines = CountingEngine(), CountingEngine()
    for engine in engines:
        for _ in range(4):
            Budgeted(engine, ledger, queries=6).search_text("x")
    assert [len(engine.requests) for engine in engines] == [4, 2]


def test_processes_that_share_a_recording_share_its_budget_and_its_turns(tmp_path: Path) -> None:
    children = []
    database = Database(tmp_path / "r.sqlite", writable=True)
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ledger = RecordedLedger(database)
                granted = sum(ledger.book(25, None) for _ in range(10))
                for _ in range(granted):
                    ledger.pay(0.5)
                    ledger.take_turn("a", 100.0, 1, 1e9)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    ledger = RecordedLedger(database)
    assert ledger.spent() == (25, 12.5)
    assert ledger.take_turn("a", 100.0, 1, 1e9) == pytest.approx(2_500, abs=60)


def test_a_clock_that_was_set_back_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = RecordedLedger(Database(tmp_path / "r.sqlite", writable=True))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 9_999)
    assert ledger.take_turn("a", 1.0, 1, 5.0) == 0
    monkeypatch.setattr(time, "time", lambda: now)
    assert [ledger.take_turn("a", 1.0, 1, 5.0) for _ in range(2)] == pytest.approx([0, 1])


def _limited(ledger: Ledger, sleep: Callable[[float], None], **settings: float) -> RateLimited:
    options = {"name": "a", "per_second": 0.1, "patience_seconds": 1_000.0} | settings
    return RateLimited(CountingEngine(), ledger, sleep=sleep, **options)  # type: ignore[arg-type]


def test_turns_follow_the_rate(ledger: Ledger) -> None:
    waits: list[float] = []
    limited = _limited(ledger, waits.append)
    for _ in range(4):
        limited.search_text("x")
    assert waits == pytest.approx([10, 20, 30], abs=2), "the first one leaves at once"


def test_a_burst_leaves_at_once(ledger: Ledger) -> None:
    waits: list[float] = []
    limited = _limited(ledger, waits.append, burst=3)
    for _ in range(5):
        limited.search_text("x")
    assert waits == pytest.approx([10, 20], abs=2)


def test_services_wait_for_their_own_turns_only(ledger: Ledger) -> None:
    waits: list[float] = []
    for name in ("a", "b", "a"):
        _limited(ledger, waits.append, name=name).search_text("x")  # type: ignore[arg-type]
    assert waits == pytest.approx([10], abs=2)


def test_a_turn_too_far_off_is_not_taken(ledger: Ledger) -> None:
    waits: list[float] = []
    limited = _limited(ledger, waits.append, patience_seconds=15)
    responses = [limited.search_text("x") for _ in range(6)]
    assert [response.error for response in responses] == [None] * 2 + [SearchErrorKind.RATE_LIMITED] * 4
    assert responses[-1].retry_after == pytest.approx(5, abs=2), "nobody pushed it further away"


def test_it_really_sleeps() -> None:
    limited = RateLimited(CountingEngine(), MemoryLedger(), name="a", per_second=200)
    assert all(limited.search_text("x").hits for _ in range(4))


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=40), st.sampled_from([0.25, 1.0, 3.0]), st.integers(1, 5)
)
def test_no_window_holds_more_than_the_burst_and_the_rate(
    gaps: list[float], interval: float, burst: int
) -> None:
    now, free, turns = 100.0, 0.0, []
    for gap in gaps:
        now += gap
        wait, free = next_turn(free, now, interval, burst)
        turns.append(now + wait)
    for first in range(len(turns)):
        for last in range(first, len(turns)):
            count = last - first + 1
            assert count <= burst + (turns[last] - turns[first]) / interval + 1e-6
