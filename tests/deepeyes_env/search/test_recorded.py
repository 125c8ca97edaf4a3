"""What is asked, what is recorded, and what a replay gives back."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from known_engines import OUTAGES, CountingEngine, ScriptedEngine, failed
from PIL import Image

from deepeyes_env.search.base import SearchErrorKind, SearchResponse
from deepeyes_env.search.config import RecordingMode
from deepeyes_env.search.ledger import MemoryLedger
from deepeyes_env.search.recording.key import Origin, canonical, key_of
from deepeyes_env.search.recording.recorded import RECENT, Recorded, Tally, TooManyMissesError
from deepeyes_env.search.recording.single_flight import SingleFlight
from deepeyes_env.search.recording.store import RecordingStore
from deepeyes_env.search.request import TextRequest
from deepeyes_env.search.wrappers.budgeted import Budgeted
from deepeyes_env.tasks.dataset_error import DatasetError

ORIGIN = Origin("a")
PHOTO = Image.effect_noise((40, 30), 60).convert("RGB")


def recorded(path: Path, mode: RecordingMode, engine=None, **settings) -> Recorded:
    store = RecordingStore(path / "r.sqlite", writable=mode != "replay")
    return Recorded(engine or CountingEngine(), store, mode=mode, origin=ORIGIN, **settings)


def _content(response: SearchResponse) -> tuple:
    return response.hits, response.error, response.backend, response.detail


def test_a_replay_repeats_the_run(tmp_path: Path) -> None:
    nothing = ScriptedEngine(failed(SearchErrorKind.NO_RESULTS))
    refusing = ScriptedEngine(failed(SearchErrorKind.BAD_REQUEST, recorded=True))
    live = recorded(tmp_path, "replay_or_live")
    heard = [
        live.search_text("one", 2),
        live.search_text("two", 3),
        live.search_image(PHOTO, 2, (1, 2, 30, 20)),
    ]
    heard.append(recorded(tmp_path, "replay_or_live", nothing).search_text("nothing"))
    heard.append(recorded(tmp_path, "replay_or_live", refusing).search_text("refused"))

    replay = recorded(tmp_path, "replay")
    again = [replay.search_text("ONE ", 2), replay.search_text("two", 3)]
    again.append(replay.search_image(PHOTO.copy(), 2, (1, 2, 30, 20)))
    again += [replay.search_text("nothing"), replay.search_text("refused")]
    assert [_content(response) for response in again] == [_content(response) for response in heard]
    assert again[2].hits[0].thumbnail == heard[2].hits[0].thumbnail
    assert all(response.recorded and response.cost == 0 for response in again)
    assert replay.tally == Tally(5, 0)


@pytest.mark.parametrize("kind", [*OUTAGES, SearchErrorKind.BUDGET])
def test_an_outage_is_not_recorded(tmp_path: Path, kind: SearchErrorKind) -> None:
    engine = ScriptedEngine(failed(kind, retry_after=3.0), CountingEngine().search_text("x", 1))
    live = recorded(tmp_path, "replay_or_live", engine)
    assert live.search_text("x") == failed(kind, retry_after=3.0)
    assert recorded(tmp_path, "replay").search_text("x").error is SearchErrorKind.NO_RESULTS
    assert live.search_text("x").hits


def test_a_service_that_refuses_is_asked_again(tmp_path: Path) -> None:
    engine = ScriptedEngine(failed(SearchErrorKind.BAD_REQUEST), CountingEngine().search_text("x", 1))
    live = recorded(tmp_path, "replay_or_live", engine)
    assert live.search_text("x") == failed(SearchErrorKind.BAD_REQUEST)
    again = recorded(tmp_path, "replay").search_text("x")
    assert _content(again) == _content(failed(SearchErrorKind.BAD_REQUEST)), "as the policy has seen it"
    assert live.search_text("x").hits
    assert recorded(tmp_path, "replay").search_text("x").hits


@pytest.mark.parametrize("kind", [SearchErrorKind.BAD_REQUEST, SearchErrorKind.UNSUPPORTED])
def test_an_old_refusal_gives_way_to_an_answer_but_not_in_a_replay(
    tmp_path: Path, kind: SearchErrorKind
) -> None:
    text = canonical(TextRequest("x"), ORIGIN)
    store = RecordingStore(tmp_path / "r.sqlite")
    store.put(key_of(text), text, failed(kind), replace=False)
    assert recorded(tmp_path, "replay").search_text("x").error is kind
    outage = ScriptedEngine(failed(SearchErrorKind.TIMEOUT))
    assert recorded(tmp_path, "replay_or_live", outage).search_text("x").error is SearchErrorKind.TIMEOUT
    assert recorded(tmp_path, "replay").search_text("x").error is kind, "an outage takes no place"
    first, second = CountingEngine(), CountingEngine()
    assert recorded(tmp_path, "replay_or_live", first).search_text("x").hits
    assert recorded(tmp_path, "replay_or_live", second).search_text("x").recorded
    assert recorded(tmp_path, "replay").search_text("x").hits
    assert (first.requests, second.requests) == (["x"], [])


def test_an_answer_never_gives_way_to_a_refusal(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "r.sqlite")
    answer = CountingEngine().search_text("x", 1)
    answer = replace(answer, detail='"error":"unsupported"')
    store.put("key", "{}", answer, replace=False)
    assert store.put("key", "{}", failed(SearchErrorKind.UNSUPPORTED), replace=False) == answer
    assert store.get("key") == answer


def test_a_replay_makes_no_request(tmp_path: Path) -> None:
    recorded(tmp_path, "replay_or_live").search_text("known")
    engine = CountingEngine()
    replay = recorded(tmp_path, "replay", engine)
    assert replay.search_text("known").hits
    for _ in range(2):
        missed = replay.search_text("unknown")
        assert (missed.error, missed.recorded) == (SearchErrorKind.NO_RESULTS, True)
    assert replay.search_text("known", 1).error is SearchErrorKind.NO_RESULTS, "another k is another request"
    assert engine.requests == []
    assert replay.tally == Tally(4, 3)
    assert replay.tally.miss_rate == 0.75


def test_what_no_engine_could_answer_counts_neither_way(tmp_path: Path) -> None:
    recorded(tmp_path, "record").search_text("known")
    replay = recorded(tmp_path, "replay")
    assert replay.search_text("", 3).error is SearchErrorKind.BAD_REQUEST
    assert replay.search_image(PHOTO, 0).error is SearchErrorKind.BAD_REQUEST
    assert replay.tally == Tally(0, 0)
    assert replay.tally.miss_rate == 0


def test_too_many_misses_end_the_run(tmp_path: Path) -> None:
    recorded(tmp_path, "record").search_text("known")
    replay = recorded(tmp_path, "replay", max_miss_rate=0.5, misses_after=4)
    replay.search_text("a"), replay.search_text("known"), replay.search_text("b")
    with pytest.raises(
        TooManyMissesError, match=r"r\.sqlite.*no answer for 3 of 4 requests, more than the 50%"
    ):
        replay.search_text("c")
    assert replay.search_text("known").hits


def test_the_first_miss_can_end_the_run(tmp_path: Path) -> None:
    recorded(tmp_path, "record").search_text("known")
    replay = recorded(tmp_path, "replay", max_miss_rate=0.0)
    replay.search_text("known")
    with pytest.raises(TooManyMissesError):
        replay.search_text("unknown")


def test_replay_or_live_asks_what_is_missing(tmp_path: Path) -> None:
    first, second = CountingEngine(), CountingEngine()
    recorded(tmp_path, "replay_or_live", first).search_text("x")
    later = recorded(tmp_path, "replay_or_live", second)
    assert later.search_text("x").recorded
    assert not later.search_text("y").recorded
    assert (first.requests, second.requests) == (["x"], ["y"])
    assert later.tally == Tally(2, 0, dollars=CountingEngine().search_text("y").cost)


def test_record_renews_an_answer_once(tmp_path: Path) -> None:
    old = ScriptedEngine(CountingEngine().search_text("old", 1))
    recorded(tmp_path, "record", old).search_text("x")
    engine = CountingEngine()
    live = recorded(tmp_path, "record", engine)
    renewed = live.search_text("x", 5)
    assert (renewed.hits[0].title, renewed.recorded) == ("x 1", False)
    for number in range(RECENT + 1):
        live._remember(str(number), renewed)
    assert live.search_text("x", 5).recorded, "also when it is no longer in memory"
    assert engine.requests == ["x"]
    assert _content(recorded(tmp_path, "replay").search_text("x", 5)) == _content(renewed)


def test_live_neither_reads_nor_writes_a_recording() -> None:
    engine = CountingEngine()
    live = Recorded(engine, None, mode="live", origin=ORIGIN)
    assert not live.search_text("x").recorded
    assert live.search_text("x").recorded, "it remembers"
    assert engine.requests == ["x"]


def test_memory_is_bounded() -> None:
    engine = CountingEngine()
    live = Recorded(engine, None, mode="live", origin=ORIGIN)
    for number in range(RECENT + 10):
        live.search_text(str(number), 1)
    assert len(live._recent) == RECENT
    assert live.search_text(str(RECENT + 9), 1).recorded
    assert not live.search_text("0", 1).recorded


def test_rollouts_that_ask_the_same_at_once_make_one_request(tmp_path: Path) -> None:
    everybody = threading.Semaphore(0)

    def during() -> None:
        for _ in range(16):
            assert everybody.acquire(timeout=30)

    engine = CountingEngine(during=during)
    live = recorded(tmp_path, "replay_or_live", engine)

    def ask(_: int) -> SearchResponse:
        everybody.release()
        return live.search_text("same")

    with ThreadPoolExecutor(16) as threads:
        responses = list(threads.map(ask, range(16)))
    assert engine.requests == ["same"]
    assert len({response.hits for response in responses}) == 1
    assert [response.recorded for response in responses].count(False) == 1
    assert sum(response.cost for response in responses) == 0.01


def test_other_requests_do_not_wait_for_a_slow_one(tmp_path: Path) -> None:
    both = threading.Barrier(40, timeout=30)
    live = recorded(tmp_path, "replay_or_live", CountingEngine(during=both.wait))
    with ThreadPoolExecutor(40) as threads:
        responses = list(threads.map(lambda number: live.search_text(f"query {number}"), range(40)))
    assert all(response.hits for response in responses)


def test_an_engine_that_raises_is_heard_by_all_and_asked_again(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    engine = CountingEngine(during=fail)
    live = recorded(tmp_path, "replay_or_live", engine)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            live.search_text("x")
    engine.during = lambda: None
    assert live.search_text("x").hits


def test_who_waits_for_an_interrupted_caller_goes_on() -> None:
    flights: SingleFlight[str] = SingleFlight()
    begun, go = threading.Event(), threading.Event()

    def interrupted() -> str:
        begun.set()
        assert go.wait(30)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(flights.do, "x", interrupted)
        assert begun.wait(30)
        second = threads.submit(flights.do, "x", lambda: "made")
        go.set()
        with pytest.raises(KeyboardInterrupt):
            first.result(30)
        assert second.result(30) == ("made", True)
    assert flights.do("x", lambda: "anew") == ("anew", True)


def test_the_answer_that_was_recorded_first_is_the_one_that_is_shown(tmp_path: Path) -> None:
    other = recorded(tmp_path, "replay_or_live", ScriptedEngine(CountingEngine().search_text("first", 1)))
    engine = CountingEngine(during=lambda: other.search_text("x") and None)
    late = recorded(tmp_path, "replay_or_live", engine).search_text("x")
    assert late.hits[0].title == "first 1"
    assert (late.cost, late.recorded) == (0.01, False)


def test_recorded_answers_use_up_no_budget(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    live = recorded(tmp_path, "replay_or_live", Budgeted(CountingEngine(), ledger, queries=2))
    responses = [live.search_text(query) for query in ("a", "a", "b", "b", "a", "c", "a")]
    assert [response.error for response in responses] == [None] * 5 + [SearchErrorKind.BUDGET, None]


def test_a_recording_that_is_damaged_ends_the_run(tmp_path: Path) -> None:
    recorded(tmp_path, "record").search_text("x")
    replay = recorded(tmp_path, "replay")
    with RecordingStore(tmp_path / "r.sqlite").database.transaction() as connection:
        connection.execute("UPDATE answers SET response = '{}'")
    with pytest.raises(DatasetError, match="damaged"):
        replay.search_text("x")


# --- Two processes, one killed ------------------------------------------------------------------------------

WORKER = """
import sys
from pathlib import Path
from known_engines import CountingEngine
from PIL import Image
from test_recorded import recorded
import numpy as np

name, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
live = recorded(folder, "replay_or_live", CountingEngine(name))
for number in range(count):
    live.search_text(f"{name} asks {number}", 3)
    live.search_text(f"both ask {number}", 3)
    live.search_image(Image.fromarray(np.full((40, 50, 3), number % 256, np.uint8)), 1)
    print(number, flush=True)
"""


def _worker(name: str, folder: Path, count: int) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.getcwd()])}
    command = [sys.executable, "-c", WORKER, name, str(folder), str(count)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_process_that_is_killed_costs_nobody_an_answer(tmp_path: Path) -> None:
    victim, other = _worker("victim", tmp_path, 1_000_000), _worker("other", tmp_path, 150)
    assert victim.stdout is not None
    finished = 0
    for line in victim.stdout:
        finished = int(line) + 1
        if finished == 60:
            os.kill(victim.pid, signal.SIGKILL)
            break
    # What it told before it died counts as well.
    finished = max([finished, *(int(line) + 1 for line in victim.stdout.read().splitlines())])
    assert victim.wait(60) == -signal.SIGKILL
    output, _ = other.communicate(timeout=120)
    assert (other.returncode, output.split()[-1]) == (0, "149")

    replay = recorded(tmp_path, "replay", max_miss_rate=0.0)
    for name, count in (("victim", finished), ("other", 150)):
        for number in range(count):
            assert replay.search_text(f"{name} asks {number}", 3).hits[0].title == f"{name} asks {number} 1"
            assert len(replay.search_text(f"both ask {number}", 3).hits) == 3
    assert len(replay.search_image(Image.new("RGB", (50, 40), (7, 7, 7)), 1).hits) == 1
    with RecordingStore(tmp_path / "r.sqlite").database.transaction() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
