"""LiteLLM's own clients of SearXNG, Serper and Tavily against the misbehaving server."""

import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from misbehaving_server import RETRY_SECONDS, MisbehavingServer, reply
from PIL import Image

import deepeyes_env
from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import SearchEngine, SearchErrorKind
from deepeyes_env.search.live import LiteLLMSearchConfig
from deepeyes_env.search.live.litellm_search import LiteLLMSearchEngine

KEY = "k3y-that-nobody-may-see"
VARIABLE = "A_KEY_FOR_TESTS"
FOUND = {
    "results": [
        {"title": "One", "url": "https://one.example/", "content": "First.", "publishedDate": "2020-01-01"},
        {"title": "Two", "url": "https://two.example/", "content": "Second."},
    ],
    "organic": [{"title": "One", "link": "https://one.example/", "snippet": "First."}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as server:
        server.behaviours["found"] = reply(200, json.dumps(FOUND))
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def config(provider: str, url: str, seconds: float = 10.0) -> LiteLLMSearchConfig:
    return LiteLLMSearchConfig(
        provider=provider, key_variable=VARIABLE, base_url=url, timeout_seconds=seconds
    )


def test_searxng_answers(server: MisbehavingServer) -> None:
    response = LiteLLMSearchEngine(config("searxng", server.url("found"))).search_text("what is one?", 1)
    assert [(hit.rank, hit.title, hit.url, hit.snippet, hit.date) for hit in response.hits] == [
        (1, "One", "https://one.example/", "First.", "2020-01-01")
    ]
    assert (response.error, response.backend, response.cost) == (None, "litellm/searxng", 0.0)
    asked = server.requests[-1]
    assert (asked.path, asked.query["q"], asked.query["format"]) == ("/found/search", "what is one?", "json")


def test_a_paid_provider_answers_with_its_price_and_gets_its_key(server: MisbehavingServer) -> None:
    response = LiteLLMSearchEngine(config("serper", server.url("found"))).search_text("x", 3)
    assert [hit.title for hit in response.hits] == ["One"]
    assert response.cost == pytest.approx(0.001)
    asked = server.requests[-1]
    assert asked.headers["x-api-key"] == KEY
    assert asked.json == {"q": "x", "num": 3}


@pytest.mark.parametrize("provider", ["searxng", "serper", "tavily"])
@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("nothing", SearchErrorKind.NO_RESULTS),
        ("rate_limited", SearchErrorKind.RATE_LIMITED),
        ("status/400", SearchErrorKind.UNAVAILABLE),
        ("status/413", SearchErrorKind.BAD_REQUEST),
        ("status/401", SearchErrorKind.UNAVAILABLE),
        ("status/402", SearchErrorKind.BUDGET),
        ("status/403", SearchErrorKind.UNAVAILABLE),
        ("status/500", SearchErrorKind.UNAVAILABLE),
        ("status/503", SearchErrorKind.UNAVAILABLE),
        ("reset", SearchErrorKind.UNAVAILABLE),
        ("silence", SearchErrorKind.UNAVAILABLE),
        ("truncated", SearchErrorKind.UNAVAILABLE),
        ("invalid_json", SearchErrorKind.UNAVAILABLE),
        ("html_for_json", SearchErrorKind.UNAVAILABLE),
        ("deep_json", SearchErrorKind.UNAVAILABLE),
        ("json_list", SearchErrorKind.UNAVAILABLE),
        ("json_numbers", SearchErrorKind.UNAVAILABLE),
        ("json_list_of_texts", SearchErrorKind.UNAVAILABLE),
    ],
)
def test_a_provider_that_misbehaves_is_a_response_of_the_right_kind(
    server: MisbehavingServer, provider: str, behaviour: str, kind: SearchErrorKind
) -> None:
    server.behaviours["nothing"] = reply(200, json.dumps({"results": [], "organic": []}))
    response = LiteLLMSearchEngine(config(provider, server.url(behaviour))).search_text("x")
    assert (response.error, response.hits) == (kind, ())
    assert KEY not in repr(response)
    assert "Traceback" not in response.detail
    if behaviour == "rate_limited":
        assert response.retry_after == RETRY_SECONDS


def test_a_request_is_at_fault_only_where_another_was_understood(server: MisbehavingServer) -> None:
    server.behaviours["fussy"] = reply(422, b"{}")
    engine = LiteLLMSearchEngine(config("searxng", server.url("fussy")))
    assert engine.search_text("x").error == SearchErrorKind.UNAVAILABLE
    server.behaviours["fussy"] = reply(200, json.dumps(FOUND))
    assert engine.search_text("x").hits
    server.behaviours["fussy"] = reply(422, b"{}")
    assert engine.search_text("x").error == SearchErrorKind.BAD_REQUEST


@pytest.mark.parametrize("behaviour", ["slow_headers", "drip_json", "drip_headers"])
@pytest.mark.parametrize("provider", ["searxng", "serper"])
def test_a_slow_provider_is_a_timeout(server: MisbehavingServer, provider: str, behaviour: str) -> None:
    response = LiteLLMSearchEngine(config(provider, server.url(behaviour), 0.5)).search_text("x")
    assert response.error == SearchErrorKind.TIMEOUT


def test_nothing_is_asked_twice(server: MisbehavingServer) -> None:
    """Retries are a wrapper's."""
    engine = LiteLLMSearchEngine(config("serper", server.url("status/503")))
    before = len(server.requests)
    engine.search_text("x")
    assert len(server.requests) == before + 1


def test_a_bad_key_names_the_variable_and_is_not_told(
    server: MisbehavingServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    server.behaviours["echo"] = reply(401, json.dumps({"message": f"Invalid key {KEY}"}))
    engine = LiteLLMSearchEngine(config("serper", server.url("echo")))
    with caplog.at_level(logging.INFO):
        response = engine.search_text("x")
    assert VARIABLE in response.detail
    out, err = capfd.readouterr()
    for text in (response.detail, caplog.text, out, err, repr(vars(engine)), str(pickle.dumps(engine))):
        assert KEY not in text
    assert out == ""


def test_a_key_that_litellm_misses_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAVILY_API_KEY", raising=False)
    response = LiteLLMSearchEngine(LiteLLMSearchConfig(provider="tavily")).search_text("x")
    assert response.error == SearchErrorKind.UNAVAILABLE
    assert "TAVILY_API_KEY" in response.detail


def test_searching_by_image_says_what_to_do_instead(server: MisbehavingServer) -> None:
    engine = LiteLLMSearchEngine(config("searxng", server.url("found")))
    assert isinstance(engine, SearchEngine)
    response = engine.search_image(Image.new("RGB", (9, 9)))
    assert response.error == SearchErrorKind.UNSUPPORTED
    assert "Serper" in response.detail


def test_what_cannot_be_asked_is_not_sent(server: MisbehavingServer) -> None:
    engine = LiteLLMSearchEngine(config("searxng", server.url("found")))
    before = len(server.requests)
    assert engine.search_text(" ").error == SearchErrorKind.BAD_REQUEST
    assert engine.search_text("x", 0).error == SearchErrorKind.BAD_REQUEST
    assert len(server.requests) == before


def test_an_unknown_provider_and_a_missing_key_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"none of .*tavily"):
        LiteLLMSearchEngine(LiteLLMSearchConfig(provider="altavista"))
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        LiteLLMSearchEngine(LiteLLMSearchConfig(provider="tavily", key_variable="NO_SUCH_KEY"))


IMPORTS = """
import socket, sys
def refuse(*_, **__):
    raise SystemExit("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from deepeyes_env.search.live import LiteLLMSearchConfig
from deepeyes_env.search.live.litellm_search import LiteLLMSearchEngine
assert "litellm" not in sys.modules
LiteLLMSearchEngine(LiteLLMSearchConfig(provider="searxng"))
assert "litellm" in sys.modules
import os
assert "A_KEY_FROM_A_FILE" not in os.environ
"""


def test_its_import_is_late_phones_nowhere_and_reads_no_keys_from_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A_KEY_FROM_A_FILE=secret")
    environment = {name: value for name, value in os.environ.items() if "LITELLM" not in name}
    environment["PYTHONPATH"] = str(Path(deepeyes_env.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
