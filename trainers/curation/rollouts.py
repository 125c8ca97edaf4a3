"""Rollouts that are never made twice: a run for each speaker and environment, a draw by its task's name.

    OUT/rollouts/<key>/trajectories.jsonl ...   as `deepeyes rollout` writes them; `deepeyes view` shows them
    OUT/rollouts/<key>/voice.json               who speaks there, and in which environment

The key says who speaks, how, and in what environment, but not where its servers are or how long they are
waited for; the lineage says which draw of which task. Neither knows which other tasks there are or how many
draws are wanted: more tasks, or more draws, take what is there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agents.event_loop import iterate
from agents.rollout import RolloutLimits, stream
from agents.rollout_command import live_progress
from agents.rollout_stats import RolloutStats
from agents.run_tokenizer import keep_tokenizer
from agents.speaker import RolloutRequest, Speaker
from agents.store import RECORDS, Summary, TrajectoryReader, TrajectoryWriter
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.outcome import Outcome
from deepeyes_env.task import TaskSource
from deepeyes_env.tasks import DeepEyesV2Config, RealWorldConfig, SelectionConfig, SourceConfig, WorldConfig
from deepeyes_env.tasks.selection import read_selection
from trainers.curation.cards import Card
from trainers.curation.keys import plain, stage_key
from trainers.curation.voices import OpenSpeaker, Voice
from trainers.env_settings import deciding

VOICE = "voice.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effort:
    """How rollouts are made; nothing of it changes what they say, but for the limits.

    Attributes:
        limits: What an episode may use up.
        num_envs: Episodes at once.
        infra_retries: How often an episode is begun anew when the infrastructure failed.
    """

    limits: RolloutLimits
    num_envs: int = 8
    infra_retries: int = 1


@dataclass(frozen=True, slots=True)
class Draws:
    """The draws of every task in one kind of rollouts.

    Attributes:
        step: The kind.
        samples: How many of each task.
        seed: Of the curation.
    """

    step: int
    samples: int
    seed: int

    def of(self, card: Card) -> list[SeedLineage]:
        """Those of one task."""
        return [SeedLineage(self.seed, self.step, card.number, sample) for sample in range(self.samples)]

    def of_all(self, cards: Sequence[Card]) -> list[SeedLineage]:
        """Those of many tasks, in order."""
        return [one for card in cards for one in self.of(card)]


class Rollouts:
    """All rollouts of one speaker in one environment.

    Args:
        directory: Holds the runs.
        voice: Who speaks.
        config: The environment; of its task source only the search engine counts.
        effort: How they are made.
    """

    def __init__(self, directory: Path, voice: Voice, config: EnvConfig, effort: Effort) -> None:
        self.settings = {
            "voice": voice.settings,
            "env": plain(deciding(config)) | {"source": _engine(config.source), "split": None},
            # Not `tool_seconds`: what was not performed in time is not kept.
            "limits": {
                "max_tokens": effort.limits.max_tokens,
                "episode_seconds": effort.limits.episode_seconds,
            },
        }
        self.key = stage_key("rollouts", self.settings)
        self.directory = directory / self.key
        self._voice, self._config, self._effort = voice, config, effort

    def complete(
        self, requests: Sequence[RolloutRequest], source: TaskSource, speaker: OpenSpeaker
    ) -> list[str]:
        """Make those that are not there yet.

        Args:
            requests: What there is to be in the end.
            source: Their tasks.
            speaker: Opens the voice; not called if nothing is missing.

        Returns:
            Why the infrastructure failed; what it spoiled is still missing.

        Raises:
            StoreError: The run cannot be read or written.
            ContextFull: A prompt alone exceeds the token limit.
        """
        with TrajectoryWriter(self.directory) as writer:
            there = self.found({request.lineage for request in requests}, lambda number, summary: None)
            missing = [request for request in requests if request.lineage not in there]
            if not missing:
                return []
            speaks, stats = speaker(), RolloutStats()
            self._describe(speaks)
            with (
                closing(DeepEyesAsyncEnv(self._effort.num_envs, self._config, tasks=source)) as env,
                live_progress(stats, len(missing)),
                closing(iterate(self._stream(speaks, env, missing, stats))) as played,
            ):
                for one in played:
                    writer.append(one)
        return stats.failures

    def found(self, wanted: Iterable[SeedLineage], take: Callable[[int, Summary], T]) -> dict[SeedLineage, T]:
        """Those of the wanted draws that are there.

        Args:
            wanted: The draws.
            take: What is to be known of each, from its record's number and its summary.

        Returns:
            Draw -> what was taken; draws that the infrastructure spoiled are not there.
        """
        there: dict[SeedLineage, T] = {}
        if not (self.directory / RECORDS).is_file():
            return there
        wanted = set(wanted)
        with TrajectoryReader(self.directory, pictures=False) as reader:
            for number, summary in enumerate(reader.summaries()):
                lineage = summary.lineage
                if lineage in wanted and lineage not in there and summary.outcome is not Outcome.INFRA_FAILED:
                    there[lineage] = take(number, summary)
        return there

    @contextmanager
    def reading(
        self, wanted: Iterable[SeedLineage], *, pictures: bool = True
    ) -> Iterator[Callable[[SeedLineage], Trajectory | None]]:
        """Gives the trajectories of the wanted draws one by one; None for one that is not there.

        Args:
            wanted: The draws.
            pictures: Whether to read their images.
        """
        numbers = self.found(wanted, lambda number, summary: number)
        if not numbers:
            yield lambda lineage: None
            return
        with TrajectoryReader(self.directory, pictures=pictures) as reader:
            yield lambda lineage: reader[numbers[lineage]] if lineage in numbers else None

    def _stream(
        self,
        speaker: Speaker,
        env: DeepEyesAsyncEnv,
        requests: Sequence[RolloutRequest],
        stats: RolloutStats,
    ) -> AsyncIterator[Trajectory]:
        return stream(
            speaker,
            env,
            requests,
            limits=self._effort.limits,
            infra_retries=self._effort.infra_retries,
            stats=stats,
            versions=self._voice.versions,
        )

    def _describe(self, speaker: Speaker) -> None:
        text = json.dumps(plain(self.settings), indent=1, sort_keys=True)
        (self.directory / VOICE).write_text(text + "\n")
        keep_tokenizer(self.directory, speaker.vocabulary)


def _engine(source: SourceConfig) -> Mapping[str, Any]:
    """What of a task source, besides the tasks, an episode meets: the pages that search finds."""
    if isinstance(source, WorldConfig | RealWorldConfig):
        return {"kind": source.kind, "seed": source.seed}
    if isinstance(source, DeepEyesV2Config):
        return {"kind": source.kind, "image_search_cache": source.image_search_cache}
    if isinstance(source, SelectionConfig):
        return _engine(read_selection(source.file).source)
    return {"kind": source.kind}
