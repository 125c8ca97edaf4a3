"""Episode, the sans-IO state machine: text in, effect out; tool result in, observation out.

An episode does nothing itself: no sandbox, no search, no clock, no randomness. Shells (`env`, `vector`,
adapters) perform the effects and bring the results back, so every rule can be tested without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.fitting import fit_image, fit_result
from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.outcome import Outcome
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.protocol import (
    Action,
    Finish,
    InfraFailure,
    InvalidCall,
    Malformed,
    RunCode,
    SearchImage,
    SearchText,
    ToolError,
    ToolResult,
    parse_turn,
    refused_image_search,
    render_result,
)
from deepeyes_env.task import Task


@dataclass(frozen=True, slots=True)
class Observation:
    """What the policy sees next.

    Attributes:
        text: Text with one `<image>` marker per image, in order, and no other marker or control token.
        images: The images, exactly as they are to be seen.
    """

    text: str = ""
    images: tuple[EncodedImage, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """The episode is over; there is nothing to perform."""

    outcome: Outcome


Effect = RunCode | SearchText | SearchImage | ToolError | End
"""What the shell must do: run, search, hand a `ToolError` straight to `observe`, or stop."""


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """A finished episode as rewards see it: the policy's own text, never a tool's.

    Attributes:
        task: The task.
        turns: The policy's turns in order.
        actions: What each turn asked for.
        outcome: How the episode ended.
        answer: The final answer, or None.
        tool_images: Pictures that tools gave back.
    """

    task: Task
    turns: tuple[str, ...]
    actions: tuple[Action, ...]
    outcome: Outcome
    answer: str | None
    tool_images: int = 0


class Episode:
    """One task from its question to its end.

    Call `start` once, then `act` and, unless it gives `End`, `observe` in turn until `outcome` is set.
    """

    def __init__(self, task: Task, config: EnvConfig) -> None:
        """Set up an episode.

        Args:
            task: The question with its images.
            config: The rules.
        """
        self.task = task
        self.config = config
        self._turns: list[str] = []
        self._actions: list[Action] = []
        self._observations: list[Observation] = []
        self._outcome: Outcome | None = None
        self._awaiting_result = False

    def start(self) -> Observation:
        """The question, with its images resized to the pixel budget.

        Raises:
            ImageError: An image of the task does not decode or is too narrow to be seen.
        """
        if self._observations:
            raise RuntimeError("the episode has started already")
        config = self.config
        try:
            images = tuple(
                fit_image(image, config.min_pixels, config.max_pixels) for image in self.task.images
            )
        except ImageError as error:
            raise ImageError(f"task {self.task.id!r}: {error}") from error
        return self._show(Observation(user_prompt(self.task.question, self.task.images, config), images))

    def act(self, text: str) -> Effect:
        """Take the policy's turn.

        Args:
            text: The whole turn, a pre-filled `<think>` included. Any string is fine.

        Returns:
            What is to be performed, or `End`.
        """
        if self._outcome or self._awaiting_result or not self._observations:
            raise RuntimeError("act() is due after start() or observe(), in an episode that goes on")
        action = self._permitted(parse_turn(text))
        self._turns.append(text)
        self._actions.append(action)
        match action:
            case Finish():
                return self._end(Outcome.ANSWERED)
            case Malformed():
                return self._end(Outcome.MALFORMED)
        if len(self._turns) >= self.config.max_turns:
            return self._end(Outcome.TRUNCATED)
        self._awaiting_result = True
        return self._effect(action)

    def observe(self, result: ToolResult) -> Observation | None:
        """Take the result of the last effect.

        Args:
            result: What the tool gave back.

        Returns:
            What the policy sees, or None when the episode has ended by it.
        """
        if not self._awaiting_result:
            raise RuntimeError("observe() is due after an act() that gave an effect")
        self._awaiting_result = False
        if isinstance(result, InfraFailure):
            self._end(Outcome.INFRA_FAILED)
            return None
        result, images = fit_result(result, self.config)
        if not self._has_room(images):
            self._end(Outcome.TRUNCATED)
            return None
        return self._show(Observation(render_result(result), images))

    def truncate(self) -> None:
        """End an episode that goes on as `TRUNCATED`: the policy ran out of tokens or context."""
        if self._outcome is None:
            self._end(Outcome.TRUNCATED)

    def fail(self) -> None:
        """End the episode as `INFRA_FAILED`, also after its answer: the judge failed."""
        self._end(Outcome.INFRA_FAILED)

    def sandbox_images(self) -> Sequence[Image.Image]:
        """The pictures to bind to `image_1`, `image_2`, ...: as observed or original, as configured.

        Episodes that run at the same time share their pixels, until one changes them (`images.freeze`).
        """
        observed = self.config.sandbox_pixels == "observed"
        images = self._observations[0].images if observed else self.task.images
        return [image.decode_shared() for image in images]

    @property
    def system_prompt(self) -> str:
        """The dataset row's own system prompt, else the configured variant's."""
        return system_prompt(self.config) if self.task.system_prompt is None else self.task.system_prompt

    @property
    def turns(self) -> tuple[str, ...]:
        """The policy's turns so far."""
        return tuple(self._turns)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What each turn asked for."""
        return tuple(self._actions)

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Everything shown so far: the question, then one observation per performed turn."""
        return tuple(self._observations)

    @property
    def image_count(self) -> int:
        """Images shown so far."""
        return sum(len(observation.images) for observation in self._observations)

    @property
    def pixel_count(self) -> int:
        """Area of all images shown so far, as observed."""
        return sum(image.pixels for observation in self._observations for image in observation.images)

    @property
    def outcome(self) -> Outcome | None:
        """How the episode ended, or None while it goes on."""
        return self._outcome

    @property
    def answer(self) -> str | None:
        """The final answer, or None."""
        last = self._actions[-1] if self._actions else None
        return last.answer if isinstance(last, Finish) else None

    @property
    def result(self) -> EpisodeResult:
        """The finished episode.

        Raises:
            RuntimeError: The episode goes on.
        """
        if self._outcome is None:
            raise RuntimeError("the episode has no result before its end")
        tool_images = self.image_count - len(self.task.images)
        return EpisodeResult(self.task, self.turns, self.actions, self._outcome, self.answer, tool_images)

    def _permitted(self, action: Action) -> Action:
        """The action, or what the paper's grammar says of it, which knows no arguments of an image search."""
        if isinstance(action, SearchImage) and action.call and self.config.image_search == "original":
            return InvalidCall(refused_image_search(action.call))
        return action

    def _effect(self, action: RunCode | SearchText | SearchImage | InvalidCall) -> Effect:
        match action:
            case InvalidCall(message):
                return ToolError(message)
            case SearchImage(image=None) if not self.task.images:
                return ToolError("Error: there is no image to search with.")
        tool = {RunCode: "code", SearchText: "search", SearchImage: "image_search"}[type(action)]
        if tool in self.config.tools:
            return action
        return ToolError(f"Error: the tool '{tool}' is not available.")

    def _has_room(self, images: Sequence[EncodedImage]) -> bool:
        """Whether an observation's images keep to the limits of the whole conversation."""
        if not images:  # never too many, even when the question alone exceeds a limit
            return True
        if self.image_count + len(images) > self.config.max_images:
            return False
        limit = self.config.max_episode_pixels
        return limit is None or self.pixel_count + sum(image.pixels for image in images) <= limit

    def _show(self, observation: Observation) -> Observation:
        self._observations.append(observation)
        return observation

    def _end(self, outcome: Outcome) -> End:
        self._outcome = outcome
        self._awaiting_result = False
        return End(outcome)
