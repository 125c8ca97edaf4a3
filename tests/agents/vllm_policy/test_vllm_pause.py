"""Servers that were paused for new weights go on, whatever becomes of the update; needs no vLLM."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from threading import Event, Thread

import pytest
from json_handler import JsonHandler
from talking import begin, vocabulary, width

from agents.policy import PolicyError, SamplingParams
from agents.vllm.server import ServerDown, VllmServer
from agents.vllm.servers import VllmServers


class Handler(JsonHandler):
    server: Pausable

    def do_GET(self) -> None:
        self.answer({"weight_version": self.server.version, "is_paused": not self.server.goes.is_set()})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path in self.server.failing:
            self.send_error(500)
            return
        self.answer(self.server.reply(path, asked))


class Pausable(ThreadingHTTPServer):
    """As much of a vLLM server as an update of weights needs; as there, a paused one keeps requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.version = "old"
        self.asked: list[str] = []
        self.failing: set[str] = set()
        self.loading, self.goes = Event(), Event()
        self.goes.set()
        self.url = f"http://127.0.0.1:{self.server_port}"
        Thread(target=self.serve_forever, daemon=True).start()

    def reply(self, path: str, asked: dict) -> dict:
        if path == "/pause":
            self.goes.clear()
        elif path == "/resume":
            self.goes.set()
        elif path == "/update_weight_version":
            self.version = asked["new_version"]
        elif path == "/load":
            self.loading.set()
        elif path.endswith("generate"):
            self.goes.wait(30)
            return self._turn(asked)
        return {}

    def _turn(self, asked: dict) -> dict:
        choice = {
            "token_ids": vocabulary().encode("a"),
            "logprobs": {"content": [{"logprob": 0}]},
            "finish_reason": "length",
            "weight_versions": [{"version": self.version}],
        }
        return {"prompt_token_ids": asked["token_ids"], "usage": {}, "choices": [choice]}


class Channel:
    """Posts to `/load`, then does what the test wants."""

    def __init__(self, then: Callable[[], object] = lambda: None, seconds: float = 0) -> None:
        self.then, self.seconds = then, seconds

    async def send(self, model: object, servers: list[VllmServer]) -> None:
        for server in servers:
            try:
                await server.post("/load")
            except ServerDown:
                server.alive = False
        await asyncio.sleep(self.seconds)
        self.then()

    def close(self) -> None:
        pass


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Pausable]]:
    monkeypatch.setattr("agents.vllm.server.ATTEMPTS", 1)
    started = [Pausable() for _ in range(2)]
    yield started
    for server in started:
        server.shutdown()
        server.server_close()


def connect(servers: list[Pausable], channel: Channel) -> VllmServers:
    return VllmServers([one.url for one in servers], vocabulary(), width(), weights=channel)


def turn(policy: VllmServers) -> str:
    request = begin("t", images=0).to_request(7, "t")
    return asyncio.run(policy.generate(request, SamplingParams())).text


def test_a_server_that_cannot_load_goes_on_too_and_is_used_again_once_it_can(pair):
    policy = connect(pair, Channel())
    pair[1].failing = {"/load"}
    asyncio.run(policy.update_weights(None))
    assert [one.goes.is_set() for one in pair] == [True, True]
    assert [one.alive for one in policy._servers] == [True, False]
    pair[1].failing = set()
    asyncio.run(policy.update_weights(None))
    assert [one.alive for one in policy._servers] == [True, True]
    assert turn(policy) == "a"
    asyncio.run(policy.close())


def test_servers_none_of_which_can_load_go_on(pair):
    policy = connect(pair, Channel())
    for one in pair:
        one.failing = {"/load"}
    with pytest.raises(PolicyError, match="no server is left at /reset_prefix_cache"):
        asyncio.run(policy.update_weights(None))
    assert [one.goes.is_set() for one in pair] == [True, True]
    asyncio.run(policy.close())


def test_what_went_wrong_is_told_although_the_servers_cannot_go_on_either(pair):
    def breaks() -> None:
        for one in pair:
            one.failing = {"/resume"}
        raise RuntimeError("the disk is full")

    policy = connect(pair, Channel(breaks))
    with pytest.raises(RuntimeError, match="the disk is full"):
        asyncio.run(policy.update_weights(None))
    assert [one.goes.is_set() for one in pair] == [False, False]
    for one in pair:
        one.failing = set()
    policy._weights = Channel()
    asyncio.run(policy.update_weights(None))
    assert [one.goes.is_set() for one in pair] == [True, True]
    assert turn(policy) == "a"
    asyncio.run(policy.close())


def test_servers_that_do_not_go_on_with_their_new_weights_are_told_of(pair):
    policy = connect(pair, Channel())
    for one in pair:
        one.failing = {"/resume"}
    with pytest.raises(PolicyError, match="none goes on"):
        asyncio.run(policy.update_weights(None))
    asyncio.run(policy.close())


def test_servers_go_on_before_an_interrupted_policy_is_closed(pair):
    policy = connect(pair, Channel(seconds=60))

    async def interrupted() -> None:
        update = asyncio.create_task(policy.update_weights(None))
        await asyncio.to_thread(pair[1].loading.wait, 30)
        update.cancel()
        with pytest.raises(asyncio.CancelledError):
            await update
        await policy.close()

    asyncio.run(interrupted())
    assert [one.goes.is_set() for one in pair] == [True, True]


def test_a_server_that_somebody_leaves_paused_is_named(pair, monkeypatch):
    monkeypatch.setattr("agents.vllm.server.PAUSE_SECONDS", 0)
    pair[1].goes.clear()
    with pytest.raises(PolicyError, match=rf"{pair[1].url} stays paused.*curl -X POST .*/resume"):
        connect(pair, Channel())
    assert not pair[1].goes.is_set()


def test_a_server_that_is_given_weights_just_now_is_waited_for(pair):
    pair[1].goes.clear()
    Thread(target=lambda: pair[1].goes.wait(0.5) or pair[1].goes.set()).start()
    asyncio.run(connect(pair, Channel()).close())
    assert pair[1].asked.count("/resume") == 0
