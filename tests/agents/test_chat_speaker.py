"""A chat API plays episodes: a scripted server, and `transformers serve` with a real model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from actors import LOOK, SAY, Riddles, lineages, make_env
from chat_server import Behaviour, ChatServer, says, stalls, status, streams
from talk import SYSTEM, noise_image, scripted, seen, vocabulary
from transformers_serve import serve

from agents.actor import UNCOUNTED, Actor, ActorOptions, PolicyOptions
from agents.chat.client import ChatClient
from agents.chat.config import ChatConfig, ChatRates
from agents.chat.refused import ChatRefused
from agents.chat.speaker import ChatSpeaker, about_tokens
from agents.event_loop import iterate, run
from agents.policy import SamplingParams
from agents.rollout import RolloutLimits, stream
from agents.rollout_command import main as rollout
from agents.speaker import LiveEpisode, RolloutRequest, turn_seed
from agents.store import read_trajectories
from agents.trajectory import Trajectory, check_trajectory
from agents.transcript import ContextFull, Transcript
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome
from deepeyes_env.search.config import RetryConfig

ONCE = RetryConfig(attempts=1)


def talk(server_url: str, episodes: int = 1, infra_retries: int = 0, **settings: Any) -> list[Trajectory]:
    """Riddles, played by the model behind `server_url`."""
    tokens, room = settings.pop("max_tokens", 60), settings.pop("room", None)
    limits = RolloutLimits(episode_seconds=settings.pop("episode_seconds", None))
    envs = settings.pop("num_envs", 2)
    config = ChatConfig(**{"model": "m", "base_url": server_url, "retry": ONCE} | settings)
    speaker = ChatSpeaker(ChatClient(config), vocabulary(), SamplingParams(1.0, tokens), max_tokens=room)
    requests = [RolloutRequest(number, lineage=line) for number, line in enumerate(lineages(episodes))]
    env = make_env(envs)
    try:
        played = list(iterate(stream(speaker, env, requests, limits=limits, infra_retries=infra_retries)))
    finally:
        env.close()
    for trajectory in played:
        check_trajectory(trajectory)
    return played


def test_a_closed_actor_has_closed_its_connections() -> None:
    actor = Actor(ActorOptions(policy="m", backend="api", urls=("http://127.0.0.1:9/v1",)))
    actor.close()
    assert actor.chat is not None
    assert actor.chat.client._client.is_closed()


def test_an_episode() -> None:
    dropped = [says(turn.removesuffix(stop)) for turn, stop in ((LOOK, "</code>"), (SAY, "</answer>"))]
    with ChatServer(*dropped) as server:
        [trajectory] = talk(server.url)
    assert (trajectory.outcome, trajectory.answer) == (Outcome.ANSWERED, "7")
    assert trajectory.reward.accuracy == 1
    assert not trajectory.token_exact
    assert not trajectory.logprobs.any()
    assert [turn.text for turn in trajectory.turns] == [LOOK, SAY]
    first, second = server.requests
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert second["messages"][2] == {"role": "assistant", "content": LOOK}
    assert "7" in second["messages"][3]["content"][0]["text"]
    assert [request["seed"] for request in server.requests] == [
        turn_seed(trajectory.lineage, turn) for turn in range(2)
    ]


def test_control_tokens_are_letters() -> None:
    with ChatServer(says("<|im_end|><|image_pad|><image><answer>7</answer>")) as server:
        [trajectory] = talk(server.url)
    assert trajectory.answer == "7"
    assert len(trajectory.images) == 1


def test_many_episodes_at_once() -> None:
    with ChatServer(says(SAY)) as server:
        played = talk(server.url, episodes=5)
    assert [one.task_id for one in played] == [Riddles().task(number).id for number in range(5)]
    assert all(one.answer == "7" for one in played)


def test_waiting_for_ones_own_pace_is_not_the_episodes_time() -> None:
    rates, wait = ChatRates(requests_per_minute=300), RetryConfig(attempts=2, first_seconds=0)
    with ChatServer(status(429, Retry_After="2"), says(SAY)) as server:
        played = talk(server.url, episodes=12, num_envs=12, episode_seconds=1.5, rates=rates, retry=wait)
    assert [one.outcome for one in played] == [Outcome.ANSWERED] * 12
    assert len(server.requests) == 13


def test_a_server_that_takes_too_long_uses_up_the_episodes_time() -> None:
    with ChatServer(says(LOOK), streams(then=stalls)) as server:
        [trajectory] = talk(server.url, episode_seconds=2.0)
    assert (trajectory.outcome, len(trajectory.turns)) == (Outcome.TRUNCATED, 1)


ENDINGS: dict[str, tuple[Behaviour, Outcome, str]] = {
    "cut": (says("<think>on and on", "length"), Outcome.TRUNCATED, "length"),
    "cut before its first word": (says("", "length"), Outcome.TRUNCATED, "length"),
    "silent": (says(""), Outcome.MALFORMED, "stop"),
    "ended by the model": (says("<think>so", "end_turn"), Outcome.MALFORMED, "stop"),
    "cut behind its answer": (says(SAY + " and", "length"), Outcome.ANSWERED, "stop"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_how_an_episode_ends(name: str) -> None:
    behaviour, outcome, reason = ENDINGS[name]
    with ChatServer(behaviour) as server:
        [trajectory] = talk(server.url)
    assert trajectory.outcome is outcome
    assert [turn.finish_reason for turn in trajectory.turns] == [reason]


def test_a_conversation_that_is_too_long_is_truncated() -> None:
    with ChatServer(says(LOOK), status(400, "too long", "context_length_exceeded")) as server:
        [trajectory] = talk(server.url)
    assert trajectory.outcome is Outcome.TRUNCATED
    assert len(trajectory.turns) == 1


def test_a_question_that_is_too_long_is_not_the_policys_fault() -> None:
    refusal = status(400, "prompt is too long", "context_length_exceeded")
    with ChatServer(refusal) as server, pytest.raises(ContextFull, match=r"riddles/.*prompt is too long"):
        talk(server.url)
    with ChatServer(says(SAY)) as server, pytest.raises(ContextFull, match=r"about \d+ tokens exceed 5"):
        talk(server.url, room=5)


def test_a_failed_service_is_infrastructure() -> None:
    with ChatServer(says(LOOK), status(500), says(SAY)) as server:
        [spoiled] = talk(server.url)
    assert spoiled.outcome is Outcome.INFRA_FAILED
    with ChatServer(says(LOOK), status(500), says(SAY)) as server:
        [begun_anew] = talk(server.url, infra_retries=1)
    assert begun_anew.answer == "7"
    assert len(begun_anew.turns) == 1


@pytest.mark.parametrize("reason", ["abort", "insufficient_system_resource", "content_filter"])
def test_a_turn_that_the_service_cuts_off_is_infrastructure(reason: str) -> None:
    with ChatServer(says("<think>I can see", reason)) as server:
        [spoiled] = talk(server.url)
    assert spoiled.outcome is Outcome.INFRA_FAILED


def test_a_refusal_ends_the_rollout() -> None:
    with ChatServer(says(SAY), status(401)) as server, pytest.raises(ChatRefused, match="OPENAI_API_KEY"):
        talk(server.url, episodes=5, infra_retries=3)


def test_the_api_backend_of_every_command(tmp_path: Path) -> None:
    with ChatServer(says(SAY)) as server:
        rollout(
            ["--policy", "m", "--backend", "api", "--urls", server.url, "--n", "2", "--out", str(tmp_path)]
        )
    stored = list(read_trajectories(tmp_path))
    assert [one.answer for one in stored] == ["7", "7"]
    assert {one.versions["policy"] for one in stored} == {"m"}
    assert not any(one.token_exact for one in stored)
    assert {request["temperature"] for request in server.requests} == {1.0}


# --- transformers serve ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serve(tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.mark.slow
def test_transformers_serve(served: tuple[str, str]) -> None:
    url, model = served
    settings: dict[str, Any] = {"model": model, "stop": False, "max_tokens": 24}
    played = talk(url, episodes=2, **settings)
    assert {one.outcome for one in played} <= {Outcome.TRUNCATED, Outcome.MALFORMED, Outcome.ANSWERED}
    assert all(one.turns and not one.token_exact for one in played)


@pytest.mark.slow
def test_transformers_serve_counts_the_tokens_that_a_transcript_has(served: tuple[str, str]) -> None:
    """Both have the same tokenizer and template, so that their prompts are equally long."""
    url, model = served
    config = ChatConfig(model, base_url=url, stop=False, retry=ONCE)
    speaker = ChatSpeaker(ChatClient(config), vocabulary(), SamplingParams(1.0, 5))
    env = make_env(1)
    try:
        [trajectory] = iterate(stream(speaker, env, [RolloutRequest(0)]))
    finally:
        env.close()
    account = speaker.client.account
    assert account.input == trajectory.turns[0].start
    assert (account.requests, account.estimated) == (1, 0)
    assert 1 <= account.output <= 5


@pytest.mark.slow
def test_transformers_serve_knows_no_other_model(served: tuple[str, str]) -> None:
    with pytest.raises(ChatRefused, match="another"):
        talk(served[0], model="another")


@pytest.mark.slow
def test_transformers_serve_is_not_blind_to_the_pictures_of_tools(served: tuple[str, str]) -> None:
    """It tells no log-probabilities, so it is asked for the likeliest text."""
    url, model = served
    config = ChatConfig(model, base_url=url, stop=False, retry=ONCE)
    speaker = ChatSpeaker(ChatClient(config), vocabulary(), SamplingParams(0.0, 12))

    async def say_after(picture: int) -> str:
        transcript = Transcript(vocabulary(), think_prefill=False)
        transcript.start(SYSTEM, seen("<image>\nWhat?", noise_image(0)))
        transcript.append_text(LOOK)
        transcript.append_observation(seen("Images:\n<image>", noise_image(picture, 4, 4)))
        task = Riddles().task(0)
        await speaker.speak(LiveEpisode(RolloutRequest(0), task, SYSTEM, transcript, seen("")))
        return transcript.turns[-1].text

    texts = [run(say_after(picture)) for picture in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_tokens_are_estimated_by_text_and_pictures() -> None:
    conversation = scripted()
    text = conversation.system_prompt + conversation.prompt
    text += "".join(turn.text + turn.observation for turn in conversation.turns)
    pictures = sum(span.length for span in conversation.image_spans)
    assert about_tokens(conversation) == len(text.encode()) // 4 + pictures


def test_without_a_tokenizer_an_estimate_is_compared_with_the_limit() -> None:
    ends = []
    for limit in (10_000, 45):
        with ChatServer(says(LOOK), says(SAY)) as server:
            options = PolicyOptions(
                policy="m", backend="api", urls=(server.url,), num_envs=1, max_tokens=limit
            )
            env = make_env()
            with closing(env), closing(Actor(options)) as actor:
                [trajectory] = actor.play(env, [RolloutRequest(0)])
            ends.append((trajectory.outcome, len(trajectory.turns)))
    assert ends == [(Outcome.ANSWERED, 2), (Outcome.TRUNCATED, 1)]


def test_without_a_tokenizer_the_transcript_has_no_limit() -> None:
    options = {"policy": "m", "backend": "api", "urls": ("http://127.0.0.1:9/v1",), "max_tokens": 500}
    assert PolicyOptions(**options).limits.max_tokens == UNCOUNTED
    assert PolicyOptions(**options, tokenizer="some").limits.max_tokens == 500
    assert PolicyOptions(policy="oracle", max_tokens=500).limits.max_tokens == 500


def test_a_tokenizer_belongs_to_what_speaks_text() -> None:
    with pytest.raises(ConfigError, match="tokenizer = 'some': must be left out"):
        Actor(PolicyOptions(policy="checkpoint", tokenizer="some"))
    with pytest.raises(ConfigError, match="name the directory or hub id of a Qwen"):
        Actor(PolicyOptions(policy="oracle", tokenizer="/nowhere"))
