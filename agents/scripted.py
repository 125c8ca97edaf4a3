"""Scripted episodes: a program speaks instead of a model, in the real environment with the real tools.

Programs make cold-start data and prove that tasks are solvable. A program is a generator that yields whole
turn texts and is sent the observation after each; every family of a world brings one (`oracle_program`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from weakref import WeakKeyDictionary

from agents.rollout import LiveEpisode, RolloutRequest, drive
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds import oracle_for
from deepeyes_env.vector import DeepEyesVectorEnv

Script = Generator[str, Observation, None]
"""Yields the policy's turns, is sent what they led to."""

Program = Callable[[Task, SeedLineage], Script]
"""Writes the script of one episode; an imperfect teacher draws its mistakes from the lineage."""


class ScriptError(RuntimeError):
    """A script ended before its episode; the message names the task."""


def oracle_program(task: Task, lineage: SeedLineage) -> Script:
    """The program of the task's own family: solves it with the tools.

    Raises:
        ValueError: The task does not come from a world.
    """
    del lineage  # the oracle makes no mistakes to draw
    return oracle_for(task)


def demonstrate(
    env: DeepEyesVectorEnv,
    vocabulary: Vocabulary,
    request: RolloutRequest,
    program: Program = oracle_program,
) -> Trajectory:
    """Run one scripted episode; see `demonstrate_many`."""
    return next(demonstrate_many(env, vocabulary, [request], program))


def demonstrate_many(
    env: DeepEyesVectorEnv,
    vocabulary: Vocabulary,
    requests: Iterable[RolloutRequest],
    program: Program = oracle_program,
    *,
    max_tokens: int = MAX_TOKENS,
    think_prefill: bool = True,
) -> Iterator[Trajectory]:
    """Run one scripted episode per request, as many at once as `env` has slots.

    Args:
        env: Where the programs act.
        vocabulary: The tokenizer that encodes their turns.
        requests: Which tasks, and the lineages that the programs draw from.
        program: Writes the scripts.
        max_tokens: Tokens of a conversation above which it is truncated.
        think_prefill: Whether every turn but the first starts with a given `<think>`, which a script repeats.

    Yields:
        Trajectories in order of completion; their log-probabilities are 0, their versions say `scripted`.

    Raises:
        ScriptError: A script ended before its episode.
    """
    scripts: WeakKeyDictionary[LiveEpisode, Script] = WeakKeyDictionary()

    def speak(batch: Sequence[LiveEpisode]) -> list[str]:
        return [one.transcript.append_text(next_turn(one)) for one in batch]

    def next_turn(one: LiveEpisode) -> str:
        try:
            if one in scripts:
                return scripts[one].send(one.observation)
            scripts[one] = program(one.task, one.request.lineage)
            return next(scripts[one])
        except StopIteration:
            raise ScriptError(f"the script of {one.task.id} ended before its episode") from None

    yield from drive(
        env,
        requests,
        speak,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        think_prefill=think_prefill,
        versions={"policy": f"scripted:{getattr(program, '__name__', type(program).__name__)}"},
    )
