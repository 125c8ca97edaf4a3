"""A trajectory as a conversation: system, user, assistant, user, ..., assistant.

Tool results are user messages, as the policy saw them (reference 1.4). An observation after the last turn is
left out: nobody answers it, and trainers refuse a conversation that does not end with the assistant. Images
are those that the model saw, byte for byte; a trajectory knows no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest

from agents.trajectory import Trajectory
from deepeyes_env.images import EncodedImage
from deepeyes_env.prompts import PROMPTS
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.tasks.sft_json import Conversation, Message

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
"""What Qwen2.5-VL's chat template says where a conversation has no system message."""


def to_conversation(trajectory: Trajectory) -> Conversation:
    """The trajectory as messages; its name is the task's id."""
    images = iter(trajectory.images)

    def shown(text: str) -> Message:
        return Message("user", text, tuple(islice(images, text.count(IMAGE_MARKER))))

    messages = [Message("system", trajectory.system_prompt), shown(trajectory.prompt)]
    for number, turn in enumerate(trajectory.turns, start=1):
        messages.append(Message("assistant", turn.text))
        if number < len(trajectory.turns):
            messages.append(shown(turn.observation))
    return Conversation(trajectory.task_id, tuple(messages))


def pieces(message: Message) -> Iterator[str | EncodedImage]:
    """A user message's texts and images in order, without empty texts; at least one piece."""
    texts = message.text.split(IMAGE_MARKER)
    if not message.text:
        yield ""
    for text, image in zip_longest(texts, message.images):
        if text:
            yield text
        if image is not None:
            yield image


def bare_question(prompt: str) -> str:
    """The question in a first user message: without image markers and without this project's instructions."""
    question = prompt.replace(IMAGE_MARKER, "").strip()
    for variant in PROMPTS.values():
        if variant.instructions:
            question = question.removesuffix(variant.instructions).rstrip()
    return question


def unanswered(trajectory: Trajectory) -> str | None:
    """Why a trajectory is no conversation, or None if it is one."""
    return None if trajectory.turns else "there is no turn"


def wild_marker(trajectory: Trajectory) -> str | None:
    """Why a format that counts `<image>` in all messages cannot hold a trajectory, or None if it can."""
    if IMAGE_MARKER in trajectory.system_prompt or any(IMAGE_MARKER in t.text for t in trajectory.turns):
        return f"a turn or the system prompt holds {IMAGE_MARKER}, which the format would take for an image"
    return unanswered(trajectory)
