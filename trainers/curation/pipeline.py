"""The stages in their order, from a source of tasks to the two sets.

Tasks are compared with each other and with benchmarks before anything is sampled: what goes for that reason
would go anyway, and so it costs no rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agents.convert.importer import Importer
from agents.speaker import RolloutRequest
from agents.store import TrajectoryWriter, read_trajectories
from agents.trajectory import Trajectory
from deepeyes_env.config import EnvConfig, with_overrides
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import open_source
from deepeyes_env.tasks.selection import select
from trainers.curation import thought
from trainers.curation.attempts import Attempt, Tally, tally
from trainers.curation.balance import surplus
from trainers.curation.benchmarks import Sample, find_copy, read_copy
from trainers.curation.cards import Card
from trainers.curation.decontaminate import Contamination, Decontaminator
from trainers.curation.deduplicate import duplicates
from trainers.curation.demonstrations import Flaw, flaws
from trainers.curation.keys import content_ref, files_digest
from trainers.curation.outputs import write_rl, write_sft
from trainers.curation.placement import Findings, Place, only, placements
from trainers.curation.plan import Curated, Plan
from trainers.curation.recipe import Recipe
from trainers.curation.rollouts import Draws, Rollouts
from trainers.curation.stages import CurationError, Record, Stage, Stages, locked, point, require_name
from trainers.curation.survey import survey, within
from trainers.curation.voices import OpenSpeaker, opened_once, tokenizer_digest
from trainers.source_name import source_name

RL, SFT = "rl", "sft"
"""Lasting names of the two sets."""

DIFFICULTY, BENEFIT, SYNTHESIS = range(3)
"""`SeedLineage.step` of the three kinds of rollouts."""


def curate(plan: Plan) -> Curated:
    """Curate, from wherever an earlier start has come to.

    Args:
        plan: What to do.

    Returns:
        What came of it; the sets are `plan.out / "rl"` and `plan.out / "sft"`.

    Raises:
        ConfigError: Something that the plan names cannot be used.
        CurationError: Another process works in `plan.out`, something else has the name of a result there,
            the disk refuses, or the infrastructure failed in every rollout.
        DatasetError: A benchmark's copy cannot be read.
        StoreError: The rollouts in `plan.out` cannot be read or written.
        ContextFull: A task's prompt alone exceeds the token limit.
    """
    thought.check_files(plan.recipe.thought.files)  # before anything is sampled for nothing
    with locked(plan.out):
        for name in (RL, SFT):
            require_name(plan.out / name)
        return _Curating(plan, Stages(plan.out / "stages")).run()


@dataclass(slots=True)
class _Curating:
    """One pass through the stages."""

    plan: Plan
    stages: Stages
    made: list[Stage] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self) -> Curated:
        plan, recipe = self.plan, self.plan.recipe
        cards, unusable = self._tasks()
        found = Findings({card.digest: card for card in cards})
        decontaminator = self._decontaminator()
        found.duplicates = self._duplicates(cards)
        left = [card for card in cards if card.digest not in found.duplicates]
        found.contaminations = self._contaminations(left, decontaminator)
        left = [card for card in left if card.digest not in found.contaminations]
        with opened_once(plan.base) as base:
            alone = with_overrides(plan.env, tools=frozenset(), prompt=recipe.difficulty.prompt)
            found.difficulty = self._tallies("difficulty", alone, left, recipe.difficulty.samples, base)
            left = [card for card in left if self._is_hard(found.difficulty[card.digest])]
            found.benefit = self._tallies("benefit", plan.env, left, recipe.benefit.samples, base)
        found.rl_surplus = self._rl_surplus(found)
        left = [card for card in left if self._is_solvable(found.benefit[card.digest]) is False]
        teacher = Rollouts(plan.out / "rollouts", plan.teacher, plan.env, plan.effort)
        with opened_once(plan.teacher) as speaker:
            found.flaws = self._flaws(teacher, left, speaker)
        found.cold_surplus = self._cold_surplus(found)
        places = placements(found, recipe)
        chosen = [
            (digest, number) for digest in only(places, Place.COLD_START) for number in found.chosen(digest)
        ]
        thoughts = self._thoughts(len(chosen), decontaminator)
        self._write_rl([found.cards[digest] for digest in only(places, Place.RL)])
        self._write_sft([(found.cards[digest], number) for digest, number in chosen], teacher, thoughts)
        verdicts = tuple(thought.Verdict(**record) for record in thoughts.records())
        return Curated(
            tuple(unusable),
            found,
            tuple(places),
            verdicts,
            tuple(self.failures),
            tuple(self.made),
            teacher,
        )

    # --- Tasks ---------------------------------------------------------------------------------------------

    def _tasks(self) -> tuple[list[Card], list[str]]:
        plan = self.plan
        source = open_source(plan.env.source)
        indexes = within(source, plan.split, plan.indexes)
        settings = {
            "source": source_name(plan.env.source, plan.split),
            "split": plan.split,
            "indexes": [indexes.start, indexes.stop],
        }
        stage = self._record("tasks", settings, [], lambda: survey(source, plan.split, indexes))
        records = list(stage.records())
        errors = [record["error"] for record in records if "error" in record]
        cards = [Card.from_record(record) for record in records if "error" not in record]
        if not cards:
            why = errors[0] if errors else f"{plan.split!r} has no task in {plan.indexes}"
            raise ConfigError(f"tasks: there is none to curate: {why}")
        return cards, errors

    def _duplicates(self, cards: Sequence[Card]) -> dict[str, str]:
        config = self.plan.recipe.deduplicate
        stage = self._record(
            "duplicates",
            config,
            [_ref(cards)],
            lambda: [
                {"digest": one, "of": other} for one, other in duplicates(cards, config.near_bits).items()
            ],
        )
        return {record["digest"]: record["of"] for record in stage.records()}

    def _decontaminator(self) -> Decontaminator:
        config = self.plan.recipe.decontaminate
        copies = [find_copy(given) for given in config.against]
        settings = {
            "question_fields": config.question_fields,
            "copies": [
                [
                    copy.name,
                    [str(file.relative_to(copy.root)) for file in copy.files],
                    files_digest(copy.files),
                ]
                for copy in copies
            ],
        }
        stage = self._record(
            "benchmarks",
            settings,
            [],
            lambda: (s.to_record() for copy in copies for s in read_copy(copy, config.question_fields)),
        )
        return Decontaminator([Sample.from_record(record) for record in stage.records()], config)

    def _contaminations(
        self, cards: Sequence[Card], decontaminator: Decontaminator
    ) -> dict[str, Contamination]:
        def compute() -> Iterator[Record]:
            for card in cards:
                if (taken := decontaminator.check(card.question, card.looks)) is not None:
                    yield {"digest": card.digest, **asdict(taken)}

        inputs = [_ref(cards), self.made_as("benchmarks").ref]
        stage = self._record("contaminations", _rules(self.plan.recipe), inputs, compute)
        records = [dict(record) for record in stage.records()]
        return {record.pop("digest"): Contamination(**record) for record in records}

    # --- Rollouts ------------------------------------------------------------------------------------------

    def _is_hard(self, one: Tally) -> bool | None:
        return one.at_most(self.plan.recipe.difficulty.most_right)

    def _is_solvable(self, one: Tally) -> bool | None:
        return one.at_least(self.plan.recipe.benefit.least_right)

    def _tallies(
        self, name: str, env: EnvConfig, cards: Sequence[Card], samples: int, speaker: OpenSpeaker
    ) -> dict[str, Tally]:
        """How often the base policy is right."""
        rollouts = Rollouts(self.plan.out / "rollouts", self.plan.base, env, self.plan.effort)
        draws = Draws({"difficulty": DIFFICULTY, "benefit": BENEFIT}[name], samples, self.plan.seed)

        def compute() -> Iterator[Record]:
            there = rollouts.found(draws.of_all(cards), lambda number, summary: Attempt.of(summary))
            for card in cards:
                made = [there[one] for one in draws.of(card) if one in there]
                yield asdict(tally(card.digest, samples, made))

        stage = self._rolled_out(name, rollouts, draws, cards, speaker, {}, compute)
        return {record["digest"]: Tally(**record) for record in stage.records()}

    def _flaws(
        self, rollouts: Rollouts, cards: Sequence[Card], speaker: OpenSpeaker
    ) -> dict[str, dict[int, Flaw | None]]:
        """Which of the teacher's trajectories are kept."""
        config = self.plan.recipe.synthesis
        draws = Draws(SYNTHESIS, config.attempts, self.plan.seed)

        def compute() -> Iterator[Record]:
            with rollouts.reading(draws.of_all(cards), pictures=False) as read:
                for card in cards:
                    made = {one.sample: read(one) for one in draws.of(card)}
                    there = {number: one for number, one in made.items() if one is not None}
                    for number, flaw in flaws(there, config.keep).items():
                        yield {"digest": card.digest, "attempt": number, "flaw": flaw}

        stage = self._rolled_out(
            "demonstrations", rollouts, draws, cards, speaker, {"keep": config.keep}, compute
        )
        found: dict[str, dict[int, Flaw | None]] = {}
        for record in stage.records():
            flaw = record["flaw"] and Flaw(record["flaw"])
            found.setdefault(record["digest"], {})[record["attempt"]] = flaw
        return found

    def _rolled_out(
        self,
        name: str,
        rollouts: Rollouts,
        draws: Draws,
        cards: Sequence[Card],
        speaker: OpenSpeaker,
        settings: Mapping[str, Any],
        compute: Callable[[], Iterator[Record]],
    ) -> Stage:
        """A result of rollouts, which are made first as far as they are not there.

        What the infrastructure spoiled is part of the key: when it has been mended, so is all that follows.
        """
        inputs = [f"rollouts-{rollouts.key}", _ref(cards)]
        whole = {**asdict(draws), **settings}
        if (stage := self.stages.find(name, whole, inputs)) is not None:
            self.made.append(stage)
            return stage
        wanted = [
            RolloutRequest(card.index, self.plan.split, one) for card in cards for one in draws.of(card)
        ]
        source = open_source(self.plan.env.source)
        print(f"{name}: {len(wanted)} rollouts of {len(cards)} tasks, {rollouts.directory}")
        failures = rollouts.complete(wanted, source, speaker) if wanted else []
        self.failures += failures
        there = rollouts.found((one.lineage for one in wanted), lambda number, summary: None)
        if wanted and not there:
            raise CurationError(
                f"the infrastructure failed in all {len(wanted)} rollouts of {name}: "
                f"{failures[-1] if failures else 'no reason is known'}; mend it, then start the same "
                "command again"
            )
        spoiled = [asdict(one.lineage) for one in wanted if one.lineage not in there]
        return self._record(name, whole | ({"spoiled": spoiled} if spoiled else {}), inputs, compute)

    # --- Sets ----------------------------------------------------------------------------------------------

    def _rl_surplus(self, found: Findings) -> dict[str, str]:
        items = {
            digest: found.cards[digest].combination
            for digest, one in found.benefit.items()
            if self._is_solvable(one)
        }
        return self._surplus("rl-balance", items, self.plan.recipe.balance.rl)

    def _cold_surplus(self, found: Findings) -> dict[tuple[str, int], str]:
        items = {
            f"{digest}/{number}": found.cards[digest].combination
            for digest in found.flaws
            for number in found.demonstrations(digest)
        }
        gone = self._surplus("cold-start-balance", items, self.plan.recipe.balance.cold_start)
        parts = {name: name.split("/") for name in gone}
        return {(digest, int(number)): gone[name] for name, (digest, number) in parts.items()}

    def _surplus(self, name: str, items: Mapping[str, str], quota: Any) -> dict[str, str]:
        seed = self.plan.seed
        stage = self._record(
            name,
            {"quota": quota, "seed": seed},
            [content_ref("items", items)],
            lambda: [{"item": item, "limit": limit} for item, limit in surplus(items, quota, seed).items()],
        )
        return {record["item"]: record["limit"] for record in stage.records()}

    def _thoughts(self, demonstrations: int, decontaminator: Decontaminator) -> Stage:
        """Long chains of thought, as trajectories."""
        config, plan = self.plan.recipe.thought, self.plan
        files = thought.check_files(config.files)
        count = thought.wanted(demonstrations, config.share, config.count)
        settings = {
            "files": [[file.name, files_digest([file])] for file in files],
            "count": count,
            "max_tokens": config.max_tokens,
            "tokenizer": tokenizer_digest(plan.vocabulary),
            "rules": _rules(plan.recipe),
            "seed": plan.seed,
        }

        def compute(directory: Path) -> Iterator[Record]:
            importer = Importer(plan.vocabulary, max_tokens=config.max_tokens)
            with TrajectoryWriter(directory) as writer:
                for verdict, trajectory in thought.choose(files, count, importer, decontaminator, plan.seed):
                    if trajectory is not None:
                        writer.append(trajectory)
                    yield asdict(verdict)

        inputs = [self.made_as("benchmarks").ref]
        return self._keep(self.stages.record_beside("thought", settings, inputs, compute))

    def _write_rl(self, cards: Sequence[Card]) -> None:
        plan = self.plan
        source = open_source(plan.env.source) if plan.parquet else None
        selection = select(plan.env.source, plan.split, ((card.index, card.id) for card in cards))
        stage = self.stages.build(
            "rl",
            {"selection": selection, "parquet": plan.parquet and plan.env},
            [_ref(cards)],
            lambda directory: write_rl(directory, selection, plan.env, source),
        )
        point(plan.out / RL, self._keep(stage))

    def _write_sft(self, chosen: Sequence[tuple[Card, int]], rollouts: Rollouts, thoughts: Stage) -> None:
        plan = self.plan
        draws = Draws(SYNTHESIS, plan.recipe.synthesis.attempts, plan.seed)
        lineages = [draws.of(card)[number] for card, number in chosen]

        def demonstrations() -> Iterator[Trajectory]:
            with rollouts.reading(lineages) as read:
                for lineage in lineages:
                    one = read(lineage)
                    assert one is not None, "a demonstration was chosen from the rollouts that are there"
                    yield one
            yield from read_trajectories(thoughts.directory)

        stage = self.stages.build(
            "sft",
            {"lineages": content_ref("lineages", lineages)},
            [f"rollouts-{rollouts.key}", thoughts.ref],
            lambda directory: write_sft(directory, demonstrations(), plan.vocabulary),
        )
        point(plan.out / SFT, self._keep(stage))

    # --- Results -------------------------------------------------------------------------------------------

    def _record(self, name: str, settings: Any, inputs: Sequence[str], compute: Callable[[], Any]) -> Stage:
        return self._keep(self.stages.record(name, settings, inputs, compute))

    def _keep(self, stage: Stage) -> Stage:
        self.made.append(stage)
        return stage

    def made_as(self, name: str) -> Stage:
        """The result of a stage that has been passed."""
        return next(stage for stage in self.made if stage.name == name)


def _ref(cards: Sequence[Card]) -> str:
    return content_ref("cards", [card.digest for card in cards])


def _rules(recipe: Recipe) -> dict[str, Any]:
    """What of decontamination is not already in the benchmarks' key."""
    rules = asdict(recipe.decontaminate)
    return {key: rules[key] for key in ("rules", "near_bits", "words", "overlap")}
