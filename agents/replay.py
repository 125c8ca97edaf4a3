"""Plays a stored trajectory again in the real environment, to the byte.

    replayer = Replayer(EnvConfig(...), vocabulary)        # the configuration of the rollout
    for trajectory in read_trajectories("runs/mine"):
        replayer.replay(trajectory)                        # ReplayError: where it differs, and in what

The recorded ids are spoken again turn by turn; sandbox, search and reward answer anew. Only what no
environment can repeat is taken from the record: that the policy ran into its token limit, that time was up,
and that the infrastructure failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from agents.ending import Ending
from agents.policy import Sample
from agents.speaker import session_seed
from agents.trajectory import Trajectory, check_tokens, check_trajectory
from agents.transcript import MAX_TOKENS, THINK, ContextFull, Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Observation
from deepeyes_env.host import draw_task, make_services
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.runner import ACTION_NAMES, EpisodeRunner, StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.task import Split, Task, TaskSource
from deepeyes_env.tasks import open_source

CONTEXT = 40
"""Characters shown on either side of the place where two texts part."""


class ReplayError(ValueError):
    """A replay differs from its record; the message names the trajectory, the turn and the difference."""


class Replayer:
    """Replays trajectories, one at a time.

    Args:
        config: The environment's settings, as in the rollout.
        vocabulary: The tokenizer of the policy that spoke.
        tasks: A task source to use in place of `config.source`.
        sandbox: A sandbox to use in place of `config.sandbox_backend`. It stays the caller's to close.
        max_tokens: The rollout's limit of a conversation, which decides where it was truncated.
    """

    def __init__(
        self,
        config: EnvConfig,
        vocabulary: Vocabulary,
        *,
        tasks: TaskSource | None = None,
        sandbox: Sandbox | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.tasks = tasks if tasks is not None else open_source(config.source)
        self.max_tokens = max_tokens
        self._runner = EpisodeRunner(config, make_services(config, self.tasks, sandbox))

    def replay(
        self, trajectory: Trajectory, *, index: int | None = None, split: Split | None = None
    ) -> Trajectory:
        """Play one trajectory again.

        Args:
            trajectory: What was recorded.
            index: The task's index in its split; None asks the source for it (`index_of`).
            split: The part of the source; needed with `index`.

        Returns:
            The trajectory of the replay. It equals the record in every field, to the byte.

        Raises:
            ReplayError: It differs; the message says at which turn and in what.
            TrajectoryError: The record is not sound.
            ValueError: The source cannot say where the task is: pass `index` and `split`.
        """
        check_trajectory(trajectory)
        check_tokens(trajectory, self.vocabulary)
        place = self._place(trajectory, index, split)
        rng = np.random.default_rng(session_seed(trajectory.lineage))
        task, rng = draw_task(self.tasks, self.config.split, place, rng)
        try:
            return _Play(trajectory, self._runner, task, rng, self._transcript(trajectory)).run()
        finally:
            self._runner.close()

    def _place(self, trajectory: Trajectory, index: int | None, split: Split | None) -> dict[str, Any]:
        if index is None or split is None:
            locate = getattr(self.tasks, "index_of", None)
            if locate is None:
                raise ValueError(
                    f"trajectory {trajectory.task_id!r}: the source {self.tasks.name!r} cannot say where its "
                    "task is; pass index= and split="
                )
            index, split = locate(trajectory.task_id)
        return {"index": index, "split": split}

    def _transcript(self, trajectory: Trajectory) -> Transcript:
        return Transcript(
            self.vocabulary,
            name=trajectory.task_id,
            max_tokens=self.max_tokens,
            max_images=self.config.max_images,
            think_prefill=_has_prefill(trajectory, self.vocabulary),
        )


class _Play:
    """One replay. Turns are counted from 0; -1 is the prompt."""

    def __init__(
        self,
        recorded: Trajectory,
        runner: EpisodeRunner,
        task: Task,
        rng: np.random.Generator,
        transcript: Transcript,
    ) -> None:
        self.recorded = recorded
        self.runner = runner
        self.task = task
        self.rng = rng
        self.transcript = transcript

    def run(self) -> Trajectory:
        """Replay everything and compare it on the way."""
        self._start()
        ending = None
        for number in range(len(self.recorded.turns)):
            ending = self._turn(number)  # an end before the last turn raises
        return self._finish(ending or self._unspoken())

    def _start(self) -> None:
        observation, info = self.runner.start(self.task, self.rng)
        own = {"task_id": self.task.id, "system_prompt": info["system_prompt"]}
        self._compare(-1, own, {name: getattr(self.recorded, name) for name in own})
        self._compare_observation(-1, observation)
        self.transcript.start(info["system_prompt"], observation)
        self._compare_ids(-1)

    def _turn(self, number: int) -> Ending | None:
        """Speak a turn and take in what it leads to: the episode's end, or None while it goes on."""
        turn, outcome = self.recorded.turns[number], self.recorded.outcome
        text = self.transcript.append_sample(self._sample(number))
        self._compare_ids(number)
        if self._seen_after(number):
            self._observe(number, self._step(number, text).observation)
            return None
        if turn.finish_reason == "length":
            # Never performed, so nothing but the record can name its action.
            self.transcript.annotate(turn.action, turn.tool_ok)
            return Ending.of(self.runner.abandon())
        if outcome is Outcome.INFRA_FAILED:
            return self._fail(number, text)
        result = self._step(number, text)
        return Ending.of(result) if result.done else self._unseen(number, result.observation)

    def _seen_after(self, number: int) -> bool:
        """Whether the record shows an observation after a turn."""
        return self.recorded.turns[number].end < len(self.recorded.input_ids)

    def _step(self, number: int, text: str) -> StepResult:
        turn = self.recorded.turns[number]
        result = self.runner.step(text)
        if result.done and self._seen_after(number):
            reasons = [f" ({reason})" for reason in self.runner.telemetry.failures[-1:]]
            raise self._error(
                number, f"the episode ends as {result.info['outcome']}{''.join(reasons)}, the record goes on"
            )
        action, tool_ok = result.info["action"], result.info.get("tool_ok")
        if self._ran_out_of_time(number) and not result.done:
            tool_ok = None
        recorded = {"action": turn.action, "tool_ok": turn.tool_ok}
        self._compare(number, {"action": action, "tool_ok": tool_ok}, recorded)
        self.transcript.annotate(action, tool_ok)
        return result

    def _ran_out_of_time(self, number: int) -> bool:
        """Whether the record ends while a tool runs: at the rollout's limit in wall-clock time."""
        unfinished = not self._seen_after(number) and self.recorded.turns[number].tool_ok is None
        return unfinished and self.recorded.outcome is Outcome.TRUNCATED

    def _observe(self, number: int, observation: Observation) -> None:
        self._compare_observation(number, observation)
        try:
            self.transcript.append_observation(observation)
        except ContextFull as full:
            raise self._error(
                number, f"the record goes on, but {full}; give the rollout's max_tokens"
            ) from full
        self._compare_ids(number)

    def _unseen(self, number: int, observation: Observation) -> Ending:
        """A result that the record does not show: it did not fit, or came too late."""
        if self._ran_out_of_time(number):
            return Ending(Outcome.TRUNCATED)
        try:
            self.transcript.append_observation(observation)
        except ContextFull:
            return Ending.of(self.runner.abandon())
        raise self._error(
            number,
            f"the episode goes on, the record ends as {self.recorded.outcome}; was the rollout's limit "
            f"another one than max_tokens = {self.transcript.max_tokens}?",
        )

    def _unspoken(self) -> Ending:
        """The record ends before a turn: the policy could not be reached, or its time was up."""
        outcome = self.recorded.outcome
        if outcome not in (Outcome.INFRA_FAILED, Outcome.TRUNCATED):
            last = len(self.recorded.turns) - 1
            raise self._error(last, f"the episode goes on, the record ends as {outcome}")
        return Ending(outcome)

    def _fail(self, number: int, text: str) -> Ending:
        """The turn at which the infrastructure failed: nothing is performed."""
        episode = self.runner.episode
        assert episode is not None
        episode.act(text)
        episode.fail()
        action = ACTION_NAMES[type(episode.actions[-1])]
        self._compare(number, {"action": action}, {"action": self.recorded.turns[number].action})
        self.transcript.annotate(action)
        return Ending(Outcome.INFRA_FAILED, answer=episode.answer or None)

    def _sample(self, number: int) -> Sample:
        """The recorded turn, if its text is what its ids say."""
        recorded, vocabulary = self.recorded, self.transcript.vocabulary
        turn = recorded.turns[number]
        ids = recorded.input_ids[turn.start : turn.end]
        prefill = THINK if number and self.transcript.think_prefill else ""
        text = turn.text.removeprefix(prefill)
        # Scripts and chat APIs gave the text, and its encoding is normalised.
        said = not recorded.token_exact or _says(ids.tolist(), text, vocabulary)
        if not said or not turn.text.startswith(prefill):
            spoken = prefill + vocabulary.turn_text(ids.tolist(), ())
            raise self._error(
                number, f"the record's text is not what its ids say: {_parting(spoken, turn.text)}"
            )
        return Sample(ids, recorded.logprobs[turn.start : turn.end], text, turn.finish_reason)

    def _finish(self, ending: Ending) -> Trajectory:
        recorded, last = self.recorded, len(self.recorded.turns) - 1
        replayed = ending.record(self.transcript, self.task, recorded.lineage, recorded.versions)
        # Where the ids came from is not a thing that a replay finds out.
        replayed = replace(replayed, token_exact=recorded.token_exact)
        for field in fields(Trajectory):
            own, other = getattr(replayed, field.name), getattr(recorded, field.name)
            if isinstance(own, np.ndarray):
                if own.dtype != other.dtype or own.tobytes() != other.tobytes():
                    raise self._error(last, f"{field.name} differs")
            else:
                self._compare(last, {field.name: own}, {field.name: other})
        return replayed

    def _compare(self, number: int, own: Mapping[str, Any], recorded: Mapping[str, Any]) -> None:
        for name, value in own.items():
            if value == recorded[name]:
                continue
            if isinstance(value, str) and isinstance(recorded[name], str):
                raise self._error(number, f"{name} differs {_parting(value, recorded[name])}")
            raise self._error(number, f"{name} is {value!r}, recorded {recorded[name]!r}")

    def _compare_observation(self, number: int, observation: Observation) -> None:
        recorded = self.recorded
        text = recorded.prompt if number < 0 else recorded.turns[number].observation
        images = self._recorded_images(number)
        self._compare(number, {"the observation's text": observation.text}, {"the observation's text": text})
        for place, (own, other) in enumerate(zip(observation.images, images, strict=True)):
            if own != other:
                raise self._error(
                    number,
                    f"image {place} of the observation is {own.sha256[:12]} ({own.width}x{own.height}), "
                    f"recorded {other.sha256[:12]} ({other.width}x{other.height})",
                )

    def _recorded_images(self, number: int) -> list[EncodedImage]:
        """The images between turn `number` and the next."""
        recorded, turns = self.recorded, self.recorded.turns
        start = turns[number].end if number >= 0 else 0
        stop = turns[number + 1].start if number + 1 < len(turns) else len(recorded.input_ids)
        pairs = zip(recorded.images, recorded.image_spans, strict=True)
        return [image for image, span in pairs if start <= span.start < stop]

    def _compare_ids(self, number: int) -> None:
        own = self.transcript.input_ids
        recorded = self.recorded.input_ids[: len(own)]
        same = min(len(own), len(recorded))
        places = np.flatnonzero(own[:same] != recorded[:same])
        if places.size or same < len(own):
            place, names = int(places[0]) if places.size else same, self.transcript.vocabulary.name
            other = names(recorded[place]) if place < same else "nothing"
            raise self._error(number, f"token {place} is {names(own[place])}, recorded {other}")

    def _error(self, number: int, message: str) -> ReplayError:
        where = "the prompt" if number < 0 else f"turn {number}"
        name = f"trajectory {self.recorded.task_id!r} {self.recorded.lineage}"
        return ReplayError(f"{name}: at {where}: {message}")


def _has_prefill(trajectory: Trajectory, vocabulary: Vocabulary) -> bool:
    """Whether the turns but the first were given their `<think>`: its tokens stand before the second one."""
    if len(trajectory.turns) < 2:
        return True  # as in most rollouts; it only counts towards the limit
    given, start = vocabulary.encode(THINK), trajectory.turns[1].start
    return trajectory.input_ids[start - len(given) : start].tolist() == given


def _says(ids: list[int], text: str, vocabulary: Vocabulary) -> bool:
    """Whether ids stand for a text, which a stop string may have cut inside their last token."""
    spoken = vocabulary.turn_text(ids, ())
    return spoken == text or (spoken.startswith(text) and len(vocabulary.decode(ids[:-1])) < len(text))


def _parting(own: str, recorded: str) -> str:
    """Where two texts part, with what stands around it."""
    shorter = min(len(own), len(recorded))
    place = next((at for at in range(shorter) if own[at] != recorded[at]), shorter)
    around = slice(max(0, place - CONTEXT), place + CONTEXT)
    return f"at character {place}: {own[around]!r}, recorded {recorded[around]!r}"
