"""SkyRL's registry and its generator of vision-language models on the adapter; run under SkyRL."""

from __future__ import annotations

import asyncio
import base64
import typing
from collections.abc import Sequence
from typing import Any

import pytest
import skyrl_gym
import typing_extensions

from agents.tiny import build_tokenizer
from deepeyes_env.adapters.skyrl import DeepEyesTextEnv, prompt_rows
from deepeyes_env.adapters.unscored import EpisodeFailed
from deepeyes_env.host import LocalHost
from deepeyes_env.images import PATCH_FACTOR, EncodedImage
from deepeyes_env.sandbox import shared_sandbox
from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.testing import (
    Played,
    Script,
    Seen,
    Tokens,
    adapter_config,
    adapter_scripts,
    check_adapter,
    in_threads,
)

# pydantic takes no other on Python 3.11, for which skyrl 0.3.0 is not written in practice.
typing.TypedDict = typing_extensions.TypedDict  # type: ignore[assignment]

from skyrl.train.config import GeneratorConfig, SamplingParams, SkyRLGymConfig  # noqa: E402
from skyrl.train.generators.base import TrajectoryID  # noqa: E402
from skyrl.train.generators.skyrl_vlm_generator import SkyRLVLMGymGenerator  # noqa: E402

NAME = "deepeyes-kit"
skyrl_gym.register(
    NAME,
    entry_point="deepeyes_env.adapters.skyrl:DeepEyesTextEnv",
    kwargs={"settings": adapter_config()},
)
IMAGE_PAD = "<|image_pad|>"
RUNS_CODE = "<think>a</think>\n<code>\n```python\nprint(1)\n```\n</code>"


def row(script: Script) -> dict[str, Any]:
    return {"index": script.index, "split": script.split, "seed": script.seed}


def seen(message: dict[str, Any]) -> Seen:
    parts = message["content"]
    text = "".join(part["text"] if part["type"] == "text" else "<image>" for part in parts)
    return Seen(text, [data_of(part) for part in parts if part["type"] == "image_url"])


def data_of(part: dict[str, Any]) -> bytes:
    return base64.b64decode(part["image_url"]["url"].partition(",")[2])


def ending(metrics: dict[str, Any]) -> str:
    return next((end for end in ("truncated", "malformed") if metrics[end]), "answered")


class GymDriver:
    """Plays through `skyrl_gym.make`, `init` and `step`, as SkyRL's generators do."""

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        return in_threads(self.one, scripts)

    def one(self, script: Script) -> Played:
        with skyrl_gym.make(NAME, env_config={}, extras=row(script)) as env:
            conversation, _ = env.init([{"role": "user", "content": "?"}])
            assert [message["role"] for message in conversation] == ["system", "user"]
            shown, rewards = [seen(conversation[-1])], []
            for turn in script.turns:
                output = env.step(turn)
                rewards.append(output["reward"])
                shown += map(seen, output["observations"])
            assert output["done"]
            return Played(shown, rewards, ending(env.get_metrics()))


class ScriptedEngine:
    """An inference engine that renders conversations as vLLM does and says what the scripts say."""

    model_name = "scripted"

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.tokenizer = TOKENIZER
        self.left = {script.name: list(script.turns) for script in scripts}
        self.sampled: dict[str, list[list[int]]] = {script.name: [] for script in scripts}
        self.conversations: dict[str, list[dict[str, Any]]] = {}
        self.rendered: dict[tuple[int, ...], list[dict[str, Any]]] = {}

    async def render_chat_completion(self, payload: dict[str, Any]) -> dict[str, Any]:
        conversation = payload["json"]["messages"]
        text = self.tokenizer.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
        pieces = text.split(IMAGE_PAD)
        images = [data_of(part) for message in conversation for part in image_parts(message)]
        assert len(pieces) == len(images) + 1
        text = pieces[0] + "".join(
            IMAGE_PAD * features(image) + piece for image, piece in zip(images, pieces[1:], strict=True)
        )
        ids = self.tokenizer(text)["input_ids"]
        self.rendered[tuple(ids)] = list(conversation)
        return {"token_ids": ids, "features": None}

    async def generate(self, batch: dict[str, Any], model: str | None = None) -> dict[str, Any]:
        (session,), (prompt,) = batch["session_ids"], batch["prompt_token_ids"]
        name = session.rpartition("_")[0]
        turn = self.left[name].pop(0)
        ids = [*self.tokenizer.encode(turn), self.tokenizer.eos_token_id]
        self.sampled[name].append(list(ids))
        self.conversations[name] = self.rendered[tuple(prompt)]
        return {
            "responses": [turn],
            "response_ids": [ids],
            "stop_reasons": ["stop"],
        }

    async def finish_session(self, session: str) -> None:
        pass


class GeneratorDriver:
    """Plays through SkyRL's generator of vision-language models, up to a trainer's tokens and mask."""

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        return asyncio.run(self._all(scripts))

    async def _all(self, scripts: Sequence[Script]) -> list[Played]:
        engine = ScriptedEngine(scripts)
        generator = make_generator(engine)
        loops = [
            generator.agent_loop(
                prompt=[{"role": "user", "content": "?"}],
                env_class=NAME,
                env_extras=row(script),
                max_tokens=4096,
                max_input_length=100_000,
                trajectory_id=TrajectoryID(script.name, 0),
            )
            for script in scripts
        ]
        outputs = await asyncio.gather(*loops)
        return [self.played(engine, *pair) for pair in zip(scripts, outputs, strict=True)]

    def played(self, engine: ScriptedEngine, script: Script, output: Any) -> Played:
        conversation = engine.conversations[script.name]
        shown = [seen(message) for message in conversation if message["role"] == "user"]
        mask = self.mask(output)
        tokens = Tokens(
            ids=[*output.prompt_ids, *output.response_ids],
            mask=[0] * len(output.prompt_ids) + mask,
            sampled=engine.sampled[script.name],
            image_token=engine.tokenizer.convert_tokens_to_ids(IMAGE_PAD),
            decode=engine.tokenizer.decode,
        )
        return Played(shown, [sum(output.reward)], ending(output.env_metrics), tokens)

    def mask(self, output: Any) -> list[int]:
        return list(output.loss_mask)


class ShiftsTheMask(GeneratorDriver):
    """An adapter with a mistake: its mask is off by one."""

    def mask(self, output: Any) -> list[int]:
        return [0, *output.loss_mask[:-1]]


TOKENIZER = build_tokenizer(["a few words of a question about an image"])


def make_generator(engine: ScriptedEngine) -> SkyRLVLMGymGenerator:
    sampling = SamplingParams(max_generate_length=4096, logprobs=None)
    turns = adapter_config().max_turns
    settings = GeneratorConfig(sampling_params=sampling, max_turns=turns, max_input_length=100_000)
    return SkyRLVLMGymGenerator(settings, SkyRLGymConfig(), engine, engine.tokenizer)


def image_parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [] if isinstance(content, str) else [part for part in content if part["type"] == "image_url"]


def features(data: bytes) -> int:
    return EncodedImage.from_bytes(data).pixels // PATCH_FACTOR**2


def test_the_conformance_kit_through_the_registry() -> None:
    check_adapter(GymDriver())


def test_the_conformance_kit_through_the_generator() -> None:
    check_adapter(GeneratorDriver())


def test_the_kit_catches_a_broken_generator() -> None:
    with pytest.raises(AssertionError, match="the mask is off by one"):
        check_adapter(ShiftsTheMask())


def test_a_batch_of_rows_through_generate() -> None:
    rows = list(prompt_rows(2, seed=5, env_class=NAME))
    scripts = [script for script in adapter_scripts() if script.name in ("wrong answer", "malformed turn")]
    engine = ScriptedEngine(scripts)
    batch = {
        "prompts": [row["prompt"] for row in rows],
        "env_classes": [row["env_class"] for row in rows],
        "env_extras": [{name: row[name] for name in ("index", "split", "seed")} for row in rows],
        "trajectory_ids": [TrajectoryID(script.name, 0) for script in scripts],
        "sampling_params": None,
    }
    output = asyncio.run(make_generator(engine).generate(batch, disable_tqdm=True))
    assert [sum(reward) for reward in output["rewards"]] == [0.2, 0.0]
    assert output["stop_reasons"] == ["stop", "stop"]
    assert output["rollout_metrics"]["environment/malformed"] == 0.5


def test_the_documented_example(documented: Any, capsys: Any) -> None:
    exec(documented("SkyRL"), {})
    assert " True {'accuracy': " in capsys.readouterr().out


class FailsAtFirst:
    """A sandbox that fails to open a session so many times."""

    def __init__(self, times: int) -> None:
        config = adapter_config()
        self.times, self.sandbox = times, shared_sandbox(config.sandbox_backend, config.limits)

    def open(self, images: Sequence[Any], seed: int = 0) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise SandboxError("no more processes")
        return self.sandbox.open(images, seed)

    def close(self) -> None:
        pass


def test_an_episode_whose_sandbox_failed_is_played_again() -> None:
    env = DeepEyesTextEnv(extras={"index": 0}, host=LocalHost(adapter_config(), None, FailsAtFirst(2)))
    env.init([])
    assert "1" in seen(env.step(RUNS_CODE)["observations"][0]).text
    assert env.step("<think>a</think>\n<answer>certainly something else</answer>")["done"]


def test_a_sandbox_that_goes_on_failing_is_an_error_and_no_reward() -> None:
    env = DeepEyesTextEnv(extras={"index": 0}, host=LocalHost(adapter_config(), None, FailsAtFirst(99)))
    env.init([])
    with pytest.raises(EpisodeFailed, match="no more processes"):
        env.step(RUNS_CODE)
    assert env.get_metrics() == {}
