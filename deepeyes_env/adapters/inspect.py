"""The environment as a task of Inspect AI (run with inspect_ai 0.3.285).

    inspect eval deepeyes_env/adapters/inspect.py --model openai/gpt-4o -T episodes=50

A sample is an episode: any model that Inspect knows takes the turns with images in its chat messages, our
sandbox and search perform them, and the score is our reward in its parts. The messages are what the model was
told and said, each turn to the end of its stop string. What was performed is in the transcript as well, as
events of the tools `python`, `search` and `image_search`. An episode whose infrastructure failed is an error
of its sample and has no score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    GenerateConfig,
    execute_tools,
)
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolCall, ToolDef, ToolParams
from inspect_ai.util import LimitExceededError
from pydantic import TypeAdapter

from deepeyes_env.adapters.unscored import EpisodeFailed, scored
from deepeyes_env.async_env import MAX_TOOLS, AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.chat_parts import data_url, dropped_stop, pieces, split_for_stop, up_to_stop
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import STOP_STRINGS, RunCode, SearchImage, SearchText, parse_turn
from deepeyes_env.rewards.base import NO_REWARD
from deepeyes_env.runner import StepResult
from deepeyes_env.task import Split

ENDING = "ending"
"""Key in a sample's store: the last step's `info`."""


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
        config=GenerateConfig(stop_seqs=list(STOP_STRINGS)),
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
    try:
        result = await _episode(env, state, generate)
    except LimitExceededError:
        raise
    except Exception as error:
        # `--score-on-error` has the sample scored nevertheless, and a 0 would say that the policy failed.
        state.store.set(ENDING, {"outcome": str(Outcome.INFRA_FAILED), "error": str(error)})
        raise
    state.store.set(ENDING, result.info)
    state.completed = True
    return state


async def _episode(env: DeepEyesAsyncEnv, state: TaskState, generate: Generate) -> StepResult:
    about = state.metadata
    episode = await env.begin(about["index"], about["split"], about["seed"] + state.epoch - 1)
    try:
        return await _converse(episode, state, generate)
    finally:
        await episode.close()


async def _converse(episode: AsyncEpisode, state: TaskState, generate: Generate) -> StepResult:
    """Turn after turn, until the episode ends."""
    while True:
        state = await generate(state, tool_calls="none")
        turn = _heard(state)
        stopped = state.output.stop_reason
        if stopped == "model_length" or (stopped == "max_tokens" and not turn.endswith(STOP_STRINGS)):
            return await episode.abandon()
        result = scored(await _perform(episode, turn), episode.failures)
        if result.done:
            return result
        state.messages.append(ChatMessageUser(content=content(result.observation)))


@scorer(metrics={part: [mean(), stderr()] for part in ("accuracy", "format", "total")})
def reward() -> Scorer:
    """The episode's reward in its parts: 0 where a limit of Inspect's ended it, none where an error did."""

    async def score(state: TaskState, target: Target) -> Score:
        nothing = {"accuracy": NO_REWARD.accuracy, "format": NO_REWARD.format, "total": NO_REWARD.total}
        info = state.store.get(ENDING) or nothing | {"outcome": str(Outcome.TRUNCATED), "rule": "none"}
        if info["outcome"] == Outcome.INFRA_FAILED:
            return Score.unscored(explanation=info["error"], metadata=info)
        return Score(
            value={part: info[part] for part in nothing},
            answer=info.get("answer"),
            explanation=f"{info['outcome']}; decided by {info['rule']}",
            metadata={key: value for key, value in info.items() if key not in nothing},
        )

    return score


# --- Turns -------------------------------------------------------------------------------------------------


def _heard(state: TaskState) -> str:
    """The turn that was just said, to the end of its stop string; the conversation then has no more of it.

    Services leave the stop string out, or know none and let the model invent what follows.
    """
    message = state.output.message
    thought, text = split_for_stop(*written(message))
    turn = thought + up_to_stop(text + (dropped_stop(text) if state.output.stop_reason == "stop" else ""))
    if isinstance(message.content, str):
        shown: str | list[Content] = turn if not message.tool_calls else up_to_stop(message.content)
    else:
        shown = [_up_to_stop(part) for part in message.content]
    state.messages[-1] = message.model_copy(update={"content": shown})
    return turn


def _up_to_stop(part: Content) -> Content:
    return part.model_copy(update={"text": up_to_stop(part.text)}) if isinstance(part, ContentText) else part


def written(message: ChatMessageAssistant) -> tuple[str, str]:
    """A turn as the policy wrote it, in two: the reasoning that a service took out of it, and the rest.

    Calls that it took out as well go back in here.
    """
    parts = [ContentText(text=message.content)] if isinstance(message.content, str) else message.content
    thoughts = [f"{part.text}\n" for part in parts if isinstance(part, ContentReasoning)]
    texts = [part.text for part in parts if isinstance(part, ContentText)]
    for call in message.tool_calls or ():
        asked = json.dumps({"name": call.function, "arguments": call.arguments}, ensure_ascii=False)
        texts.append(f"\n<tool_call>\n{asked}\n</tool_call>")
    return "".join(thoughts), "".join(texts)


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
            raise EpisodeFailed("an approver changed a call: an episode takes the policy's own turns")
        results.append(await episode.step(turn))
        outcome = results[0].info.get("outcome")
        return [ContentText(text=f"({outcome})")] if outcome else content(results[0].observation)

    tool = ToolDef(run, call.function, call.function, ToolParams(additionalProperties=True))
    messages, _ = await execute_tools([ChatMessageAssistant(content=turn, tool_calls=[call])], [tool])
    if not results:  # errors of a kind that Inspect would show to a model, a refusal by an approver too
        raise EpisodeFailed(f"a turn was not performed: {getattr(messages[0], 'error', None)}")
    return results[0]


def content(observation: Observation) -> list[Content]:
    """An observation as the parts of a message: each image in its marker's place."""
    return [
        ContentText(text=piece) if isinstance(piece, str) else ContentImage(image=data_url(piece))
        for piece in pieces(observation.text, observation.images)
    ]
