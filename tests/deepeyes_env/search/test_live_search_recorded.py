"""A live service with everything around it: real HTTP, a real recording."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving_server import Connection, MisbehavingServer, reply

from deepeyes_env.config import ConfigError
from deepeyes_env.search import (
    BudgetConfig,
    LiveSearchConfig,
    RateConfig,
    RecordingConfig,
    RetryConfig,
    SearchConfig,
    SearchErrorKind,
    SerperConfig,
    open_search,
)
from deepeyes_env.search.recording.ledger import RecordedLedger
from deepeyes_env.search.recording.store import RecordingStore

KEY = "sk-0123456789-not-to-be-recorded"


class Moody:
    """Is busy, then answers, and repeats the key in what nobody asked for."""

    def __init__(self) -> None:
        self.busy = 1

    def __call__(self, connection: Connection) -> None:
        if self.busy:
            self.busy -= 1
            reply(429, b"{}", Retry_After="0")(connection)
            return
        hit = {"title": "Found <image>", "link": "https://example.org", "snippet": "s"}
        body = {"organic": [hit], "credits": 1, "searchParameters": {"apiKey": KEY}}
        reply(200, json.dumps(body), X_Your_Key=KEY)(connection)


def _config(server: MisbehavingServer, path: Path) -> SearchConfig:
    return SearchConfig(
        LiveSearchConfig(providers=(SerperConfig(base_url=server.url("moody")),)),
        RetryConfig(first_seconds=0.001),
        RateConfig(per_second=100),
        BudgetConfig(queries=4, dollars=1.0),
        RecordingConfig(str(path / "r.sqlite")),
    )


def test_a_live_search_is_retried_paid_recorded_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERPER_API_KEY", KEY)
    with MisbehavingServer() as server:
        server.behaviours["moody"] = moody = Moody()
        config = _config(server, tmp_path)
        engine = open_search(config)
        found = engine.search_text("What is it?")
        assert [(hit.title, hit.url) for hit in found.hits] == [("Found ‹image>", "https://example.org")]
        assert (found.backend, found.cost, found.recorded) == ("serper", 0.001, False)
        assert engine.search_text(" what IS it?").recorded
        assert len(server.requests) == 2
        assert {request.headers["x-api-key"] for request in server.requests} == {KEY}
        ledger = RecordedLedger(RecordingStore(tmp_path / "r.sqlite").database)
        assert ledger.spent() == (2, 0.001), "the failed request counts as a request"

        moody.busy = 99
        failed = engine.search_text("Another?")
        assert (failed.error, len(server.requests)) == (SearchErrorKind.BUDGET, 4)

    contents = [file.read_bytes() for file in tmp_path.iterdir()]
    assert any(b"example.org" in content for content in contents)
    assert not any(KEY.encode() in content for content in contents)

    monkeypatch.delenv("SERPER_API_KEY")
    assert config.recording is not None
    replay = replace(config, recording=replace(config.recording, mode="replay"))
    assert open_search(replay).search_text("what is it?").hits == found.hits
    with pytest.raises(ConfigError, match="SERPER_API_KEY"):
        open_search(config)
