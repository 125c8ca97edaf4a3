"""A conversation as OpenAI's chat messages, images as data URLs in the place of their markers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from agents.trajectory import Turn
from deepeyes_env.chat_parts import content_parts
from deepeyes_env.images import EncodedImage

Message = dict[str, Any]


class Conversation(Protocol):
    """What a `Transcript` and a `Trajectory` both are."""

    @property
    def system_prompt(self) -> str:
        """Text of the system message."""
        ...

    @property
    def prompt(self) -> str:
        """Text of the first observation."""
        ...

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The policy's turns, each with the observation it led to."""
        ...

    @property
    def images(self) -> tuple[EncodedImage, ...]:
        """All images in order of appearance."""
        ...


def chat_messages(conversation: Conversation) -> list[Message]:
    """The whole conversation so far.

    Args:
        conversation: A transcript or a trajectory.

    Returns:
        System message, first observation, then each turn and what it led to.
    """
    images = iter(conversation.images)
    messages: list[Message] = [{"role": "system", "content": conversation.system_prompt}]
    messages.append(_user_message(conversation.prompt, images))
    for turn in conversation.turns:
        messages.append({"role": "assistant", "content": turn.text})
        if turn.observation:
            messages.append(_user_message(turn.observation, images))
    return messages


def _user_message(text: str, images: Iterator[EncodedImage]) -> Message:
    return {"role": "user", "content": content_parts(text, images)}
