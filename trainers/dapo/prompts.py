"""Which prompts may begin a conversation: those that leave room for it (reference 4.4, 8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from agents.vocabulary import Vocabulary
from deepeyes_env.adapters.verl_data import prompt_tokens
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.images import ImageError
from deepeyes_env.remote.host import RemoteTasks
from deepeyes_env.task import Split
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.config import DapoConfig


class Look(NamedTuple):
    """What a look at a prompt has shown; JSON can hold it.

    Attributes:
        fits: Whether it may begin a conversation.
        unusable: Why nobody could begin one with it, whatever the limit; empty if it is only too long.
    """

    fits: bool
    unusable: str = ""


@dataclass(frozen=True, slots=True)
class PromptLimit:
    """What a prompt may take up.

    Attributes:
        env: Where episodes run; has the tasks.
        vocabulary: The policy's.
        tokens: Most tokens of a prompt, its pictures expanded.
    """

    env: DeepEyesAsyncEnv
    vocabulary: Vocabulary
    tokens: int

    def look(self, index: int, split: Split) -> Look:
        """Whether a task's prompt may begin a conversation, and if not, why.

        A row or a picture that cannot be read is one of many, so it ends no run.

        Args:
            index: The task.
            split: The part of the source.
        """
        if isinstance(self.env.tasks, RemoteTasks):  # the server shows them to nobody
            return Look(True)
        config = self.env.config
        try:
            task = self.env.tasks.task(index, split)
        except DatasetError as error:
            return Look(False, str(error))
        if len(task.images) > config.max_images:
            return Look(False)
        try:
            return Look(prompt_tokens(task, config, self.vocabulary.tokenizer) <= self.tokens)
        except ImageError as error:
            return Look(False, f"task {task.id!r}: {error}")


def prompt_limit(config: DapoConfig, env: DeepEyesAsyncEnv, vocabulary: Vocabulary) -> PromptLimit:
    """The limit of a run: its own, and never above that of a whole conversation."""
    return PromptLimit(env, vocabulary, min(config.max_prompt_tokens, config.max_tokens))
