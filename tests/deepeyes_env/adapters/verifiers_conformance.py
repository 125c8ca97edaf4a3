"""verifiers' own environment machinery and `vf-eval` on the adapter; run by `test_verifiers_adapter.py`."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import verifiers.v1 as vf
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from going_on import INVENTED, spoken_turns
from local_server import served
from verifiers.v1.cli.eval.main import main as vf_eval

from deepeyes_env.adapters.verifiers import DeepEyesConfig, DeepEyesData, DeepEyesEnvConfig, DeepEyesTask
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.protocol import STOP_STRINGS
from deepeyes_env.testing import Played, Script, Seen, adapter_config, check_adapter

SETTINGS = """
prompt = "minimal"
max_turns = 4
max_pixels = 200_704
tool_max_pixels = 50_176
[source]
kind = "fictional"
families = ["closer-look", "portrait-fact", "spot-the-change"]
difficulty = 0.0
"""
NO_SANDBOX = '\n[sandbox_backend]\nkind = "http"\nurl = "http://127.0.0.1:9"\nretry_seconds = 0.1\n'
SEES = "<think>What do I have?</think>\n<code>\n```python\nprint(image_1.size)\n```\n</code>"
GUESS = "<think>I guess.</think>\n<answer>certainly something else</answer>"


class ScriptedModel:
    """A chat API whose models, one a script, say what the scripts say; it keeps what they were told.

    As OpenAI's does, it leaves out the stop string that ended a turn, unless it is told not to.
    """

    def __init__(self, turns: dict[str, Sequence[str]]) -> None:
        self.heard: dict[str, list[dict[str, Any]]] = {}
        self.app = FastAPI()

        @self.app.post("/v1/chat/completions")
        async def complete(request: Request) -> JSONResponse:
            body = await request.json()
            name, messages = body["model"], body["messages"]
            if name == "out of order":
                return JSONResponse({"error": {"message": "no such GPU"}}, 400)
            assert body["stop"] == list(STOP_STRINGS)
            self.heard[name] = messages
            said = sum(message["role"] == "assistant" for message in messages)
            text = turns[name][said]
            for stop in () if body.get("include_stop_str_in_output") else body["stop"]:
                text = text.removesuffix(stop)
            finish = "length" if name.startswith("too long") else "stop"
            message = {"role": "assistant", "content": text}
            if name.startswith("thinks apart"):
                thought, _, message["content"] = text.partition("</think>\n")
                message["reasoning_content"] = thought.removeprefix("<think>")
            choice = {"index": 0, "message": message, "finish_reason": finish}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            reply = {"id": "1", "object": "chat.completion", "created": 1, "model": name}
            return JSONResponse(reply | {"choices": [choice], "usage": usage})


class Driver:
    """Plays through verifiers' environment, interception server and client, against a chat API."""

    def __init__(self, settings: Path) -> None:
        self.settings = settings

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        model = ScriptedModel({script.name: spoken_turns(script) for script in scripts})
        with served(model.app) as url:
            episodes = asyncio.run(run_episodes(self.settings, url, scripts))
        return [
            self.played(model.heard[script.name], episode)
            for script, episode in zip(scripts, episodes, strict=True)
        ]

    def played(self, heard: list[dict[str, Any]], episode: vf.Episode) -> Played:
        (trace,) = episode.traces
        assert episode.ok, (episode.errors, trace.errors)
        assert heard[0]["role"] == "system"
        shown = [seen(message) for message in heard if message["role"] == "user"]
        return Played(shown, [trace.reward], trace.info["deepeyes"]["outcome"])


class ForgetsTheFirstImage(Driver):
    """An adapter with a mistake."""

    def played(self, heard: list[dict[str, Any]], episode: vf.Episode) -> Played:
        good = super().played(heard, episode)
        first, *rest = good.observations
        return Played([Seen(first.text, first.images[1:]), *rest], good.rewards, good.outcome)


async def run_episodes(
    settings: Path, url: str, scripts: Sequence[Script], **sampling: Any
) -> list[vf.Episode]:
    """All scripts at the same time, each an episode as `vf-eval` runs it; a script's name is its model's."""
    config = DeepEyesEnvConfig(taskset=DeepEyesConfig(id="deepeyes", settings=settings))
    env = vf.load_environment(config)
    client = vf.EvalClientConfig(base_url=f"{url}/v1")

    async def one(script: Script) -> vf.Episode:
        data = DeepEyesData(index=script.index, split=script.split, seed=script.seed)
        context = vf.ModelContext(client=client, model=script.name, sampling=vf.SamplingConfig(**sampling))
        (slot,) = env.slots(DeepEyesTask(data, vf.TaskConfig()))
        return await env.run_slot(slot, context)

    async with env.serving():
        return await asyncio.gather(*map(one, scripts))


def seen(message: dict[str, Any]) -> Seen:
    parts = message["content"]
    if isinstance(parts, str):
        return Seen(parts)
    text = "".join(part["text"] if part["type"] == "text" else "<image>" for part in parts)
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return Seen(text, [base64.b64decode(url.partition(",")[2]) for url in urls])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verifiers") / "env.toml"
    path.write_text(SETTINGS)
    assert load_config(EnvConfig, path) == adapter_config()
    return path


def test_the_conformance_kit(settings: Path) -> None:
    check_adapter(Driver(settings))


def test_the_kit_catches_a_broken_adapter(settings: Path) -> None:
    with pytest.raises(AssertionError, match="0 images, expected 1"):
        check_adapter(ForgetsTheFirstImage(settings))


def one_episode(settings: Path, model: ScriptedModel, name: str, **sampling: Any) -> vf.Episode:
    script = Script(name, 0, "train", 0, ())
    with served(model.app) as url:
        return asyncio.run(run_episodes(settings, url, [script], **sampling))[0]


def outcome(episode: vf.Episode) -> str:
    return str(episode.traces[0].info["deepeyes"]["outcome"])


def test_a_failed_sandbox_is_an_error_and_no_reward(settings: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(SETTINGS + NO_SANDBOX)
    episode = one_episode(broken, ScriptedModel({"looks": [SEES, GUESS]}), "looks")
    assert not episode.ok
    assert [error.type for error in episode.errors] == ["EnvError"]
    assert "the episode has no reward" in episode.errors[0].message
    assert episode.traces[0].rewards == {}


def test_a_failed_provider_is_an_error_and_no_reward(settings: Path) -> None:
    episode = one_episode(settings, ScriptedModel({}), "out of order")
    (trace,) = episode.traces
    assert not episode.ok
    assert trace.rewards == {}
    assert [error.type for error in trace.errors] == ["ProviderError"]


def test_a_turn_that_was_cut_off_truncates_the_episode(settings: Path) -> None:
    episode = one_episode(settings, ScriptedModel({"too long": ["<think>so many words"]}), "too long")
    assert episode.ok
    assert outcome(episode) == "truncated"
    assert episode.traces[0].reward == 0


def test_a_turn_that_was_cut_off_behind_its_stop_string_is_whole(settings: Path) -> None:
    model = ScriptedModel({"too long for more": [SEES + INVENTED, GUESS + "\n<think>And"]})
    assert outcome(one_episode(settings, model, "too long for more")) == "answered"


def test_no_stop_string_is_added_where_the_server_leaves_them_in(settings: Path) -> None:
    unclosed = ScriptedModel({"forgets": [GUESS.removesuffix("</answer>")]})
    assert outcome(one_episode(settings, unclosed, "forgets")) == "answered"  # as if a server had left it out
    keeps = {"include_stop_str_in_output": True}
    assert outcome(one_episode(settings, unclosed, "forgets", **keeps)) == "malformed"


def test_reasoning_in_a_field_of_its_own_goes_back_into_the_turn(settings: Path) -> None:
    episode = one_episode(settings, ScriptedModel({"thinks apart": [SEES, GUESS]}), "thinks apart")
    assert episode.traces[0].metrics == {"accuracy": 0.0, "format": 1.0}


def test_tags_that_reasoning_mentions_are_talk(settings: Path) -> None:
    """The turns arrive as they were said: with their stop strings, or without those that a server drops."""
    told = "I run <code>...</code>, or not, and give <answer>...</answer>."
    turns = [SEES.replace("What do I have?", told), GUESS.replace("I guess.", told)]
    for keeps in (False, True):
        model = ScriptedModel({"thinks apart": turns})
        episode = one_episode(settings, model, "thinks apart", include_stop_str_in_output=keeps)
        info = episode.traces[0].info["deepeyes"]
        assert (info["turn"], info["answer"]) == (2, "certainly something else")


def test_reasoning_that_a_stop_string_ended_is_the_turn(settings: Path) -> None:
    model = ScriptedModel({"thinks apart": ["<think>So <answer>something else</answer> and</think>\n"]})
    assert outcome(one_episode(settings, model, "thinks apart")) == "answered"


def test_the_documented_example(documented: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    model = ScriptedModel({"Qwen/Qwen2.5-VL-7B-Instruct": [SEES, GUESS]})
    with served(model.app) as url:
        monkeypatch.setenv("BASE_URL", f"{url}/v1")
        exec(documented("verifiers"), {"__name__": "example"})
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in words[-2:]] == [["validation/0", "True"], ["validation/1", "True"]]


def test_the_command_line(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["vf-eval"])
    model = ScriptedModel({"guesser": [SEES, GUESS]})
    with served(model.app) as url:
        arguments = ["deepeyes", "-n", "3", "-r", "2", "-m", "guesser", "--client.base-url", f"{url}/v1"]
        arguments += ["--env.taskset.settings", str(settings), "--env.taskset.start", "2"]
        arguments += ["-o", str(tmp_path), "--run.name", "run", "--no-push", "--no-rich"]
        vf_eval(arguments)
    episodes = [json.loads(line) for line in (tmp_path / "run" / "traces.jsonl").read_text().splitlines()]
    assert len(episodes) == 6
    assert {episode["task"]["data"]["index"] for episode in episodes} == {2, 3, 4}
    for episode in episodes:
        (trace,) = episode["traces"]
        assert episode["ok"]
        assert trace["metrics"] == {"accuracy": 0.0, "format": 1.0}
        assert trace["rewards"]["deepeyes"]["score"] == pytest.approx(0.2)
