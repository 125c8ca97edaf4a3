"""A token-exact conversation with Qwen2.5-VL, built one piece at a time.

    transcript = Transcript(Vocabulary(tokenizer), name=task_id)
    transcript.start(system_prompt, observation)
    sample = await policy.generate(transcript.to_request(seed), params)
    text = transcript.append_sample(sample)            # for the environment
    transcript.append_observation(next_observation)    # ContextFull: the episode ends as truncated

Sampled ids are kept exactly as sampled and never encoded again. What stands between two turns is encoded
once, as the template has it: `<|im_end|>`, line break, `<|im_start|>user` ... `<|im_start|>assistant`, line
break, and the pre-filled `<think>` (reference 1.4), all outside the loss mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from agents.policy import GenerationRequest, Sample
from agents.qwen import image_grid, visual_tokens
from agents.trajectory import ImageSpan, SeedLineage, Trajectory, Turn
from agents.vocabulary import IM_START, IMAGE_PAD, VISION_END, VISION_START, Vocabulary
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER, STOP_STRINGS
from deepeyes_env.rewards.base import Reward

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

MAX_TOKENS = 24576
"""Tokens above which no observation is appended: prompt 8,192 + response 16,384 (reference 1.5).

Counted with every image expanded, before anything is generated. The turn that follows may take
`SamplingParams.max_tokens` more: 8,192 by default, so that no conversation exceeds the reference's context of
32,768. Whatever generates or trains must hold both together.
"""

MAX_IMAGES = 50
"""Images per conversation (reference 1.5, `max_vllm_images`)."""

THINK = "<think>"
"""Pre-filled at the start of every turn but the first (reference 1.4)."""


class TranscriptError(ValueError):
    """Something that must not enter a transcript; the message names the trajectory and the cause."""


class ContextFull(Exception):
    """An observation does not fit; nothing of it was appended, and the episode ends as truncated."""


class Transcript:
    """One conversation as token ids, with its loss mask, log-probabilities, images and turns.

    Args:
        vocabulary: The tokenizer by its names.
        name: What error messages call this trajectory, e.g. the task id.
        max_tokens: Limit in expanded tokens before a turn; the turn itself comes on top (`MAX_TOKENS`).
        max_images: Limit in images.
        think_prefill: Whether every turn but the first starts with a pre-filled `<think>`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        name: str = "",
        max_tokens: int = MAX_TOKENS,
        max_images: int = MAX_IMAGES,
        think_prefill: bool = True,
    ) -> None:
        self.vocabulary = vocabulary
        self.name = name
        self.max_tokens = max_tokens
        self.max_images = max_images
        self.think_prefill = think_prefill
        self._ids: list[int] = []
        self._mask: list[bool] = []
        self._logprobs: list[float] = []
        self._images: list[EncodedImage] = []
        self._spans: list[ImageSpan] = []
        self._turns: list[Turn] = []
        self._system_prompt = self._prompt = ""
        self._prefill = ""
        self._policy_next = False
        self._token_exact = True

    # --- Reading -------------------------------------------------------------------------------------------

    @property
    def input_ids(self) -> npt.NDArray[np.int64]:
        """All ids so far, int64 `[T]`, a copy."""
        return np.array(self._ids, dtype=np.int64)

    @property
    def loss_mask(self) -> npt.NDArray[np.bool_]:
        """True exactly on sampled tokens, bool `[T]`."""
        return np.array(self._mask, dtype=np.bool_)

    @property
    def logprobs(self) -> npt.NDArray[np.float32]:
        """Those of the sampled tokens, else 0, float32 `[T]`."""
        return np.array(self._logprobs, dtype=np.float32)

    @property
    def images(self) -> tuple[EncodedImage, ...]:
        """The images so far, in order of appearance."""
        return tuple(self._images)

    @property
    def image_spans(self) -> tuple[ImageSpan, ...]:
        """Their placeholder spans."""
        return tuple(self._spans)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The policy's turns so far."""
        return tuple(self._turns)

    @property
    def system_prompt(self) -> str:
        """Text of the system message."""
        return self._system_prompt

    @property
    def prompt(self) -> str:
        """Text of the first observation."""
        return self._prompt

    def __len__(self) -> int:
        return len(self._ids)

    # --- Building ------------------------------------------------------------------------------------------

    def start(self, system_prompt: str, observation: Observation) -> npt.NDArray[np.int64]:
        """Lay down the prompt.

        Args:
            system_prompt: Text of the system message.
            observation: The first observation.

        Returns:
            The prompt's ids, int64 `[T]`.

        Raises:
            ContextFull: The prompt exceeds a limit.
            TranscriptError: Markers and images disagree, an image is not resized, or this was called before.
        """
        if self._ids:
            raise self._error("start() was called twice")
        head = [self.vocabulary.id(IM_START), *self._encode(f"system\n{system_prompt}")]
        self._append_user_message(
            [*head, self.vocabulary.im_end, *self._encode("\n")], observation, prefill=""
        )
        self._system_prompt, self._prompt = system_prompt, observation.text
        return self.input_ids

    def append_sample(self, sample: Sample) -> str:
        """Take one sampled turn as it is.

        Args:
            sample: The policy's turn.

        Returns:
            The turn's text for the environment: the pre-filled `<think>`, if any, and the sampled text.

        Raises:
            TranscriptError: A control token or an id outside the vocabulary was sampled, ids and
                log-probabilities disagree, or it is not the policy's turn.
        """
        ids = [int(i) for i in sample.token_ids]
        self._check_sampled(ids, sample.logprobs)
        return self._append_turn(ids, [float(x) for x in sample.logprobs], sample.text, sample.finish_reason)

    def append_text(self, text: str, finish_reason: str = "stop") -> str:
        """Take one scripted turn: encoded here, trained on, with log-probability 0.

        A turn that does not end with a stop string ends with `<|im_end|>`, which is then trained on too,
        because a policy has to sample it there.

        Args:
            text: The whole turn, the pre-filled `<think>` included.
            finish_reason: `stop`, or `length` where a limit of tokens cut it.

        Returns:
            The turn's text for the environment, `text` itself.

        Raises:
            TranscriptError: The turn does not start with the pre-filled `<think>`, is empty, or it is not the
                policy's turn.
        """
        if not text.startswith(self._prefill):
            raise self._error(
                f"a scripted turn must start with the pre-filled {self._prefill}, but starts {text[:30]!r}; "
                "write it so or use think_prefill=False"
            )
        ids = self._encode(text[len(self._prefill) :])
        if not text.endswith(STOP_STRINGS):
            ids.append(self.vocabulary.im_end)
        self._check_sampled(ids, np.zeros(len(ids), np.float32))
        self._token_exact = False
        return self._append_turn(ids, [0.0] * len(ids), text[len(self._prefill) :], finish_reason)

    def annotate(self, action: str, tool_ok: bool | None = None) -> None:
        """Note what the last turn was, as the environment's `info` tells it.

        Args:
            action: `code`, `search`, `image_search`, `answer`, `invalid` or `malformed`.
            tool_ok: Whether its tool ran without error; None when none ran.
        """
        self._turns[-1] = replace(self._turns[-1], action=action, tool_ok=tool_ok)

    def append_observation(self, observation: Observation) -> None:
        """Close the policy's turn and lay down what it led to.

        Args:
            observation: The tool's result.

        Raises:
            ContextFull: It does not fit; nothing was appended.
            TranscriptError: Markers and images disagree, an image is not resized, or no turn came before.
        """
        if self._policy_next or not self._turns:
            raise self._error("an observation came before the policy's turn")
        closed = self._ids[-1] == self.vocabulary.im_end
        head = [*([] if closed else [self.vocabulary.im_end]), *self._encode("\n")]
        self._append_user_message(head, observation, prefill=THINK if self.think_prefill else "")
        self._turns[-1] = replace(self._turns[-1], observation=observation.text)

    # --- Handing on ----------------------------------------------------------------------------------------

    def to_request(self, seed: int, conversation: str = "") -> GenerationRequest:
        """Ask for the policy's next turn.

        Args:
            seed: Seeds the turn's sampling.
            conversation: Names the episode.

        Raises:
            TranscriptError: It is not the policy's turn.
        """
        if not self._policy_next:
            raise self._error("a turn was asked for before an observation")
        known = self._turns[-1].end if self._turns else 0
        return GenerationRequest(self.input_ids, self.images, self.image_spans, seed, known, conversation)

    def to_trajectory(
        self,
        *,
        family: str,
        skills: Iterable[str] = (),
        question: str,
        reference: str,
        answer: str | None,
        reward: Reward,
        outcome: Outcome,
        lineage: SeedLineage,
        versions: Mapping[str, str] | None = None,
        task_id: str | None = None,
    ) -> Trajectory:
        """The finished record; see `Trajectory` for the fields. `task_id` is `name` when left out."""
        for image in self._images:
            image.encode()  # most are by now: a trajectory keeps no pixels
        return Trajectory(
            task_id=self.name if task_id is None else task_id,
            family=family,
            skills=tuple(sorted(map(str, skills))),
            system_prompt=self._system_prompt,
            prompt=self._prompt,
            question=question,
            reference=reference,
            answer=answer,
            input_ids=self.input_ids,
            loss_mask=self.loss_mask,
            logprobs=self.logprobs,
            images=self.images,
            image_spans=self.image_spans,
            turns=self.turns,
            reward=reward,
            outcome=outcome,
            lineage=lineage,
            token_exact=self._token_exact,
            versions=dict(versions or {}),
        )

    # --- Inside --------------------------------------------------------------------------------------------

    def _append_user_message(self, head: list[int], observation: Observation, *, prefill: str) -> None:
        """Lay down `head`, the observation as a user message and the assistant's opening, or nothing."""
        start, end = self.vocabulary.id(IM_START), self.vocabulary.im_end
        body, spans = self._encode_body(observation, offset=len(self._ids) + len(head) + 1)
        tail = [end, *self._encode("\n"), start, *self._encode("assistant\n"), *self._encode(prefill)]
        message = [*head, start, *body, *tail]
        self._check_room(len(message), len(spans))
        self._extend(message, [0.0] * len(message), sampled=False)
        self._images.extend(observation.images)
        self._spans.extend(spans)
        self._prefill, self._policy_next = prefill, True

    def _encode_body(self, observation: Observation, offset: int) -> tuple[list[int], list[ImageSpan]]:
        """Ids of `user`, line break and the observation; `offset` is where they will stand."""
        pieces = f"user\n{observation.text}".split(IMAGE_MARKER)
        if len(pieces) - 1 != len(observation.images):
            raise self._error(
                f"{len(pieces) - 1} {IMAGE_MARKER} markers stand for {len(observation.images)} images"
            )
        opening, placeholder, closing = (self.vocabulary.id(t) for t in (VISION_START, IMAGE_PAD, VISION_END))
        ids, spans = self._encode(pieces[0]), []
        for image, piece in zip(observation.images, pieces[1:], strict=True):
            grid = self._grid(image)
            ids.append(opening)
            spans.append(ImageSpan(offset + len(ids), visual_tokens(grid), grid))
            ids += [placeholder] * visual_tokens(grid)
            ids.append(closing)
            ids += self._encode(piece)
        return ids, spans

    def _grid(self, image: EncodedImage) -> tuple[int, int, int]:
        try:
            return image_grid(image)
        except ValueError as error:
            raise self._error(str(error)) from error

    def _append_turn(self, ids: list[int], logprobs: list[float], text: str, finish_reason: str) -> str:
        start, whole = len(self._ids), self._prefill + text
        self._extend(ids, logprobs, sampled=True)
        self._turns.append(Turn(start, len(self._ids), whole, action="", finish_reason=finish_reason))
        self._policy_next = False
        return whole

    def _extend(self, ids: list[int], logprobs: list[float], *, sampled: bool) -> None:
        self._ids += ids
        self._mask += [sampled] * len(ids)
        self._logprobs += logprobs

    def _check_room(self, tokens: int, images: int) -> None:
        if len(self._ids) + tokens > self.max_tokens:
            raise ContextFull(
                f"{self.name}: {len(self._ids)} tokens and {tokens} more exceed {self.max_tokens}"
            )
        if len(self._images) + images > self.max_images:
            raise ContextFull(
                f"{self.name}: {len(self._images)} images and {images} more exceed {self.max_images}"
            )

    def _check_sampled(self, ids: list[int], logprobs: npt.NDArray[np.float32]) -> None:
        if not self._policy_next:
            raise self._error("a turn was appended before an observation")
        if not ids or len(ids) != len(logprobs):
            raise self._error(f"{len(ids)} sampled tokens came with {len(logprobs)} log-probabilities")
        if not np.isfinite(logprobs).all():
            raise self._error("a log-probability is not finite")
        for position, token in enumerate(ids):
            misplaced_end = token == self.vocabulary.im_end and position < len(ids) - 1
            if token in self.vocabulary.banned_ids or misplaced_end:
                raise self._error(f"control token {self.vocabulary.name(token)} was sampled at {position}")
            if not 0 <= token < self.vocabulary.size:
                raise self._error(f"id {token} at {position} is not in the vocabulary")

    def _encode(self, text: str) -> list[int]:
        return self.vocabulary.encode(text) if text else []

    def _error(self, message: str) -> TranscriptError:
        return TranscriptError(f"trajectory {self.name!r}: {message}")
