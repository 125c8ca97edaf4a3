"""The environment as a task of Inspect AI (run with inspect_ai 0.3.285).

    inspect eval deepeyes_env/adapters/inspect.py --model openai/gpt-4o -T episodes=50

A sample is an episode: any model that Inspect knows takes the turns with images in its chat messages, our
sandbox and search perform them, and the score is our reward in its parts. The messages are what the model was
told and said. What was performed is in the transcript as well, as events of the tools `python`, `search` and
`image_search`. An episode whose infrastructure failed is an error of its sample and has no score.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    Content,
    ContentImage,
    ContentReasoning,
    ContentText,
    execute_tools,
)
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolCall, ToolDef, ToolParams
from PIL import Image
from pydantic import TypeAdapter

from deepeyes_env.async_env import MAX_TOOLS, AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER, RunCode, SearchImage, SearchText, parse_turn
from deepeyes_env.rewards.base import NO_REWARD
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Split

SHOWN_FORMATS = ("image/png", "image/jpeg", "image/webp")
"""What services take (OpenAI's guide to images and vision); other files are sent as PNG."""

EXIF_ORIENTATION = 0x0112
"""Tag of the side that is up (EXIF 2.32, section 4.6.4); services do not heed it."""

ENDING = "ending"
"""Key in a sample's store: the last step's `info`."""


class InfrastructureFailed(RuntimeError):
    """Sandbox, search or judge failed: there is no score, not even a bad one; the message says why."""


@task
def deepeyes(
    env: str | Mapping[str, Any] | None = None,
    split: Split = "validation",
    episodes: int = 100,
    seed: int = 0,
) -> Task:
    """Episodes of the environment.

    Args:
        env: Its settings: a TOML file (an absolute path where Inspect is given this file) or their values.
        split: The part of the task source.
        episodes: How many tasks, from the first one on; all of them where there are fewer.
        seed: Seeds the first epoch's sandboxes; the next epoch has the next seed.
    """
    config = load_config(EnvConfig, env)
    shell = DeepEyesAsyncEnv(MAX_TOOLS, config)
    size = shell.tasks.size(split)
    count = episodes if size is None else min(episodes, size)
    samples = [to_sample(shell, index, split, seed) for index in range(count)]
    return Task(
        dataset=MemoryDataset(samples, name=f"{shell.tasks.name}-{split}"),
        solver=player(shell),
        scorer=reward(),
        metadata={"env": TypeAdapter(EnvConfig).dump_python(config, mode="json")},
    )


def to_sample(env: DeepEyesAsyncEnv, index: int, split: Split = "validation", seed: int = 0) -> Sample:
    """One task: the messages that open its episode, and which one it is.

    Args:
        env: Where it is played.
        index: The task.
        split: The part of the source.
        seed: Seeds the first epoch's session.
    """
    asked = env.tasks.task(index, split)
    episode = Episode(asked, env.config)
    question = ChatMessageUser(content=content(episode.start()))
    return Sample(
        id=asked.id,
        input=[ChatMessageSystem(content=episode.system_prompt), question],
        target=asked.answer.text,
        metadata={"index": index, "split": split, "seed": seed, "family": asked.family},
    )


@solver
def player(env: DeepEyesAsyncEnv) -> Solver:
    """Plays one episode: the model takes the turns, `env` performs them.

    Args:
        env: Shared by all samples. It needs asyncio, Inspect's default.
    """
    playing = 0

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        nonlocal playing
        playing += 1
        try:
            return await _play(env, state, generate)
        finally:
            playing -= 1
            if not playing:  # nothing tells a task's end; threads that are closed are started anew
                env.close()

    return solve


async def _play(env: DeepEyesAsyncEnv, state: TaskState, generate: Generate) -> TaskState:
    about = state.metadata
    episode = await env.begin(about["index"], about["split"], about["seed"] + state.epoch - 1)
    try:
        while True:
            state = await generate(state, tool_calls="none")
            if state.output.stop_reason == "model_length":
                result = await episode.abandon()
            else:
                result = await _perform(episode, turn_text(state.output.message))
            if result.done:
                break
            state.messages.append(ChatMessageUser(content=content(result.observation)))
        if result.info["outcome"] == Outcome.INFRA_FAILED:
            raise InfrastructureFailed("; ".join(episode.failures) or "no reason is known")
    finally:
        await episode.close()
    state.store.set(ENDING, result.info)
    state.completed = True
    return state


@scorer(metrics={part: [mean(), stderr()] for part in ("accuracy", "format", "total")})
def reward() -> Scorer:
    """The episode's reward in its parts; none where a limit of Inspect's ended it."""

    async def score(state: TaskState, target: Target) -> Score:
        nothing = {"accuracy": NO_REWARD.accuracy, "format": NO_REWARD.format, "total": NO_REWARD.total}
        info = state.store.get(ENDING) or nothing | {"outcome": str(Outcome.TRUNCATED), "rule": "none"}
        return Score(
            value={part: info[part] for part in nothing},
            answer=info.get("answer"),
            explanation=f"{info['outcome']}; decided by {info['rule']}",
            metadata={key: value for key, value in info.items() if key not in nothing},
        )

    return score


# --- Turns -------------------------------------------------------------------------------------------------


def turn_text(message: ChatMessageAssistant) -> str:
    """A turn as the policy wrote it: services take reasoning and calls out of it, which go back in here."""
    parts = [ContentText(text=message.content)] if isinstance(message.content, str) else message.content
    texts = [f"{part.text}\n" for part in parts if isinstance(part, ContentReasoning)]
    texts += [part.text for part in parts if isinstance(part, ContentText)]
    for call in message.tool_calls or ():
        written = json.dumps({"name": call.function, "arguments": call.arguments}, ensure_ascii=False)
        texts.append(f"\n<tool_call>\n{written}\n</tool_call>")
    return "".join(texts)


def tool_call(turn: str) -> ToolCall | None:
    """What a turn asks for as Inspect's viewer shows it, or None where it calls no tool."""
    match parse_turn(turn):
        case RunCode(code):
            return ToolCall(id="", function="python", arguments={"code": code})
        case SearchText(query):
            return ToolCall(id="", function="search", arguments={"query": query})
        case SearchImage(image, region):
            given = {"image": image, "region": region and list(region)}
            return ToolCall(id="", function="image_search", arguments=given)
    return None


async def _perform(episode: AsyncEpisode, turn: str) -> StepResult:
    """Take the turn, as a tool of Inspect's where it calls one, so that the transcript has an event of it."""
    call = tool_call(turn)
    if call is None:
        return await episode.step(turn)
    results: list[StepResult] = []

    async def run(**kwargs: Any) -> list[Content]:
        if kwargs != call.arguments:
            raise InfrastructureFailed("an approver changed a call: an episode takes the policy's own turns")
        results.append(await episode.step(turn))
        outcome = results[0].info.get("outcome")
        return [ContentText(text=f"({outcome})")] if outcome else content(results[0].observation)

    tool = ToolDef(run, call.function, call.function, ToolParams(additionalProperties=True))
    messages, _ = await execute_tools([ChatMessageAssistant(content=turn, tool_calls=[call])], [tool])
    if not results:  # errors of a kind that Inspect would show to a model, a refusal by an approver too
        raise InfrastructureFailed(f"a turn was not performed: {getattr(messages[0], 'error', None)}")
    return results[0]


# --- Images ------------------------------------------------------------------------------------------------


def content(observation: Observation) -> list[Content]:
    """An observation as the parts of a message: each image in its marker's place."""
    return list(_parts(observation))


def _parts(observation: Observation) -> Iterator[Content]:
    for text, image in zip_longest(observation.text.split(IMAGE_MARKER), observation.images):
        if text:
            yield ContentText(text=text)
        if image is not None:
            yield ContentImage(image=data_url(image))


def data_url(image: EncodedImage) -> str:
    """The image's own bytes as an address, or a PNG where services would not show them the right way up."""
    with Image.open(io.BytesIO(image.data)) as opened:
        mime = opened.get_format_mimetype()
        upright = opened.getexif().get(EXIF_ORIENTATION, 1) == 1
    if mime not in SHOWN_FORMATS or not upright:
        mime, image = "image/png", EncodedImage.from_pil(image.decode())
    return f"data:{mime};base64,{base64.b64encode(image.data).decode('ascii')}"
