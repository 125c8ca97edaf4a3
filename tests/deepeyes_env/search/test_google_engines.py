"""Serper and SerpAPI against a server that answers as they do, or misbehaves in every way."""

import io
import json
import logging
import os
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from misbehaving_server import RETRY_SECONDS, Connection, MisbehavingServer, reply
from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import SearchEngine, SearchErrorKind
from deepeyes_env.search.fetch import Fetcher, FetchLimits
from deepeyes_env.search.fetch.guard import Guard
from deepeyes_env.search.live import SerpApiConfig, SerperConfig
from deepeyes_env.search.live.failure import DETAIL_CHARS
from deepeyes_env.search.live.json_client import JsonClient, Key
from deepeyes_env.search.live.serpapi import SerpApiEngine
from deepeyes_env.search.live.serper import SerperEngine

KEY = "k3y-that-nobody-may-see"
PICTURE = Image.linear_gradient("L").convert("RGB")
UPLOADED = "https://pictures.example/1.jpg"

Engine = SerperEngine | SerpApiEngine
both = pytest.mark.parametrize("service", ["serper", "serpapi"])


@pytest.fixture(scope="module")
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as server:
        yield server


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERPER_API_KEY", "SERPAPI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def upload(data: bytes) -> str:
    return UPLOADED


def make(service: str, url: str, seconds: float = 10.0, **options: Any) -> Engine:
    if service == "serper":
        return SerperEngine(SerperConfig(base_url=url, timeout_seconds=seconds), **options)
    return SerpApiEngine(SerpApiConfig(base_url=url, timeout_seconds=seconds), **options)


SERPER_TEXT = {
    "searchParameters": {"q": "x"},
    "organic": [
        {
            "title": "One",
            "link": "https://one.example/",
            "snippet": "First.",
            "date": "1 Jan 2020",
            "position": 1,
        },
        {"title": "Two", "link": "https://two.example/", "snippet": "Second.", "position": 2},
    ],
    "credits": 2,
}
SERPAPI_TEXT = {
    "search_metadata": {"status": "Success"},
    "organic_results": SERPER_TEXT["organic"],
}


def test_serper_is_asked_in_its_own_words(server: MisbehavingServer) -> None:
    server.behaviours["serper"] = reply(200, json.dumps(SERPER_TEXT))
    response = make("serper", server.url("serper")).search_text(" what\n is x ", 1)
    assert [(hit.rank, hit.title, hit.url, hit.snippet, hit.date) for hit in response.hits] == [
        (1, "One", "https://one.example/", "First.", "1 Jan 2020")
    ]
    assert (response.error, response.backend, response.cost) == (None, "serper", 0.002)
    asked = server.requests[-1]
    assert (asked.method, asked.path) == ("POST", "/serper/search")
    assert asked.json == {"q": "what is x", "num": 1, "gl": "us", "hl": "en"}
    assert asked.headers["x-api-key"] == KEY


@pytest.mark.parametrize("credits", [-1, 10**400, "many", None])
def test_a_nonsensical_price_is_that_of_one_credit(server: MisbehavingServer, credits: object) -> None:
    server.behaviours["serper"] = reply(200, json.dumps(SERPER_TEXT | {"credits": credits}))
    assert make("serper", server.url("serper")).search_text("x", 1).cost == 0.001


def test_a_forked_process_has_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    client = JsonClient("http://127.0.0.1:9", 1.0, Key(""))
    connections = client._client()
    assert client._client() is connections
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert client._client() is not connections


def test_serpapi_is_asked_in_its_own_words(server: MisbehavingServer) -> None:
    server.behaviours["serpapi"] = reply(200, json.dumps(SERPAPI_TEXT))
    response = make("serpapi", server.url("serpapi")).search_text("what is x?", 5)
    assert [hit.rank for hit in response.hits] == [1, 2]
    assert response.hits[1].date is None
    assert (response.error, response.backend, response.cost) == (None, "serpapi", 0.015)
    asked = server.requests[-1]
    assert (asked.method, asked.path) == ("GET", "/serpapi/search.json")
    expected = {
        "engine": "google",
        "q": "what is x?",
        "gl": "us",
        "hl": "en",
        "output": "json",
        "api_key": KEY,
    }
    assert asked.query == expected


@both
@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("rate_limited", SearchErrorKind.RATE_LIMITED),
        ("rate_limited_nonsense", SearchErrorKind.RATE_LIMITED),
        ("status/400", SearchErrorKind.UNAVAILABLE),
        ("status/413", SearchErrorKind.BAD_REQUEST),
        ("status/414", SearchErrorKind.BAD_REQUEST),
        ("status/422", SearchErrorKind.UNAVAILABLE),
        ("status/401", SearchErrorKind.UNAVAILABLE),
        ("status/402", SearchErrorKind.BUDGET),
        ("status/403", SearchErrorKind.UNAVAILABLE),
        ("status/404", SearchErrorKind.UNAVAILABLE),
        ("status/500", SearchErrorKind.UNAVAILABLE),
        ("status/503", SearchErrorKind.UNAVAILABLE),
        ("status/504", SearchErrorKind.TIMEOUT),
        ("redirect_private", SearchErrorKind.UNAVAILABLE),
        ("redirect_to_hello", SearchErrorKind.UNAVAILABLE),
        ("endless_json", SearchErrorKind.UNAVAILABLE),
        ("endless_headers", SearchErrorKind.UNAVAILABLE),
        ("gzip_bomb", SearchErrorKind.UNAVAILABLE),
        ("huge_json", SearchErrorKind.UNAVAILABLE),
        ("deep_json", SearchErrorKind.UNAVAILABLE),
        ("reset", SearchErrorKind.UNAVAILABLE),
        ("reset_midway", SearchErrorKind.UNAVAILABLE),
        ("silence", SearchErrorKind.UNAVAILABLE),
        ("garbage", SearchErrorKind.UNAVAILABLE),
        ("truncated", SearchErrorKind.UNAVAILABLE),
        ("bad_gzip", SearchErrorKind.UNAVAILABLE),
        ("wrong_type", SearchErrorKind.UNAVAILABLE),
        ("invalid_json", SearchErrorKind.UNAVAILABLE),
        ("invalid_utf8", SearchErrorKind.UNAVAILABLE),
        ("html_for_json", SearchErrorKind.UNAVAILABLE),
        ("json_list", SearchErrorKind.UNAVAILABLE),
        ("json_null", SearchErrorKind.UNAVAILABLE),
        ("json_text_for_list", SearchErrorKind.UNAVAILABLE),
        ("json_list_of_texts", SearchErrorKind.UNAVAILABLE),
        ("json_null_fields", SearchErrorKind.UNAVAILABLE),
        ("json_numbers", SearchErrorKind.UNAVAILABLE),
    ],
)
def test_a_service_that_misbehaves_is_a_response_of_the_right_kind(
    server: MisbehavingServer, service: str, behaviour: str, kind: SearchErrorKind
) -> None:
    response = make(service, server.url(behaviour)).search_text("x")
    assert (response.error, response.hits, response.backend, response.cost) == (kind, (), service, 0.0)
    assert response.detail
    assert KEY not in repr(response)


@both
@pytest.mark.parametrize("status", [400, 422])
def test_a_request_is_at_fault_only_where_another_was_understood(
    server: MisbehavingServer, service: str, status: int
) -> None:
    """Until then it may be the settings that are refused, as a country that the service does not know."""
    refusal = reply(status, json.dumps({"message": "Unsupported country", "error": "Unsupported country"}))
    server.behaviours["fussy"] = refusal
    engine = make(service, server.url("fussy"))
    first = engine.search_text("x")
    assert first.error == SearchErrorKind.UNAVAILABLE
    assert "settings" in first.detail
    assert "Unsupported country" in first.detail
    server.behaviours["fussy"] = reply(200, json.dumps({"error": "Something broke inside"}))
    engine.search_text("x")
    server.behaviours["fussy"] = refusal
    assert engine.search_text("x").error == SearchErrorKind.UNAVAILABLE, "an error proves nothing"
    server.behaviours["fussy"] = reply(200, json.dumps(SERPER_TEXT | SERPAPI_TEXT))
    assert engine.search_text("x").hits
    server.behaviours["fussy"] = refusal
    assert engine.search_text("x").error == SearchErrorKind.BAD_REQUEST


@both
@pytest.mark.parametrize("behaviour", ["slow_headers", "drip_json", "drip_headers"])
def test_a_slow_service_is_a_timeout_at_the_cap(
    server: MisbehavingServer, service: str, behaviour: str
) -> None:
    start = time.monotonic()
    response = make(service, server.url(behaviour), 0.4).search_text("x")
    assert response.error == SearchErrorKind.TIMEOUT
    assert time.monotonic() - start < 10, "the drip would go on for ever"


@both
def test_a_closed_port_is_unavailable(service: str) -> None:
    with MisbehavingServer() as other:
        url = other.url("hello")
    assert make(service, url).search_text("x").error == SearchErrorKind.UNAVAILABLE


@both
def test_when_to_ask_again_is_read_in_both_forms(server: MisbehavingServer, service: str) -> None:
    assert make(service, server.url("rate_limited")).search_text("x").retry_after == RETRY_SECONDS
    wait = make(service, server.url("rate_limited_date")).search_text("x").retry_after
    assert wait is not None
    assert 0 < wait <= RETRY_SECONDS
    assert make(service, server.url("rate_limited_nonsense")).search_text("x").retry_after is None


@both
def test_a_bad_key_names_the_variable_to_mend(server: MisbehavingServer, service: str) -> None:
    server.behaviours["echo"] = reply(
        401, json.dumps({"message": f"Invalid key {KEY}!", "error": f"no {KEY}"})
    )
    response = make(service, server.url("echo")).search_text("x")
    assert {"serper": "SERPER_API_KEY", "serpapi": "SERPAPI_API_KEY"}[service] in response.detail
    assert KEY not in response.detail
    assert "[secret]" in response.detail


@both
def test_no_part_of_a_key_is_left_by_a_cut(server: MisbehavingServer, service: str) -> None:
    for length in range(200, DETAIL_CHARS, 5):
        server.behaviours["echo"] = reply(401, json.dumps({"message": f"{'x' * length} {KEY}"}))
        response = make(service, server.url("echo")).search_text("x")
        assert KEY[:6] not in response.detail
        assert len(response.detail) <= DETAIL_CHARS


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Not enough credits", SearchErrorKind.BUDGET),
        (429, "Your account has run out of searches.", SearchErrorKind.BUDGET),
        (200, "Your account has run out of searches.", SearchErrorKind.BUDGET),
        (429, "You exceeded your hourly throughput limit", SearchErrorKind.RATE_LIMITED),
        (429, "Quota exceeded for Queries per minute", SearchErrorKind.RATE_LIMITED),
        (200, "Something broke inside", SearchErrorKind.UNAVAILABLE),
    ],
)
def test_a_spent_account_is_a_matter_of_budget(
    server: MisbehavingServer, status: int, message: str, kind: SearchErrorKind
) -> None:
    server.behaviours["spent"] = reply(status, json.dumps({"error": message}))
    assert make("serpapi", server.url("spent")).search_text("x").error == kind


@both
def test_nothing_found_is_no_failure_and_costs(server: MisbehavingServer, service: str) -> None:
    for body in (
        {"organic": [], "searchParameters": {}, "organic_results": [], "search_metadata": {}},
        {"searchParameters": {}, "search_metadata": {}},
    ):
        server.behaviours["nothing"] = reply(200, json.dumps(body))
        response = make(service, server.url("nothing")).search_text("x")
        assert (response.error, response.hits) == (SearchErrorKind.NO_RESULTS, ())
        assert response.cost > 0
    server.behaviours["empty"] = reply(200, b"{}")
    assert make(service, server.url("empty")).search_text("x").error == SearchErrorKind.UNAVAILABLE


def test_serpapi_says_in_an_error_that_nothing_was_found(server: MisbehavingServer) -> None:
    message = "Google hasn't returned any results for this query."
    server.behaviours["nothing"] = reply(200, json.dumps({"error": message}))
    response = make("serpapi", server.url("nothing")).search_text("x")
    assert response.error == SearchErrorKind.NO_RESULTS


@both
@pytest.mark.parametrize(("query", "k"), [("", 5), (" \n", 5), ("x", 0), ("\ud800", 5), ("x" * 5_000, 5)])
def test_what_cannot_be_asked_is_not_sent(
    server: MisbehavingServer, service: str, query: str, k: int
) -> None:
    before = len(server.requests)
    response = make(service, server.url("hello")).search_text(query, k)
    assert (response.error, response.recorded) == (SearchErrorKind.BAD_REQUEST, True)
    assert len(server.requests) == before


@both
def test_a_key_stays_out_of_logs_names_and_pickles(
    server: MisbehavingServer, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.behaviours["both"] = reply(200, json.dumps(SERPER_TEXT | SERPAPI_TEXT))
    engine = make(service, server.url("both"), upload=upload)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "httpx"):
        response = engine.search_text("x")
    assert "/both/search" in caplog.text
    data = pickle.dumps(engine)
    for text in (caplog.text, repr(engine), repr(vars(engine)), repr(response), str(data)):
        assert KEY not in text
    assert pickle.loads(data).search_text("x") == response


@both
def test_without_a_key_the_variable_is_named(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY")
    monkeypatch.delenv("SERPAPI_API_KEY")
    with pytest.raises(ConfigError, match=r"SERP(ER|API)_API_KEY"):
        make(service, "https://service.example")


@both
@pytest.mark.parametrize(
    "url",
    ["", "service.example", "ftp://service.example", "https://", "http://[::1", "https://a:b@c.example"],
)
def test_an_address_that_is_none_is_refused_at_once(service: str, url: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        make(service, url)


# Search by image.

LENS_HITS = [
    {"title": "Tower", "link": "https://tower.example/", "source": "Tower"},
    {"title": "Bridge", "link": "https://bridge.example/", "source": "Bridge"},
]


def lens(server: MisbehavingServer, *pictures: str) -> str:
    """A service that finds a hit for each of the addresses of `pictures`."""
    hits = [
        hit | {"thumbnailUrl": address, "thumbnail": address}
        for hit, address in zip(LENS_HITS, pictures, strict=False)
    ]
    body = {"organic": hits, "searchParameters": {}, "visual_matches": hits, "search_metadata": {}}
    server.behaviours["lens"] = reply(200, json.dumps(body))
    return server.url("lens")


@both
def test_a_picture_is_uploaded_and_its_address_is_searched(server: MisbehavingServer, service: str) -> None:
    sent = []

    def keep(data: bytes) -> str:
        sent.append(data)
        return UPLOADED

    engine = make(service, lens(server, "https://a.example/", "https://b.example/"), upload=keep)
    response = engine.search_image(PICTURE, 5, region=(10, 20, 110, 70))
    assert [(hit.rank, hit.title, hit.thumbnail) for hit in response.hits] == [
        (1, "Tower", None),
        (2, "Bridge", None),
    ]
    assert response.cost > 0
    assert "set thumbnails" in response.detail
    with Image.open(io.BytesIO(sent[0])) as picture:
        assert (picture.format, picture.size) == ("JPEG", (100, 50))
    asked = server.requests[-1]
    if service == "serper":
        assert asked.path == "/lens/lens"
        assert asked.json == {"url": UPLOADED, "gl": "us", "hl": "en"}
    else:
        assert asked.query["engine"] == "google_lens"
        assert asked.query["url"] == UPLOADED


@both
def test_without_an_upload_only_image_search_is_unsupported(server: MisbehavingServer, service: str) -> None:
    engine = make(service, lens(server))
    before = len(server.requests)
    response = engine.search_image(PICTURE)
    assert response.error == SearchErrorKind.UNSUPPORTED
    assert "set upload" in response.detail
    assert len(server.requests) == before
    assert engine.search_text("x").error == SearchErrorKind.NO_RESULTS


@both
@pytest.mark.parametrize("region", [(0, 0, 0, 0), (5, 5, 2, 9), (-1, 0, 5, 5), (0, 0, 9_999, 5)])
def test_a_region_outside_the_picture_is_a_bad_request(
    server: MisbehavingServer, service: str, region: tuple[int, int, int, int]
) -> None:
    response = make(service, lens(server), upload=upload).search_image(PICTURE, region=region)
    assert response.error == SearchErrorKind.BAD_REQUEST


@both
def test_an_upload_that_fails_is_the_infrastructures_fault(server: MisbehavingServer, service: str) -> None:
    def broken(data: bytes) -> str:
        raise KeyError("bucket")

    response = make(service, lens(server), upload=broken).search_image(PICTURE)
    assert response.error == SearchErrorKind.UNAVAILABLE
    assert "KeyError" in response.detail
    for address in ("", "file:///tmp/1.jpg", None):
        response = make(service, lens(server), upload=lambda data, a=address: a).search_image(PICTURE)
        assert response.error == SearchErrorKind.UNAVAILABLE


@both
def test_a_refused_picture_is_not_the_policys_fault(server: MisbehavingServer, service: str) -> None:
    response = make(service, server.url("status/400"), upload=upload).search_image(PICTURE)
    assert response.error == SearchErrorKind.UNAVAILABLE


def test_an_upload_is_named_by_module_and_function(server: MisbehavingServer) -> None:
    config = SerperConfig(base_url=lens(server, "https://a.example/"), upload=f"{__name__}:upload")
    assert SerperEngine(config).search_image(PICTURE).error is None
    for wrong in ("nowhere:upload", f"{__name__}:nothing", f"{__name__}:KEY", "upload", ":", "a:"):
        with pytest.raises(ConfigError, match="upload"):
            SerperEngine(replace(config, upload=wrong))


def local_fetcher() -> Fetcher:
    return Fetcher(FetchLimits(seconds=2.0), Guard(lambda address: address.is_loopback, ports=None))


@both
def test_thumbnails_are_fetched_where_they_are_wanted(server: MisbehavingServer, service: str) -> None:
    url = lens(server, server.url("picture"), server.url("not_an_image"))
    config = {"serper": SerperConfig, "serpapi": SerpApiConfig}[service](base_url=url, thumbnails=True)
    engine = {"serper": SerperEngine, "serpapi": SerpApiEngine}[service](
        config,  # type: ignore[arg-type]
        upload=upload,
        fetcher=local_fetcher(),
    )
    response = engine.search_image(PICTURE)
    assert response.error is None
    assert [hit.thumbnail is not None for hit in response.hits] == [True, False]
    assert response.detail == "1 of 2 thumbnails are missing: 1 bad_image"


def test_thumbnails_come_from_the_open_internet_only(server: MisbehavingServer) -> None:
    config = SerperConfig(base_url=lens(server, server.url("picture")), thumbnails=True)
    response = SerperEngine(config, upload=upload).search_image(PICTURE)
    assert (response.error, response.hits) == (SearchErrorKind.UNAVAILABLE, ())
    assert response.detail == "1 of 1 thumbnails are missing: 1 refused"
    assert response.cost > 0
    assert [request.path for request in server.requests[-1:]] == ["/lens/lens"]


def test_many_threads_share_an_engine(server: MisbehavingServer) -> None:
    def echo(connection: Connection) -> None:
        query = connection.request.json["q"]
        hit = {"title": query, "link": "https://one.example/"}
        reply(200, json.dumps({"organic": [hit]}))(connection)

    server.behaviours["echo"] = echo
    engine = make("serper", server.url("echo"))
    assert isinstance(engine, SearchEngine)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: engine.search_text(f"query {n}").hits[0].title, range(40)))
    assert found == [f"query {n}" for n in range(40)]
