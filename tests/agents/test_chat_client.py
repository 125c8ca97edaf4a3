"""A chat client against a real server that behaves and misbehaves on demand."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
from chat_server import (
    Behaviour,
    ChatServer,
    breaks,
    delta,
    end,
    event,
    raw,
    says,
    stalls,
    status,
    streams,
    words,
)

from agents.chat.client import MOST_CHARS, MOST_CHARS_PER_TOKEN, ChatClient
from agents.chat.config import ChatBudget, ChatConfig, ChatPrices, ChatRates
from agents.chat.refused import ChatRefused
from agents.chat.reply import Reply
from agents.policy import PolicyError, SamplingParams
from agents.transcript import ContextFull
from deepeyes_env.protocol import SearchText, parse_turn
from deepeyes_env.search.config import RetryConfig

TURN = "<think>seven</think>\n<answer>7</answer>"
MESSAGES = [{"role": "user", "content": "How many?"}]
AT_ONCE = RetryConfig(attempts=3, first_seconds=0, longest_seconds=0)


class Conversation:
    """A client, what it was shown while it waited, and how long it would have slept."""

    def __init__(self, server: ChatServer, **settings: Any) -> None:
        self.config = ChatConfig(**{"model": "m", "base_url": server.url, "retry": AT_ONCE} | settings)
        self.shown: list[str] = []
        self.slept: list[float] = []

    def turns(self, count: int = 1, **arguments: Any) -> tuple[ChatClient, list[Reply]]:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        async def ask() -> tuple[ChatClient, list[Reply]]:
            client = ChatClient(self.config, sleep)
            self.client = client
            try:
                params = SamplingParams(0.5, 30)
                call = {"seed": 3, "prompt_tokens": 9, "on_text": self.shown.append} | arguments
                return client, [await client.turn(MESSAGES, params, **call) for _ in range(count)]
            finally:
                await client.close()

        return asyncio.run(ask())

    def turn(self) -> str:
        _, [reply] = self.turns()
        return reply.turn(SamplingParams().stop)


@pytest.mark.usefixtures("dead_proxy")  # which does not lead to this machine
def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "k-1\n")
    with ChatServer(says(TURN)) as server:
        assert Conversation(server, api_key_variable="SOME_KEY").turn() == TURN
        conversation = Conversation(
            server, stop=False, sampling=False, length_key="max_completion_tokens", api_key_variable="NONE"
        )
        conversation.turn()
    first, second = server.requests
    assert first == {
        "model": "m",
        "messages": MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 30,
        "stop": ["</code>", "</tool_call>", "</answer>"],
        "temperature": 0.5,
        "seed": 3,
    }
    assert second.keys() ^ first.keys() == {
        "stop", "temperature", "seed", "max_tokens", "max_completion_tokens"
    }  # fmt: skip
    assert server.headers[0]["authorization"] == "Bearer k-1"
    assert "k-1" not in server.headers[1]["authorization"]


def test_text_is_shown_as_it_comes() -> None:
    with ChatServer(says(TURN)) as server:
        conversation = Conversation(server)
        conversation.turn()
    assert conversation.shown[0] == TURN[:3]
    assert conversation.shown[-1] == TURN
    assert all(later.startswith(early) for early, later in itertools.pairwise(conversation.shown))


def test_a_stream_is_closed_at_the_first_stop_string_where_the_server_knows_none() -> None:
    babble = streams(*words(TURN + "and so on and on"), then=stalls)
    with ChatServer(babble) as server:
        conversation = Conversation(server, stop=False)
        assert conversation.turn() == TURN
    assert conversation.shown[-1] == TURN
    assert conversation.client.account.estimated == 1
    assert conversation.client.account.input == 9
    assert conversation.client.account.output == pytest.approx(len(TURN) / 3, abs=1)


def test_tags_that_reasoning_mentions_end_no_stream() -> None:
    thought = [delta(reasoning_content=piece) for piece in ("I give <answer>", "...</answer>", " soon")]
    with ChatServer(streams(*thought, *words("<answer>7</answer> and on"), then=stalls)) as server:
        conversation = Conversation(server, stop=False)
        turn = "<think>I give <answer>...</answer> soon</think>\n<answer>7</answer>"
        assert conversation.turn() == turn
    assert conversation.shown[-1] == turn


def test_a_call_in_pieces_is_read_to_its_end_where_the_server_knows_no_stop_strings() -> None:
    pieces = [{"name": "search", "arguments": ""}, {"arguments": '{"query": '}, {"arguments": '"river"}'}]
    calls = [delta(tool_calls=[{"index": 0, "function": piece}]) for piece in pieces]
    with ChatServer(streams(*words("<think>x</think>"), *calls, *end("tool_calls"))) as server:
        assert parse_turn(Conversation(server, stop=False).turn()) == SearchText("river")


PASSING: dict[str, Behaviour] = {
    "429": status(429, Retry_After="0"),
    "500": status(500),
    "503 without JSON": raw("<html>busy</html>", 503, "text/html"),
    "408": status(408),
    "dropped at once": streams(then=breaks),
    "dropped midway": streams(*words("<think>no"), then=breaks),
    "ended midway": streams(*words("<think>no")),
    "ended without a reason": streams(*words("<think>no"), "data: [DONE]\n\n"),
    "truncated JSON": streams('data: {"choices": [{"delta"\n\n'),
    "JSON of another shape": streams(event({"choices": 7})),
    "JSON list": streams(event([1, 2])),
    "null": streams(event(None)),
    "text for a usage": streams(event({"choices": [], "usage": {"prompt_tokens": "many"}})),
    "an error in the stream": streams(*words("<think>no"), event({"error": {"message": "overloaded"}})),
    "an error as text": streams(event({"error": "overloaded"})),
    "not UTF-8": lambda server, request: raw("", 200)(server, request).__class__(
        b"data: \xff\xfe\n\n", 200, media_type="text/event-stream"
    ),
    "a page for a stream": raw("<html>log in</html>", 200, "text/html"),
    "no stream": raw('{"choices": [{"message": {"content": "x"}}]}'),
    "nothing": raw(""),
    "given up by the engine": says("<think>no", "abort"),
    "failed in the engine": says("<think>no", "error"),
    "no room in the service": says("<think>no", "insufficient_system_resource"),
    "held back by a filter": says("<think>no", "content_filter"),
    "a reason that nobody knows": says("<think>no", "network_error"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again(name: str) -> None:
    with ChatServer(PASSING[name], says(TURN)) as server:
        assert Conversation(server).turn() == TURN
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_a_failure_of_the_policy(name: str) -> None:
    with (
        ChatServer(PASSING[name]) as server,
        pytest.raises(PolicyError, match=r"m at http.* in 3 attempts.*--urls"),
    ):
        Conversation(server).turn()
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("stop", "stop"),
        ("stop_sequence", "stop"),
        ("end_turn", "end_turn"),
        ("eos", "end_turn"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("MAX_TOKENS", "length"),
    ],
)
def test_an_end_of_the_models_own_is_one_in_every_services_words(reason: str, end: str) -> None:
    with ChatServer(says(TURN, reason)) as server:
        _, [reply] = Conversation(server).turns()
    assert reply.finish_reason == end
    assert reply.turn(()) == TURN
    assert len(server.requests) == 1


def test_a_broken_text_is_shown_anew() -> None:
    with ChatServer(streams(*words("<think>no"), then=breaks), says(TURN)) as server:
        conversation = Conversation(server)
        conversation.turn()
    assert "<think>no" in conversation.shown
    assert conversation.shown[-1] == TURN


def test_a_server_that_says_nothing_is_given_up() -> None:
    with ChatServer(streams(delta(role="assistant"), then=stalls)) as server, pytest.raises(PolicyError):
        Conversation(server, timeout_seconds=0.2, retry=replace(AT_ONCE, attempts=1)).turn()


def test_a_server_that_is_not_there() -> None:
    with ChatServer() as server:
        pass
    with pytest.raises(PolicyError, match="APIConnectionError"):
        Conversation(server).turn()


def test_retry_after_is_honoured() -> None:
    with ChatServer(status(429, Retry_After="7"), status(503, Retry_After="2"), says(TURN)) as server:
        conversation = Conversation(server)
        conversation.turn()
    assert conversation.slept == [7, 2]


def test_a_wait_beyond_the_patience_is_not_begun() -> None:
    with (
        ChatServer(status(429, Retry_After="1000")) as server,
        pytest.raises(PolicyError, match="1 attempts"),
    ):
        Conversation(server).turn()


FINAL = {
    "bad key": (status(401, "Incorrect API key"), "set the environment variable OPENAI_API_KEY"),
    "forbidden": (status(403, "not yours"), "a key that may use this model"),
    "unknown model": (status(404, "no such model"), "status 404: .*no such model.*the model's name"),
    "bad request": (status(400, "stop is not supported"), "stop is not supported.*see `stop`"),
    "unpaid": (status(402, "pay first"), "the account is used up"),
    "no quota": (status(429, "no quota", "insufficient_quota"), "the account is used up"),
    "large": (status(413, "too large"), "lower the environment's `max_pixels`"),
    "teapot": (status(418, "a teapot"), "status 418: .*a teapot"),
}


@pytest.mark.parametrize("name", FINAL)
def test_what_asking_again_does_not_mend_is_raised_at_once(name: str) -> None:
    behaviour, message = FINAL[name]
    with ChatServer(behaviour) as server, pytest.raises(ChatRefused, match=message):
        Conversation(server).turn()
    assert len(server.requests) == 1


def test_no_message_repeats_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-123456789")
    for code, kind in ((401, ChatRefused), (500, PolicyError)):
        with ChatServer(status(code, "bad key k-123456789")) as server, pytest.raises(kind) as raised:
            Conversation(server).turn()
        assert "bad key [secret]" in str(raised.value)
        assert "k-1" not in str(raised.value)


@pytest.mark.parametrize(
    "behaviour",
    [
        status(400, "too much", "context_length_exceeded"),
        status(400, "the request exceeds the available context size, try increasing it"),
        status(400, "prompt is too long: 200001 tokens > 200000 maximum"),
        status(400, "The input token count (1048577) exceeds the maximum number of tokens allowed"),
        status(400, "This model's maximum context length is 1024 tokens. However, you requested 2000"),
    ],
)
def test_a_conversation_that_is_too_long(behaviour: Behaviour) -> None:
    with ChatServer(behaviour) as server, pytest.raises(ContextFull):
        Conversation(server).turn()


def test_tokens_and_money_are_counted() -> None:
    prices = ChatPrices(input=2.0, cached_input=0.5, output=8.0)
    dropped = streams(*words("<think>no"), then=breaks)
    with ChatServer(says(TURN), dropped, says(TURN, usage=(20, 5))) as server:
        client, _ = Conversation(server, prices=prices).turns(2)
    account = client.account
    assert (account.requests, account.estimated) == (3, 1)
    assert (account.input, account.cached, account.output) == (10 + 9 + 20, 12, 4 + 3 + 5)
    assert account.dollars == pytest.approx((27 * 2.0 + 12 * 0.5 + 12 * 8.0) / 1e6)
    assert str(account) == (
        "3 requests, 39 tokens in (12 of them cached), 12 out, 1 estimated, 0.0002 US dollars"
    )


@pytest.mark.parametrize(
    ("budget", "name"), [(ChatBudget(tokens=14), "14 tokens"), (ChatBudget(dollars=0.00001), "1e-05 dollars")]
)
def test_a_budget_ends_the_run(budget: ChatBudget, name: str) -> None:
    with ChatServer(says(TURN)) as server:
        conversation = Conversation(server, prices=ChatPrices(input=1.0), budget=budget)
        with pytest.raises(ChatRefused, match=f"the budget of {name} is used up: 1 requests, 10 tokens in"):
            conversation.turns(2)
    assert len(server.requests) == 1


def test_requests_are_spaced() -> None:
    with ChatServer(says(TURN)) as server:
        conversation = Conversation(server, rates=ChatRates(requests_per_minute=2))
        conversation.turns(2)
    assert conversation.slept == [pytest.approx(30, abs=5)]


def test_tokens_are_spaced_by_what_was_really_used() -> None:
    with ChatServer(says(TURN, usage=(50, 10))) as server:
        conversation = Conversation(server, rates=ChatRates(tokens_per_minute=120))
        conversation.turns(2, prompt_tokens=1)
    assert conversation.slept == [pytest.approx(30, abs=5)]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ValueError, match=r"pip install 'deepeyes-gym\[api\]'"):
        ChatClient(ChatConfig("m"))


def test_the_rest_of_a_stream_is_read_for_its_usage() -> None:
    """A server that keeps stop strings in the text still tells what it took."""
    with ChatServer(streams(*words(TURN + "\n"), *end(usage=(3, 2)))) as server:
        conversation = Conversation(server)
        assert conversation.turn() == TURN
    assert conversation.client.account.input == 3


def test_a_server_that_does_not_mind_the_limit_of_tokens_is_cut_off() -> None:
    with ChatServer(streams(*words("and on " * 1000), then=stalls)) as server:
        conversation = Conversation(server, timeout_seconds=20, retry=replace(AT_ONCE, attempts=1))
        client, [reply] = conversation.turns(on_text=None)
    most = MOST_CHARS + 30 * MOST_CHARS_PER_TOKEN
    assert reply.finish_reason == "length"
    assert most < len(reply.turn(())) < most + 10
    assert client.account.estimated == 1
