"""Several vLLM servers: who gets which conversation, and what happens when one dies."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from json_handler import JsonHandler
from talking import EXACT, Server, begin, changed_model, gap, play, vocabulary, width

from agents.policy import PolicyError, SamplingParams, SharedPolicy
from agents.qwen import ModelError
from agents.vllm.opening import open_vllm
from agents.vllm.requests import EngineMismatch
from agents.vllm.servers import VllmServers
from deepeyes_env.errors import ConfigError


def connect(*urls: str) -> VllmServers:
    return VllmServers(urls, vocabulary(), width())


class Refusing(BaseHTTPRequestHandler):
    """An HTTP server that is no vLLM."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def no_vllm() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_is_not_there_is_named_at_the_start():
    with pytest.raises(PolicyError, match=r"127\.0\.0\.1:9/health failed 3 times.*is the server running"):
        connect("http://127.0.0.1:9")


def test_a_server_that_is_no_vllm_is_told_how_to_become_one(no_vllm):
    with pytest.raises(EngineMismatch, match=r"health refuses the request \(404\).*deepeyes serve vllm"):
        connect(no_vllm)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8000", r"urls = '127\.0\.0\.1:8000': must be an address of http or https"),
        ("http://me:secret@127.0.0.1:9", "urls: no credentials in it"),
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_refused_before_it_is_asked(url, said):
    with pytest.raises(ConfigError, match=said) as raised:
        connect("http://127.0.0.1:9", url)
    assert "secret" not in str(raised.value)


class Page(Refusing):
    """A web server that greets everybody, whatever is asked."""

    def do_GET(self) -> None:
        self.greet(b"<html>welcome</html>")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def greet(self, page: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


class Cut(Page):
    """Says that its answer is packed, which it is not."""

    def greet(self, page: bytes) -> None:
        self.send_response(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.mark.parametrize(("handler", "said"), [(Page, "<html>welcome</html>"), (Cut, "DecodingError")])
def test_a_web_server_of_another_kind_is_named(handler, said, monkeypatch):
    monkeypatch.setattr("agents.vllm.server.ATTEMPTS", 1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever).start()
    try:
        with pytest.raises(PolicyError, match=rf"127\.0\.0\.1:{server.server_port}.*{said}"):
            connect(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


class Versioned(JsonHandler):
    """As much of a vLLM server as a client looks at when it connects."""

    version = "old"

    def do_GET(self) -> None:
        self.answer({"weight_version": self.version, "is_paused": False})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer({"choices": [{"logprobs": {"content": [{"logprob": 0}]}}]})


def test_weights_that_another_process_has_handed_over_are_adopted(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Versioned)
    Thread(target=server.serve_forever).start()
    policy = connect(f"http://127.0.0.1:{server.server_port}")
    assert isinstance(policy, SharedPolicy)
    try:
        monkeypatch.setattr(Versioned, "version", "new")
        asyncio.run(policy.adopt_weights())
        assert [(one.alive, one.version) for one in policy._servers] == [(True, "new")]
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(PolicyError, match="no server is there"):
        asyncio.run(policy.adopt_weights())
    asyncio.run(policy.close())


class Small(Versioned):
    """Answers every turn with one token; long prompts are more than it can bear."""

    well = True
    garbled: bytes | None = None

    def do_GET(self) -> None:
        if self.well:
            super().do_GET()
        else:
            self.send_error(503)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        if "token_ids" not in asked:
            self.answer({})
            return
        if not self.well or len(asked["token_ids"]) > 100:
            self.send_error(500)
            return
        if self.garbled is not None:
            self.send_response(200)
            self.send_header("content-length", str(len(self.garbled)))
            self.end_headers()
            self.wfile.write(self.garbled)
            return
        choice = {
            "token_ids": vocabulary().encode("a"),
            "logprobs": {"content": [{"logprob": 0}]},
            "finish_reason": "length",
            "weight_versions": [{"version": self.version}],
        }
        self.answer({"prompt_token_ids": asked["token_ids"], "usage": {}, "choices": [choice]})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[VllmServers]:
    """A policy on two servers of the same behaviour, asked once each."""
    monkeypatch.setattr("agents.vllm.server.ATTEMPTS", 1)
    started = [ThreadingHTTPServer(("127.0.0.1", 0), Small) for _ in range(2)]
    for server in started:
        Thread(target=server.serve_forever).start()
    policy = connect(*(f"http://127.0.0.1:{server.server_port}" for server in started))
    yield policy
    asyncio.run(policy.close())
    for server in started:
        server.shutdown()
        server.server_close()


def one_turn(policy: VllmServers, name: str = "short", words: int = 5) -> str:
    request = begin(name, images=0, words=words).to_request(7, name)
    return asyncio.run(policy.generate(request, SamplingParams())).text


def test_a_turn_that_servers_cannot_bear_takes_them_from_nobody_else(small):
    with pytest.raises(PolicyError, match=r"'poison'.*failed 1 times: 500.*says that it is well"):
        one_turn(small, "poison", words=200)
    assert [server.alive for server in small._servers] == [True, True]
    assert one_turn(small) == "a"


GARBLED = {
    "a page": b"<html>try later</html>",
    "no text": b"\xff\xfe",
    "nothing": b"",
    "a list": b"[]",
    "no choice": b'{"choices": []}',
    "no tokens": b'{"choices": [{"token_ids": null}], "prompt_token_ids": [], "usage": {}}',
}


@pytest.mark.parametrize("name", GARBLED)
def test_an_answer_that_is_none_is_a_failure_of_the_infrastructure(small, monkeypatch, name):
    monkeypatch.setattr(Small, "garbled", GARBLED[name])
    with pytest.raises(PolicyError, match=r"'short'.*is none of vLLM's.*says that it is well"):
        one_turn(small)
    monkeypatch.setattr(Small, "garbled", None)
    assert one_turn(small) == "a"


def test_servers_that_are_back_are_used_again_while_they_have_their_first_weights(small, monkeypatch):
    monkeypatch.setattr(Small, "well", False)
    with pytest.raises(PolicyError, match="no server is left for conversation 'short'"):
        one_turn(small)
    assert [server.alive for server in small._servers] == [False, False]
    monkeypatch.setattr(Small, "well", True)
    assert one_turn(small) == "a"
    monkeypatch.setattr(Small, "version", "another")
    with pytest.raises(PolicyError, match=r"has the weights \['another'\], not 'old'"):
        one_turn(small)


def test_servers_that_are_back_are_not_used_when_new_weights_were_sent(small, monkeypatch):
    asyncio.run(small.adopt_weights())
    monkeypatch.setattr(Small, "well", False)
    with pytest.raises(PolicyError, match="no server is left"):
        one_turn(small)
    monkeypatch.setattr(Small, "well", True)
    with pytest.raises(PolicyError, match="all have failed before"):
        one_turn(small)


class Channel:
    """Sends nothing; while it does, a turn is asked for."""

    def __init__(self, policy: VllmServers) -> None:
        self.policy = policy

    async def send(self, model: object, servers: object) -> None:
        request = begin("meanwhile", images=0, words=5).to_request(7, "meanwhile")
        with pytest.raises(PolicyError, match="no server is left"):
            await self.policy._generate(request, SamplingParams())

    def close(self) -> None:
        pass


def test_servers_that_are_back_are_not_asked_before_they_have_the_new_weights(small, monkeypatch):
    monkeypatch.setattr(Small, "well", False)
    with pytest.raises(PolicyError, match="no server is left"):
        one_turn(small)
    monkeypatch.setattr(Small, "well", True)
    small._weights = Channel(small)
    asyncio.run(small.update_weights(None))
    assert [(server.alive, server.awaits_weights) for server in small._servers] == [(True, False)] * 2


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"typo' is no model directory"):
        open_vllm(str(tmp_path / "typo"), ["http://127.0.0.1:9"])


@pytest.fixture(scope="module")
def both(servers: list[Server]) -> Iterator[VllmServers]:
    policy = connect(*(server.url for server in servers))
    yield policy
    asyncio.run(policy.close())


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(1500)
class TestTwoServers:
    """In this order: the last test kills one of them."""

    def test_a_conversation_stays_where_its_prefix_is(self, both, servers):
        """Both get conversations, and later turns come from the caches as with a single server."""
        before = [server.metric("vllm:prompt_tokens_total") for server in servers]
        cached = both.prompts.cached

        async def run():
            return await asyncio.gather(*(play(both, f"c{n}", words=300) for n in range(12)))

        trajectories = asyncio.run(run())
        assert gap(trajectories).max_abs < EXACT
        for server, tokens in zip(servers, before, strict=True):
            assert server.metric("vllm:prompt_tokens_total") > tokens
        assert both.prompts.cached - cached >= 2 * 12 * 256

    def test_the_choice_is_even_and_moves_only_what_has_to(self, both):
        requests = [begin("t").to_request(1, f"conversation-{n}") for n in range(200)]
        first = [both._preferred(request)[0].url for request in requests]
        assert first == [both._preferred(request)[0].url for request in requests]
        assert min(Counter(first).values()) > 70

    def test_both_get_new_weights(self, both):
        other = changed_model()

        async def run():
            await both.update_weights(other)
            return await asyncio.gather(*(play(both, f"w{n}", turns=1) for n in range(8)))

        assert gap(asyncio.run(run()), other).max_abs < EXACT

    def test_weights_that_somebody_else_changed_are_noticed(self, both, servers):
        answer = httpx.post(f"{servers[1].url}/update_weight_version", json={"new_version": "foreign"})
        assert answer.is_success
        alone = connect(servers[1].url)
        try:
            httpx.post(f"{servers[1].url}/update_weight_version", json={"new_version": "another"})
            with pytest.raises(PolicyError, match=r"has the weights \['another'\], not 'foreign'"):
                asyncio.run(play(alone, "x"))
            asyncio.run(alone.update_weights(changed_model()))
            assert gap([asyncio.run(play(alone, "x"))], changed_model()).max_abs < EXACT
        finally:
            asyncio.run(alone.close())
        # The other policy now finds that server stale, and goes on with the one that is left.
        trajectories = [asyncio.run(play(both, f"s{n}", turns=1)) for n in range(8)]
        assert gap(trajectories, changed_model()).max_abs < EXACT
        asyncio.run(both.update_weights(changed_model(1)))

    def test_a_dead_servers_conversations_move_to_another(self, both, servers):
        other = changed_model(1)
        assert [server.alive for server in both._servers] == [True, True]

        async def run():
            params = SamplingParams(max_tokens=100)
            played = [asyncio.create_task(play(both, f"d{n}", params=params)) for n in range(12)]
            await asyncio.sleep(0.5)
            servers[1].kill()
            return await asyncio.gather(*played)

        assert gap(asyncio.run(run()), other).max_abs < EXACT
        assert [server.alive for server in both._servers] == [True, False]
        asyncio.run(both.update_weights(changed_model()))
        assert gap([asyncio.run(play(both, "after"))], changed_model()).max_abs < EXACT

    def test_without_any_server_the_infrastructure_has_failed(self, both, servers):
        servers[0].kill()
        with pytest.raises(PolicyError, match="no server is left for conversation 'end'"):
            asyncio.run(play(both, "end"))
        with pytest.raises(PolicyError, match="no server is left"):
            asyncio.run(both.update_weights(changed_model()))
