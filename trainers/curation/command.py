"""`deepeyes curate`: data for cold start and reinforcement learning, chosen and made as in the paper."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agents.actor import ORACLE, ActorOptions, Backend, no_room, text_vocabulary
from agents.policy import PolicyError
from agents.qwen import ModelError
from agents.store import StoreError
from agents.transcript import ContextFull
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError
from deepeyes_env.task import Split
from trainers.arguments import parse_options
from trainers.curation.pipeline import curate
from trainers.curation.placement import Place
from trainers.curation.plan import Curated, Plan
from trainers.curation.recipe import Recipe
from trainers.curation.report import write_report
from trainers.curation.rollouts import Effort
from trainers.curation.stages import CurationError
from trainers.curation.voices import voice_of

REPORT = "report.html"

_SHOWN_FAILURES = 5
"""Reasons of failed infrastructure that are shown; the rest is counted."""


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Whoever demonstrates the tasks of the cold start, with the real tools.

    Attributes:
        policy: A Qwen2.5-VL checkpoint, a model's name at an API, or `oracle`.
        backend: What runs it.
        urls: Addresses of its servers.
        api: TOML file of its chat API's settings (`ChatConfig`).
        temperature: Of its sampling.
    """

    policy: str = ORACLE
    backend: Backend = "transformers"
    urls: tuple[str, ...] = ()
    api: Path | None = None
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CurateOptions(ActorOptions):
    """Choose tasks for RL and make trajectories for cold start, as the paper does.

    `--policy` and the options beside it name the base policy, which is to learn. The same command, started
    again, goes on where it was interrupted; with other settings it makes only what depends on them.

    Attributes:
        out: Directory of everything: `rl` (tasks for `deepeyes dapo`), `sft` (trajectories for `deepeyes
            sft`), `report.html`, and beside them `rollouts` and `stages`, from which a restart goes on.
        split: Part of the task source.
        tokenizer: Directory or hub id of the tokenizer of the model to be trained, which encodes what
            speakers of text say; default: the base policy's, or for an API and the oracle that of the tiny
            model of `deepeyes quickstart`.
        parquet: Write the tasks for RL as parquet in DeepEyesV2's schema too.
        teacher: Whoever demonstrates.
        recipe: The stages' settings.
    """

    out: Path
    split: Split = "train"
    parquet: bool = False
    teacher: TeacherOptions = field(default_factory=TeacherOptions)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.teaching

    @property
    def teaching(self) -> ActorOptions:
        """The teacher's options, which are the base policy's where they are not its own.

        Raises:
            ConfigError: They contradict each other.
        """
        shared = {item.name: getattr(self, item.name) for item in fields(ActorOptions)}
        own = {item.name: getattr(self.teacher, item.name) for item in fields(self.teacher)}
        try:
            return ActorOptions(**shared | own)
        except ConfigError as error:
            raise ConfigError(f"teacher.{error}") from error


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: Something cannot be used; the message says what to do.
    """
    options = parse_options(CurateOptions, argv, "curate")
    try:
        run(options)
    except (ConfigError, ModelError, StoreError, PolicyError, CurationError) as error:
        raise SystemExit(f"deepeyes curate: {error}") from error
    except ContextFull as error:
        raise SystemExit(f"deepeyes curate: {no_room(error)}") from error
    except KeyboardInterrupt:
        print("\nthe same command goes on from here: every finished rollout is stored", file=sys.stderr)
        raise


def run(options: CurateOptions) -> Curated:
    """Curate as `options` say, and write the report.

    Raises:
        ConfigError: An option cannot be used.
        CurationError: The infrastructure failed in every rollout, or another process works there.
    """
    plan = plan_of(options)
    done = curate(plan)
    page = write_report(plan, done, options.out / REPORT)
    _tell(done, options.out, page)
    return done


def plan_of(options: CurateOptions) -> Plan:
    """What the options ask for; opens no model.

    Raises:
        ConfigError: An option cannot be used.
    """
    vocabulary = _vocabulary(options)
    return Plan(
        out=options.out,
        env=options.env_config,
        split=options.split,
        indexes=options.indexes,
        recipe=options.recipe,
        base=voice_of(options, vocabulary),
        teacher=voice_of(options.teaching, vocabulary),
        vocabulary=vocabulary,
        effort=Effort(options.limits, options.num_envs, options.infra_retries),
        seed=options.seed,
        parquet=options.parquet,
    )


def _vocabulary(options: CurateOptions) -> Vocabulary:
    speaks_text = options.policy == ORACLE or options.backend == "api"
    name = options.tokenizer or (None if speaks_text else options.policy)
    return text_vocabulary(name)


def _tell(done: Curated, out: Path, page: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    counts = Counter(one.place for one in done.places)
    table = Table("tasks", "place")
    for place in Place:
        if counts[place]:
            table.add_row(str(counts[place]), str(place))
    console.print(table)
    for reason in done.failures[:_SHOWN_FAILURES]:
        console.print(f"infrastructure: {reason}", markup=False)
    if len(done.failures) > _SHOWN_FAILURES:
        console.print(f"infrastructure: {len(done.failures) - _SHOWN_FAILURES} more failures")
    if counts[Place.UNSCORED]:
        console.print("start the same command again to try those once more that the infrastructure failed")
    console.print(f"tasks for RL: {out / 'rl' / 'tasks.json'}", markup=False)
    console.print(f"trajectories for cold start: {out / 'sft'}", markup=False)
    console.print(f"report: {page}", markup=False)
