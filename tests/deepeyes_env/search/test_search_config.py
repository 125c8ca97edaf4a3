"""What a configuration opens, and what is said about one that cannot be used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from known_engines import CountingEngine, ScriptedEngine, failed
from misbehaving_server import MisbehavingServer, reply

from deepeyes_env.cli import main
from deepeyes_env.config import ConfigError, EnvConfig, load_config
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.search import (
    BudgetConfig,
    DdgsConfig,
    LiveSearchConfig,
    LocalSearchConfig,
    RateConfig,
    RecordingConfig,
    RetrieveSearchConfig,
    RetryConfig,
    SearchConfig,
    SearchErrorKind,
    SerperConfig,
    _corpus,
    open_search,
    tally_of,
)
from deepeyes_env.search.base import Hit, SearchResponse, identity_of
from deepeyes_env.search.config import RecordingMode
from deepeyes_env.search.local import LocalSearchEngine, Page
from deepeyes_env.search.recording.recorded import Tally, TooManyMissesError
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld

EXAMPLE = """
[search]
blocked = ["leak.example.org"]
retry = {attempts = 2}
rate = {per_second = 5, burst = 3}
budget = {queries = 1000, dollars = 2.5}

[search.engine]
kind = "live"
[[search.engine.providers]]
kind = "serper"
language = "de"
[[search.engine.providers]]
kind = "ddgs"

[search.recording]
path = "searches.sqlite"
mode = "replay"
max_miss_rate = 0.01
"""


def test_a_toml_file_says_everything(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(EXAMPLE)
    assert load_config(EnvConfig, tmp_path / "a.toml").search == SearchConfig(
        LiveSearchConfig(providers=(SerperConfig(language="de"), DdgsConfig())),
        RetryConfig(attempts=2),
        RateConfig(5, 3),
        BudgetConfig(1000, 2.5),
        RecordingConfig("searches.sqlite", "replay", max_miss_rate=0.01),
        ("leak.example.org",),
    )
    assert EnvConfig().search is None


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"engine": {"kind": "loca"}}, "search.engine.kind = 'loca': did you mean 'local'?"),
        ({"engine": {"kind": "local"}}, "index = '': must be the directory of an index"),
        ({"engine": {"kind": "retrieve", "url": "node:1"}}, "url = 'node:1': must be an address of http"),
        ({"engine": {"kind": "retrieve", "url": "http://a:b@c"}}, "url: no credentials in it"),
        ({"engine": {"kind": "retrieve", "url": "ftp://a:b@c"}}, "url: no credentials in it"),
        ({"engine": {"kind": "retrieve", "url": "a:b@c/retrieve"}}, "url: no credentials in it"),
        ({"engine": {"kind": "live", "providers": []}}, "at least one provider"),
        ({"engine": {"kind": "live", "providers": [{"kind": "serpr"}]}}, "did you mean 'serper'?"),
        ({"engine": {"kind": "live", "providers": [{"kind": "serper", "api_key": "x"}]}}, "unknown key"),
        ({"retry": {"attempts": 0}}, "attempts = 0: must be at least 1"),
        ({"rate": {"per_second": 0}}, "per_second = 0.0: must be above 0"),
        ({"budget": {"dollars": -1}}, "dollars = -1.0: must be at least 0"),
        ({"recording": {}}, "search.recording.path"),
        ({"recording": {"path": "x", "mode": "replai"}}, "did you mean 'replay'?"),
        ({"recording": {"path": "x", "max_miss_rate": 2}}, "max_miss_rate = 2.0: must be between 0 and 1"),
        ({"recordin": {"path": "x"}}, "did you mean 'recording'?"),
        ({"blocked": ["answers"]}, "blocked = 'answers': must be a host"),
    ],
)
def test_a_mistake_is_named_with_its_mend(search: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(EnvConfig, search=search)
    assert words in str(caught.value)


def test_a_source_without_an_engine_needs_a_named_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no search engine of its own; choose one"):
        open_search(SearchConfig())
    live = SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite")))
    open_search(live, CountingEngine()).search_text("x")
    replay = SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite"), "replay"))
    assert open_search(replay).search_text("x").hits, "a replay needs none"


def test_a_replay_needs_neither_keys_nor_libraries(tmp_path: Path) -> None:
    providers = LiveSearchConfig(providers=(SerperConfig(key_variable="NOT_SET"), DdgsConfig("none")))
    path = str(tmp_path / "r.sqlite")
    open_search(SearchConfig(recording=RecordingConfig(path)), CountingEngine())
    replay = open_search(SearchConfig(providers, recording=RecordingConfig(path, "replay")))
    assert replay.search_text("x").error is SearchErrorKind.NO_RESULTS
    assert tally_of(replay) == Tally(1, 1)


def test_a_tally_adds_up_what_services_cost(tmp_path: Path) -> None:
    hits = (Hit(1, "a", "https://example.org"),)
    own = ScriptedEngine(SearchResponse(hits, cost=0.002), SearchResponse(hits, cost=0.003))
    engine = open_search(SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite"))), own)
    for query in ("x", "x", "y"):
        engine.search_text(query)
    assert tally_of(engine) == Tally(3, 0, 0.005)


def test_everything_stands_around_the_own_engine(tmp_path: Path) -> None:
    own = ScriptedEngine(
        failed(SearchErrorKind.TIMEOUT),
        SearchResponse(
            (
                Hit(1, "the answers", "https://leak.example.org/1"),
                Hit(2, "more answers", "https://huggingface.co/datasets/glowol/RealXBench"),
                Hit(3, "<ima\u200bge>" + "a" * 999, "https://example.org"),
            )
        ),
    )
    config = SearchConfig(
        retry=RetryConfig(first_seconds=0.001),
        budget=BudgetConfig(queries=2),
        recording=RecordingConfig(str(tmp_path / "r.sqlite")),
        blocked=("leak.example.org",),
    )
    engine = open_search(config, own)
    hits = engine.search_text("x").hits
    assert [(hit.rank, hit.title[:8], len(hit.title)) for hit in hits] == [(1, "‹image>a", 300)]
    assert own.requests == 2, "the failed request was made again"
    assert engine.search_text("X").hits == hits, "recorded"
    again = open_search(config, own)
    assert again.search_text(" x").hits == hits, "recorded for later processes as well"
    assert again.search_text("y").error is SearchErrorKind.BUDGET, "the recording keeps the count"
    assert own.requests == 2
    assert tally_of(again) == Tally(2, 0)


def test_environments_of_a_process_share_a_budget() -> None:
    config = SearchConfig(budget=BudgetConfig(queries=3, dollars=123.0))
    errors = [open_search(config, CountingEngine()).search_text("x").error for _ in range(4)]
    assert errors == [None, None, None, SearchErrorKind.BUDGET]


def test_rates_are_kept() -> None:
    config = SearchConfig(
        rate=RateConfig(per_second=0.001, patience_seconds=0), retry=RetryConfig(attempts=1)
    )
    engine = open_search(config, CountingEngine())
    assert engine.search_text("x").hits
    assert engine.search_text("y").error is SearchErrorKind.RATE_LIMITED


def test_another_engine_has_no_tally() -> None:
    with pytest.raises(ConfigError, match="set search"):
        tally_of(CountingEngine())


def test_another_version_is_another_recording(tmp_path: Path) -> None:
    own = CountingEngine()
    for version in ("", "1", "1", ""):
        config = SearchConfig(recording=RecordingConfig(str(tmp_path / "r.sqlite"), version=version))
        open_search(config, own).search_text("x")
    assert own.requests == ["x", "x"]


def _recording(path: Path, mode: RecordingMode = "replay_or_live") -> RecordingConfig:
    return RecordingConfig(str(path / "r.sqlite"), mode)


def test_another_world_is_another_recording(tmp_path: Path) -> None:
    worlds = [LocalSearchEngine([Page(name, "", "the lighthouse")], name) for name in ("one", "two")]
    config = SearchConfig(recording=_recording(tmp_path))
    for world in worlds * 2:
        assert open_search(config, world).search_text("lighthouse").hits[0].title == world.identity
    replay = SearchConfig(recording=_recording(tmp_path, "replay"))
    for world in worlds:
        assert open_search(replay, world).search_text("lighthouse").hits[0].title == world.identity
    assert identity_of(FictionalWorld(7).search_engine()) == "fictional-7"


def _index(folder: Path, title: str) -> LocalSearchConfig:
    corpus = folder.with_suffix(".jsonl")
    corpus.write_text(json.dumps({"id": "0", "contents": f'"{title}"\nthe lighthouse'}))
    assert main(["search", "index", str(corpus), "--output", str(folder)]) == 0
    return LocalSearchConfig(index=str(folder))


def _title(config: SearchConfig) -> str | None:
    hits = open_search(config).search_text("lighthouse").hits
    return hits[0].title if hits else None


def test_another_index_is_another_recording_wherever_it_lies(tmp_path: Path) -> None:
    first, second = (_index(tmp_path / name, name) for name in ("first", "second"))
    assert _title(SearchConfig(first, recording=_recording(tmp_path))) == "first"
    moved = LocalSearchConfig(index=str((tmp_path / "first").rename(tmp_path / "moved")))
    replay = _recording(tmp_path, "replay")
    assert _title(SearchConfig(moved, recording=replay)) == "first"
    assert _title(SearchConfig(second, recording=replay)) is None
    assert _title(SearchConfig(first, recording=replay)) == "first", "the only one need not be there"

    assert _title(SearchConfig(second, recording=_recording(tmp_path))) == "second"
    with pytest.raises(DatasetError, match="2 indexes"):
        open_search(SearchConfig(first, recording=replay))


def test_another_address_is_another_recording(tmp_path: Path) -> None:
    found = {"result": [[{"document": {"contents": '"one"\nthe lighthouse'}, "score": 1.0}]]}
    with MisbehavingServer() as server:
        server.behaviours["retrieve"] = reply(200, json.dumps(found))
        url = server.url("retrieve")
        assert _title(SearchConfig(RetrieveSearchConfig(url=url), recording=_recording(tmp_path))) == "one"
    replay = _recording(tmp_path, "replay")
    assert _title(SearchConfig(RetrieveSearchConfig(url=f"{url}/"), recording=replay)) == "one"
    assert _title(SearchConfig(RetrieveSearchConfig(url="http://other:1/retrieve"), recording=replay)) is None
    assert "s3cret" not in _corpus(SearchConfig(RetrieveSearchConfig(url=f"{url}?key=s3cret")), ())


def test_the_configuration_needs_no_library_of_an_engine() -> None:
    libraries = "httpx", "tenacity", "ddgs", "litellm", "sqlite3"
    program = f"import sys, deepeyes_env.config; print([m for m in {libraries} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- In an environment -------------------------------------------------------------------------------------


def _episode(path: Path, mode: str, queries: list[str], **settings: object) -> tuple[list[str], DeepEyesEnv]:
    recording = {"path": str(path / "r.sqlite"), "mode": mode} | settings
    env = DeepEyesEnv(search={"recording": recording})
    observations = [env.reset(seed=3)[0]["text"]]
    for query in queries:
        call = json.dumps({"name": "search", "arguments": {"query": query}})
        observations.append(env.step(f"<think></think><tool_call>{call}</tool_call>")[0]["text"])
    image = env.step('<think></think><tool_call>{"name": "image_search"}</tool_call>')[0]
    observations += [image["text"], *(array.tobytes().hex() for array in image["images"])]
    return observations, env


def test_a_replayed_episode_is_byte_identical(tmp_path: Path) -> None:
    heard, live = _episode(tmp_path, "replay_or_live", ["founder", "mountain river", "zzzz qqqq"])
    again, replay = _episode(tmp_path, "replay", ["founder", "mountain river", "zzzz qqqq"])
    assert again == heard
    assert "found 5 results" in heard[1]
    assert "found 0 results" in heard[3]
    assert live.search_engine is not None
    assert replay.search_engine is not None
    assert tally_of(replay.search_engine) == tally_of(live.search_engine) == Tally(4, 0)


def test_a_replay_that_misses_too_much_stops_the_run(tmp_path: Path) -> None:
    _episode(tmp_path, "record", ["capital"])
    with pytest.raises(TooManyMissesError, match=r"r\.sqlite.*1 of 1 requests"):
        _episode(tmp_path, "replay", ["another"], max_miss_rate=0.0, misses_after=1)


def test_a_page_with_the_question_is_never_found(tmp_path: Path) -> None:
    env = DeepEyesEnv(search={})
    env.reset(seed=3)
    question = env.episode.task.question
    assert len(question) >= 20
    own = env.tasks.search_engine()
    assert own is not None

    class Leaking:
        def search_text(self, query, k=5):
            return SearchResponse(
                (Hit(1, "Q&A", "u", f"{question.upper()} The answer is 7."), Hit(2, "fine", "u"))
            )

        search_image = own.search_image

    class Source:
        name = "leaking"
        size, task = env.tasks.size, env.tasks.task

        def search_engine(self):
            return Leaking()

    for settings in ({}, {"search": {}}):
        leaking = DeepEyesEnv(tasks=Source(), **settings)
        leaking.reset(seed=3)
        call = json.dumps({"name": "search", "arguments": {"query": "x"}})
        text = leaking.step(f"<think></think><tool_call>{call}</tool_call>")[0]["text"]
        assert "found 1 results" in text
        assert "The answer is 7" not in text
