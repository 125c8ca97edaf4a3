"""Scripted episodes: a program speaks instead of a model, in the real environment with the real tools.

Programs make cold-start data and prove that tasks are solvable. A program is a generator that yields whole
turn texts and is sent the observation after each; every family of a world brings one (`oracle_program`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from weakref import WeakKeyDictionary

from agents.event_loop import iterate
from agents.rollout import NO_LIMITS, RolloutLimits, stream
from agents.speaker import LiveEpisode, RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.episode import Observation
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds import oracle_for

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


class ScriptSpeaker:
    """A program speaks; its turns are encoded, with log-probability 0.

    Args:
        program: Writes the scripts.
        vocabulary: The tokenizer that encodes their turns.
        think_prefill: Whether every turn but the first starts with a given `<think>`, which a script repeats.
    """

    def __init__(self, program: Program, vocabulary: Vocabulary, *, think_prefill: bool = True) -> None:
        self.vocabulary = vocabulary
        self.think_prefill = think_prefill
        self._program = program
        self._scripts: WeakKeyDictionary[LiveEpisode, Script] = WeakKeyDictionary()

    async def speak(self, episode: LiveEpisode) -> str:
        """Append the script's next turn; see `agents.speaker.Speaker`.

        Raises:
            ScriptError: The script ended before its episode.
        """
        return episode.transcript.append_text(self._next(episode))

    def _next(self, episode: LiveEpisode) -> str:
        try:
            if episode in self._scripts:
                return self._scripts[episode].send(episode.observation)
            self._scripts[episode] = self._program(episode.task, episode.request.lineage)
            return next(self._scripts[episode])
        except StopIteration:
            raise ScriptError(f"the script of {episode.task.id} ended before its episode") from None


def demonstrate_many(
    env: DeepEyesAsyncEnv,
    vocabulary: Vocabulary,
    requests: Iterable[RolloutRequest],
    program: Program = oracle_program,
    *,
    limits: RolloutLimits = NO_LIMITS,
    think_prefill: bool = True,
) -> Iterator[Trajectory]:
    """Run one scripted episode per request, as many at once as `env` says.

    Args:
        env: Where the programs act.
        vocabulary: The tokenizer that encodes their turns.
        requests: Which tasks, and the lineages that the programs draw from.
        program: Writes the scripts.
        limits: What an episode may use up.
        think_prefill: Whether every turn but the first starts with a given `<think>`, which a script repeats.

    Yields:
        Trajectories in the order of the requests; their log-probabilities are 0, their versions say
        `scripted`.

    Raises:
        ScriptError: A script ended before its episode.
    """
    speaker = ScriptSpeaker(program, vocabulary, think_prefill=think_prefill)
    yield from iterate(
        stream(speaker, env, requests, limits=limits, versions={"policy": script_name(program)})
    )


def script_name(program: Program) -> str:
    """What trajectories of a program say in `versions["policy"]`."""
    return f"scripted:{getattr(program, '__name__', type(program).__name__)}"
