"""The server that other tests rely on answers well where it should."""

import httpx
from misbehaving_server import MisbehavingServer, reply


def test_it_serves_many_at_once_and_notes_what_it_was_asked() -> None:
    with MisbehavingServer() as server, httpx.Client(trust_env=False) as client:
        assert "Hello" in client.get(server.url("hello")).text
        server.behaviours["mine"] = reply(201, b"{}", X_Made="here")
        answer = client.post(server.url("mine") + "/search?q=a%20b", json={"k": 3})
        assert (answer.status_code, answer.headers["x-made"]) == (201, "here")
        asked = server.requests[-1]
        assert (asked.method, asked.path, asked.query, asked.json) == (
            "POST",
            "/mine/search",
            {"q": "a b"},
            {"k": 3},
        )
        assert client.get(server.url("no_such_behaviour")).status_code == 404


def test_it_closes_while_a_client_still_waits() -> None:
    with MisbehavingServer() as server:
        waiting = httpx.Client(trust_env=False, timeout=30).stream("GET", server.url("drip"))
        waiting.__enter__()
