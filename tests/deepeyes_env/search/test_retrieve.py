"""The client of `/retrieve` servers: every dialect, every misbehaviour, and our own server."""

import json
import pickle
from typing import Any

import pytest
from misbehaving_server import RETRY_SECONDS, MisbehavingServer, reply
from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import Hit, SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.retrieve import TOKEN_VARIABLE, RetrieveEngine

DOCUMENT = {"id": "7", "contents": '"The Lighthouse"\nIt was built in 1874.\nOf stone.'}
HIT = Hit(1, "The Lighthouse", "", "It was built in 1874. Of stone.", doc_id="7")


def ask(result: Any, k: int = 5) -> tuple[SearchResponse, Any]:
    with MisbehavingServer() as server:
        server.behaviours["retrieve"] = reply(200, json.dumps({"result": result}))
        response = RetrieveEngine(server.url("retrieve")).search_text(" a  query ", k)
        return response, server.requests[-1]


def test_the_request_is_search_r1s() -> None:
    _, request = ask([[]], 4)
    assert (request.method, request.path) == ("POST", "/retrieve")
    assert request.json == {"queries": ["a query"], "topk": 4, "return_scores": True}


@pytest.mark.parametrize(
    ("item", "hit"),
    [
        ({"document": DOCUMENT, "score": 0.5}, Hit(1, HIT.title, "", HIT.snippet, doc_id="7", score=0.5)),
        (DOCUMENT, HIT),
        ({"document": {"contents": DOCUMENT["contents"]}}, Hit(1, HIT.title, "", HIT.snippet)),
        ({"contents": "Bare title\ntext"}, Hit(1, "Bare title", "", "text")),
        ({"contents": "A passage alone."}, Hit(1, "", "", "A passage alone.")),
        ({"contents": '"A title alone"'}, Hit(1, "A title alone", "")),
        ({"id": 3, "contents": '"The "Old" Inn"\nx'}, Hit(1, 'The "Old" Inn', "", "x", doc_id="3")),
        ({"document": DOCUMENT, "score": 10**400}, HIT),
        ({"document": DOCUMENT, "score": "high"}, HIT),
        (
            DOCUMENT | {"url": "https://e.example/7", "date": "1999"},
            Hit(1, HIT.title, "https://e.example/7", HIT.snippet, "1999", doc_id="7"),
        ),
        (DOCUMENT | {"url": "javascript:alert(1)"}, HIT),
    ],
)
def test_every_shape_of_a_hit_is_read(item: Any, hit: Hit) -> None:
    response, _ = ask([[item]])
    assert response == SearchResponse((hit,), backend="retrieve")


def test_hits_are_ranked_and_no_more_than_asked_for() -> None:
    response, _ = ask([[DOCUMENT | {"id": str(number)} for number in range(9)]], 3)
    assert [(hit.rank, hit.doc_id) for hit in response.hits] == [(1, "0"), (2, "1"), (3, "2")]
    assert ask([[]])[0].error is SearchErrorKind.NO_RESULTS


@pytest.mark.parametrize(
    "result", [None, [], {}, "x", [[], []], [{}], [[1]], [[{}]], [[{"document": 5}]], [[{"contents": 5}]]]
)
def test_a_broken_body_is_the_services_fault(result: Any) -> None:
    response, _ = ask(result)
    assert response.error is SearchErrorKind.UNAVAILABLE
    assert response.detail
    assert response.hits == ()


@pytest.mark.parametrize(
    ("behaviour", "kind", "retry_after"),
    [
        ("rate_limited", SearchErrorKind.RATE_LIMITED, RETRY_SECONDS),
        ("rate_limited_nonsense", SearchErrorKind.RATE_LIMITED, None),
        ("status/500", SearchErrorKind.UNAVAILABLE, None),
        ("status/404", SearchErrorKind.UNAVAILABLE, None),
        ("status/422", SearchErrorKind.UNAVAILABLE, None),
        ("status/504", SearchErrorKind.TIMEOUT, None),
        ("redirect_private", SearchErrorKind.UNAVAILABLE, None),
        ("html_for_json", SearchErrorKind.UNAVAILABLE, None),
        ("invalid_json", SearchErrorKind.UNAVAILABLE, None),
        ("deep_json", SearchErrorKind.UNAVAILABLE, None),
        ("json_list", SearchErrorKind.UNAVAILABLE, None),
        ("endless_json", SearchErrorKind.UNAVAILABLE, None),
        ("huge_json", SearchErrorKind.UNAVAILABLE, None),
        ("gzip_bomb", SearchErrorKind.UNAVAILABLE, None),
        ("truncated", SearchErrorKind.UNAVAILABLE, None),
        ("reset_midway", SearchErrorKind.UNAVAILABLE, None),
        ("garbage", SearchErrorKind.UNAVAILABLE, None),
        ("silence", SearchErrorKind.UNAVAILABLE, None),
        ("slow_headers", SearchErrorKind.TIMEOUT, None),
        ("drip_json", SearchErrorKind.TIMEOUT, None),
    ],
)
def test_failures_are_told_by_kind(behaviour: str, kind: SearchErrorKind, retry_after: float | None) -> None:
    # Time enough on a busy machine, where it is not the end of it that is waited for.
    seconds = 1.0 if kind is SearchErrorKind.TIMEOUT else 60.0
    with MisbehavingServer() as server:
        response = RetrieveEngine(server.url(behaviour), seconds).search_text("x")
        assert len(server.requests) == 1  # no second try
    assert (response.error, response.retry_after, response.hits) == (kind, retry_after, ())
    assert response.detail


def test_nobody_there_is_unavailable() -> None:
    with MisbehavingServer() as server:
        url = server.url("retrieve")
    assert RetrieveEngine(url).search_text("x").error is SearchErrorKind.UNAVAILABLE


def test_what_cannot_be_asked_is_not_sent() -> None:
    with MisbehavingServer() as server:
        engine = RetrieveEngine(server.url("retrieve"))
        responses = [engine.search_text(" "), engine.search_text("x", 0), engine.search_text("x" * 3000)]
        by_image = engine.search_image(Image.new("RGB", (9, 9)))
        assert server.requests == []
    assert {response.error for response in responses} == {SearchErrorKind.BAD_REQUEST}
    assert by_image.error is SearchErrorKind.UNSUPPORTED


@pytest.mark.usefixtures("dead_proxy")
def test_the_token_is_sent_to_this_machine_without_a_proxy_and_never_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret-word\n")
    with MisbehavingServer() as server:
        server.behaviours["retrieve"] = reply(401, json.dumps({"detail": "bad token s3cret-word"}))
        engine = pickle.loads(pickle.dumps(RetrieveEngine(server.url("retrieve"))))
        response = engine.search_text("x")
        assert server.requests[-1].headers["authorization"] == "Bearer s3cret-word"
    assert response.error is SearchErrorKind.UNAVAILABLE
    assert "s3cret-word" not in response.detail


def test_an_address_must_be_one_of_a_route() -> None:
    assert isinstance(RetrieveEngine("http://127.0.0.1:8000/retrieve/"), SearchEngine)
    for url in ("", "localhost", "http://127.0.0.1:8000", "http://[x/retrieve"):
        with pytest.raises(ConfigError):
            RetrieveEngine(url)
