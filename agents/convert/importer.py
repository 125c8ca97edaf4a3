"""A conversation as a trajectory: its texts encoded here, what nobody wrote down filled in.

Filled in are: ids and mask (encoded by `Transcript`; `token_exact` is False, log-probabilities are 0),
actions (parsed), the outcome and the answer (from the last turn), the reward (`accuracy` as the caller says,
the format checked), the question (the first user message without markers and known instructions), the
lineage (run seed 0, `prompt` = number of the record) and versions that name the file. The reference answer
is empty, skills too, and the family is the file's name. Images are resized as the environment does; those
whose sides are multiples of 28 within the budget keep their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.convert.chat import DEFAULT_SYSTEM_PROMPT, bare_question
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import MAX_TOKENS, THINK, ContextFull, Transcript, TranscriptError
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.fitting import fit_image
from deepeyes_env.images import MAX_PIXELS, MIN_PIXELS, ImageError
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import Finish, Malformed, parse_turn
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.combine import Earned, deepeyesv2
from deepeyes_env.rewards.format import well_formed
from deepeyes_env.runner import ACTION_NAMES
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.sft_json import Conversation, Message


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record comes from.

    Attributes:
        format: The format's name.
        file: The file.
        row: The record's number in it, from 0.
    """

    format: str
    file: Path
    row: int

    @property
    def task_id(self) -> str:
        """What the record's trajectory is called."""
        return f"{self.format}/{self.file.resolve().parent.name}/{self.file.stem}/{self.row}"

    @property
    def lineage(self) -> SeedLineage:
        """Which draw its trajectory is said to be."""
        return SeedLineage(0, prompt=self.row)

    def error(self, problem: str, mend: str, column: str = "messages") -> DatasetError:
        """What is to be said of the record."""
        return DatasetError(self.file, problem, mend, row=self.row, column=column)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a foreign file, which is looked at only when it is asked for.

    Attributes:
        origin: Where it comes from.
        task_id: What its trajectory is called.
        lineage: Which draw its trajectory is said to be.
        read: Reads the conversation, or the trajectory itself; raises `DatasetError` if it cannot be used.
    """

    origin: Origin
    task_id: str
    lineage: SeedLineage
    read: Callable[[], Conversation | Trajectory]


@dataclass(frozen=True, slots=True)
class Importer:
    """How conversations become trajectories.

    Attributes:
        vocabulary: The tokenizer that encodes them.
        accuracy: What answered conversations earn; demonstrations are kept because they are right
            (reference 4.1).
        max_tokens: Tokens of a conversation above which it is refused.
        max_pixels: Area to which larger images are shrunk.
    """

    vocabulary: Vocabulary
    accuracy: float = 1.0
    max_tokens: int = MAX_TOKENS
    max_pixels: int = MAX_PIXELS

    def __call__(self, conversation: Conversation, origin: Origin) -> Trajectory:
        """Make the trajectory.

        Args:
            conversation: The messages.
            origin: Where they come from.

        Raises:
            DatasetError: The roles do not take turns, it is too long, or an image is too narrow.
        """
        system, rest = _opening(conversation.messages, origin)
        # A turn may begin with a given `<think>` only if all do that could.
        prefill = all(message.text.startswith(THINK) for message in rest[3::2])
        transcript = Transcript(
            self.vocabulary, name=origin.task_id, max_tokens=self.max_tokens, think_prefill=prefill
        )
        try:
            transcript.start(system, self._observation(rest[0]))
            for message in rest[1:]:
                if message.role == "assistant":
                    transcript.append_text(message.text)
                    transcript.annotate(ACTION_NAMES[type(parse_turn(message.text))])
                else:
                    transcript.append_observation(self._observation(message))
        except ContextFull as error:
            raise origin.error(str(error), "raise max_tokens, lower max_pixels, or drop it") from error
        except (TranscriptError, ImageError) as error:
            raise origin.error(str(error), "mend or drop the record") from error
        return self._finish(transcript, rest, origin)

    def _observation(self, message: Message) -> Observation:
        fitted = (fit_image(image, MIN_PIXELS, self.max_pixels) for image in message.images)
        return Observation(message.text, tuple(fitted))

    def _finish(self, transcript: Transcript, rest: Sequence[Message], origin: Origin) -> Trajectory:
        last = parse_turn(rest[-1].text) if rest[-1].role == "assistant" else None
        answer = last.answer if isinstance(last, Finish) else None
        ended = Outcome.MALFORMED if isinstance(last, Malformed) else Outcome.TRUNCATED
        return transcript.to_trajectory(
            family=origin.file.stem,
            question=bare_question(rest[0].text),
            reference="",
            answer=answer,
            reward=self._reward(answer, [message.text for message in rest[1::2]]),
            outcome=ended if answer is None else Outcome.ANSWERED,
            lineage=origin.lineage,
            versions={"imported": origin.format, "file": origin.file.name},
        )

    def _reward(self, answer: str | None, turns: Sequence[str]) -> Reward:
        if answer is None:
            return Reward(0.0, 0.0, 0.0)
        form = float(all(well_formed(turn, think_required=True) for turn in turns))
        return Reward(self.accuracy, form, deepeyesv2(Earned(self.accuracy, form)))


def chat_record(origin: Origin, parse: Callable[[], Conversation]) -> Record:
    """A record that holds a conversation, which `parse` reads."""
    return Record(origin, origin.task_id, origin.lineage, parse)


def _opening(messages: Sequence[Message], origin: Origin) -> tuple[str, Sequence[Message]]:
    """The system prompt, and the messages from the first user's on, whose roles take turns."""
    has_system = bool(messages) and messages[0].role == "system"
    rest = messages[1:] if has_system else messages
    if has_system and messages[0].images:
        raise origin.error(
            "message 0, the system's, holds an image", "only users can show images; drop the record"
        )
    for number, message in enumerate(rest):
        if message.role != ("assistant" if number % 2 else "user"):
            raise origin.error(
                f"message {number + has_system} is the {message.role}'s",
                "after the system message, user and assistant must take turns",
            )
        if message.role == "assistant" and message.images:
            raise origin.error(
                f"message {number + has_system}, an assistant's, holds an image",
                "only users can show images; drop the record",
            )
    if len(rest) < 2:
        raise origin.error("no assistant speaks", "drop the record")
    return messages[0].text if has_system else DEFAULT_SYSTEM_PROMPT, rest
