"""Our agent behind one function: messages with pictures in, the final answer out; an episode each.

answerer = Answerer(AnswererOptions(policy="path/to/checkpoint"))
answers = answerer.answer([question(["What colour is", picture, "?"])])

What a foreign harness says about sampling is not heard: an episode has limits and a temperature of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import tyro

from agents.actor import ORACLE, Actor, PolicyOptions, no_room, require_at_least
from agents.own_pictures import own_rules
from agents.qwen import ModelError
from agents.rollout_stats import RolloutStats
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage
from agents.transcript import ContextFull
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError, require
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.task import Answer, Split, Task

PICTURES = 4
"""Pictures of one question that its share of the context is cut for; more of them leave the turns less."""


class AnswerError(RuntimeError):
    """The infrastructure failed, so there is no answer, not even a wrong one; the message says why."""


@dataclass(frozen=True, kw_only=True)
class AnswererOptions(PolicyOptions):
    """A policy that answers what a foreign harness asks.

    Attributes:
        temperature: Of sampling; 0 is greedy.
        seed: Names the run; the same seed and questions draw the same samples.
    """

    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, {"seed": 0})
        require(self.policy != ORACLE, "policy", self.policy, "a model: the oracle knows its own tasks only")

    @classmethod
    def from_words(cls, words: Mapping[str, object]) -> AnswererOptions:
        """The options from a harness's `key=value` arguments: those of the command line, by their names.

        Args:
            words: Name -> value; of several values (`urls`), blanks between them.

        Raises:
            ConfigError: There is no such option, or a value cannot be used.
        """
        argv: list[str] = []
        for name, value in words.items():
            argv += [f"--{name.replace('_', '-')}", *str(value).split()]
        try:
            return tyro.cli(cls, args=argv, prog="deepeyes")
        except SystemExit as error:  # tyro has said what is wrong
            raise ConfigError(f"model arguments {dict(words)!r} cannot be used; see above") from error


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        text: The question; a picture between its words is named there as the sandbox knows it.
        images: Its pictures, in order.
    """

    text: str
    images: tuple[EncodedImage, ...]


def question(parts: Sequence[str | EncodedImage]) -> Question:
    """A question from texts and pictures in their order.

    The environment shows pictures before the text, so a picture after a text is named in its place.
    """
    images: list[EncodedImage] = []
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        images.append(part)
        if texts:
            texts.append(f"(image_{len(images)})")
    return Question("\n".join(text.strip() for text in texts if text.strip()), tuple(images))


class Answerer:
    """An opened policy in an environment for strangers' questions."""

    def __init__(self, options: AnswererOptions) -> None:
        """Open both.

        Args:
            options: Which policy, in which environment.

        Raises:
            ConfigError: The environment's file or the policy cannot be used.
        """
        self._options = options
        self._desk = _Desk()
        config = own_rules(load_config(EnvConfig, options.env), PICTURES, options.max_tokens)
        with _explained():
            self._actor = Actor(options)
        self._env = DeepEyesAsyncEnv(options.num_envs, config, tasks=self._desk)

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """The final answers in order; an empty one where the episode ended without.

        Args:
            questions: What is asked, `num_envs` of them at once.

        Raises:
            AnswerError: The infrastructure failed in every attempt.
            ConfigError: A question alone is longer than `max_tokens`.
        """
        numbers = [self._desk.put(one) for one in questions]
        requests = [
            RolloutRequest(number, "test", SeedLineage(self._options.seed, prompt=number))
            for number in numbers
        ]
        stats, answers = RolloutStats(), []
        try:
            with _explained(), closing(self._actor.play(self._env, requests, stats)) as played:
                for one in played:
                    if one.outcome is Outcome.INFRA_FAILED:
                        raise AnswerError(
                            f"{one.task_id}: {'; '.join(stats.failures) or 'no reason is known'}"
                        )
                    answers.append(one.answer or "")
        finally:
            self._desk.clear(numbers)
        return answers

    def close(self) -> None:
        """Free what both hold. Idempotent."""
        self._env.close()
        self._actor.close()


@dataclass
class _Desk:
    """A task source with the questions that are being asked. Nobody knows their answers."""

    name: str = "asked"
    asked: dict[int, Question] = field(default_factory=dict)
    count: int = 0

    def put(self, question: Question) -> int:
        self.asked[self.count] = question
        self.count += 1
        return self.count - 1

    def clear(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            del self.asked[number]

    def size(self, split: Split) -> None:
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        one = self.asked[index]
        return Task(f"{self.name}/{index}", one.text, one.images, Answer(""), family=self.name)

    def search_engine(self) -> SearchEngine | None:
        return None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise ConfigError(str(error)) from error
    except ContextFull as error:
        raise ConfigError(no_room(error)) from error
