"""The asking: every draw of the plan once, answered by whom it concerns, scored, and noted as it comes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agents.event_loop import iterate
from agents.rollout import RolloutLimits, stream
from agents.rollout_stats import RolloutStats
from agents.trajectory import Trajectory
from benchmarks.protocol.cache import Cache
from benchmarks.protocol.facts import result_of
from benchmarks.protocol.folder import Folder
from benchmarks.protocol.plan import Draw, Items, Plan, draws, key_of, surroundings
from benchmarks.protocol.questions import Questions
from benchmarks.protocol.respondent import Respondent
from benchmarks.result import Mode, Result
from benchmarks.scoring.judging import sampled
from benchmarks.scoring.verdict import verdict
from benchmarks.suites.suite import Suite
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.rewards.judge import Judge
from deepeyes_env.search import tally_of
from deepeyes_env.search.config import LocalSearchConfig
from deepeyes_env.search.local.stored import read_contents

SCORERS = 8
"""Answers scored at once: a judge is waited for, and rules are quick."""

OnResult = Callable[[Result], None]
"""Is told every result once, also those that an earlier process has noted."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How episodes are run; but for the limits nothing of it changes what they say.

    Attributes:
        limits: What an episode may use up.
        num_envs: Episodes at once.
        infra_retries: How often an episode is begun anew when the infrastructure failed.
    """

    limits: RolloutLimits = field(default_factory=RolloutLimits)
    num_envs: int = 8
    infra_retries: int = 1


@dataclass(frozen=True, slots=True)
class Scoring:
    """How answers are scored.

    Attributes:
        judge: Asked where no rule is sure; None for rules alone.
        sample: Share of what rules have decided that the judge is asked about too.
    """

    judge: Judge | None = None
    sample: float = 0.0

    def of(self, suite: Suite, draw: Draw, episode: Trajectory, number: int) -> Result:
        """The result of an episode."""
        name = {"item": draw.shown.item.task.id, "mode": draw.mode, "seed": draw.seed, "sample": draw.sample}
        worth = verdict(
            draw.shown.item,
            episode.answer,
            episode.outcome,
            suite.official,
            self.judge,
            beside=sampled(self.sample, name),
        )
        return result_of(draw, episode, number, worth)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that takes part in asking.

    Attributes:
        respondent: Who is asked.
        suites: What.
        configs: Mode -> the environment.
        plan: How often.
        effort: How episodes are run.
        scoring: How answers are scored.
        cache: What other runs have asked.
        spent: What searches have cost so far, by name: requests that an engine of `search` could answer, and
            US dollars.
    """

    respondent: Respondent
    suites: Sequence[Items]
    configs: Mapping[Mode, EnvConfig]
    plan: Plan
    effort: Effort
    scoring: Scoring
    cache: Cache = field(default_factory=Cache)
    spent: Counter[str] = field(default_factory=Counter)

    def ask(self, folder: Folder, on_result: OnResult) -> list[str]:
        """Ask what is missing and score what is not scored.

        Args:
            folder: The run, which has what was asked before.
            on_result: Told of every result.

        Returns:
            Why the infrastructure failed; what it spoiled is asked again next time.

        Raises:
            ContextFull: A prompt alone exceeds the token limit.
            PolicyError: The policy will not answer at all.
        """
        failures: list[str] = []
        for items in self.suites:
            for mode in self.plan.modes:
                one = _OneMode(self, items, mode, folder, on_result)
                failures += one.run()
        return failures

    def around(self, items: Items, mode: Mode) -> Mapping[str, object]:
        """All that decides the answers of one suite in one mode, besides the draws."""
        config = self.configs[mode]
        more = {"limits": _limits(self.effort.limits), **index_pages(config)}
        return surroundings(self.respondent.settings, config, items, **more)


def index_pages(config: EnvConfig) -> Mapping[str, str]:
    """A hash of the pages in the local index that is searched: the directory may hold others tomorrow.

    Args:
        config: The environment.

    Returns:
        Empty where no local index is searched, or a replay does without it.

    Raises:
        DatasetError: The directory holds no index.
    """
    search = config.search
    if search is None or not isinstance(search.engine, LocalSearchConfig):
        return {}
    directory = Path(search.engine.index)
    if search.recording is not None and search.recording.mode == "replay" and not directory.exists():
        return {}
    return {"index_pages": read_contents(directory).digest}


class _OneMode:
    """One suite in one mode."""

    def __init__(
        self, evaluation: Evaluation, items: Items, mode: Mode, folder: Folder, on_result: OnResult
    ) -> None:
        self._evaluation = evaluation
        self._items, self._mode = items, mode
        self._folder, self._on_result = folder, on_result
        self._around = evaluation.around(items, mode)
        self._pending: deque[Future[Result]] = deque()

    def run(self) -> list[str]:
        """Ask; see `Evaluation.ask`."""
        self._take_over()
        questions, stats = Questions(self._items), RolloutStats()
        effort, respondent = self._evaluation.effort, self._evaluation.respondent
        config = self._evaluation.configs[self._mode]
        with (
            ThreadPoolExecutor(SCORERS) as self._scorers,
            closing(DeepEyesAsyncEnv(effort.num_envs, config, tasks=questions)) as env,
            self._noting_searches(env),
        ):
            episodes = stream(
                respondent.speaker,
                env,
                questions.requests(self._missing()),
                limits=effort.limits,
                infra_retries=effort.infra_retries,
                stats=stats,
                versions=respondent.versions,
            )
            with closing(iterate(episodes)) as played:  # so that none goes on when one cannot be kept
                for episode in played:
                    draw, key = questions.answered(episode.lineage)
                    self._score(draw, episode, self._folder.keep(episode, key))
                    self._note(wait=False)
            self._note(wait=True)
        return stats.failures

    @contextmanager
    def _noting_searches(self, env: DeepEyesAsyncEnv) -> Iterator[None]:
        """Add what was searched for in the block to what the evaluation has spent."""
        try:
            yield
        finally:
            if env.config.search is not None and env.search_engine is not None:
                tally = tally_of(env.search_engine)
                self._evaluation.spent["search_requests"] += tally.requests
                self._evaluation.spent["search_dollars"] += tally.dollars  # type: ignore[assignment]

    def _take_over(self) -> None:
        """Store what other runs have answered, before anything is asked: their order never changes."""
        if not self._evaluation.cache:
            return
        for draw in draws(self._items, self._mode, self._evaluation.plan):
            key = key_of(draw, self._around)
            if key not in self._folder.known and (episode := self._evaluation.cache.take(key)) is not None:
                self._folder.known[key] = self._folder.keep(episode, key)

    def _missing(self) -> Iterator[tuple[Draw, str]]:
        """The draws that are not answered yet, with their keys; of the others the results are told."""
        for draw in draws(self._items, self._mode, self._evaluation.plan):
            key = key_of(draw, self._around)
            number = self._folder.known.get(key)
            if number is None:
                yield draw, key
            elif (result := self._folder.results.get(number)) is not None:
                self._on_result(result)
            else:
                self._score(draw, self._folder.stored(number), number)

    def _score(self, draw: Draw, episode: Trajectory, number: int) -> None:
        scoring = self._evaluation.scoring
        self._pending.append(self._scorers.submit(scoring.of, self._items.suite, draw, episode, number))

    def _note(self, *, wait: bool) -> None:
        """Note what is scored, in the order in which it was answered."""
        while self._pending and (wait or self._pending[0].done()):
            result = self._pending.popleft().result()
            self._folder.note(result)
            self._on_result(result)


def _limits(limits: RolloutLimits) -> Mapping[str, object]:
    return {
        "max_tokens": limits.max_tokens,
        "episode_seconds": limits.episode_seconds,
        "tool_seconds": limits.tool_seconds,
    }
