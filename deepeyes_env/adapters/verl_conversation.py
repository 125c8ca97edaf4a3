"""An episode as the tokens that verl trains on, and an observation as the message that verl renders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from deepeyes_env.chat_parts import pieces
from deepeyes_env.episode import Observation


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything up to here. Immutable: what turns out not to fit is never in it (verl#4050).

    Attributes:
        ids: The prompt and the response so far, image placeholders expanded.
        mask: One entry for each token of the response: 1 exactly where it was sampled.
        logprobs: As long as `mask`, 0 outside it; None where verl does not ask for them.
        images: The images in order of appearance, as the model sees them.
        prefill: What the next turn starts with, outside the mask.
        messages: Chat messages so far, the system's left out.
        engine: What verl's server says of itself: the versions of its weights.
    """

    ids: list[int]
    mask: list[int]
    logprobs: list[float] | None
    images: list[Image.Image]
    prefill: str = ""
    messages: int = 1
    engine: dict[str, Any] = field(default_factory=dict)

    def given(self, ids: list[int]) -> Conversation:
        """Followed by tokens that nobody sampled."""
        logprobs = None if self.logprobs is None else self.logprobs + [0.0] * len(ids)
        return replace(self, ids=self.ids + ids, mask=self.mask + [0] * len(ids), logprobs=logprobs)

    def followed(self, ids: list[int], mask: list[int], logprobs: list[float] | None) -> Conversation:
        """After one more message, as verl has merged it."""
        return replace(self, ids=ids, mask=mask, logprobs=logprobs, messages=self.messages + 1)


def pictures(observation: Observation) -> list[Image.Image]:
    """The observation's images; episodes share them, they are read-only."""
    return [image.decode_shared() for image in observation.images]


def user_message(observation: Observation, images: list[Image.Image]) -> dict[str, Any]:
    """The observation as a chat message, each image in the place of its marker."""
    content = [
        {"type": "text", "text": piece} if isinstance(piece, str) else {"type": "image", "image": piece}
        for piece in pieces(observation.text, images)
    ]
    return {"role": "user", "content": content}
