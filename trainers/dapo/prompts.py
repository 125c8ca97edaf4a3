"""Which prompts may begin a conversation: those that leave room for it (reference 4.4, 8.2)."""

from __future__ import annotations

from dataclasses import dataclass

from agents.vocabulary import Vocabulary
from deepeyes_env.adapters.verl_data import prompt_tokens
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.images import ImageError
from deepeyes_env.remote.host import RemoteTasks
from deepeyes_env.task import Split
from trainers.config import DapoConfig


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

    def fits(self, index: int, split: Split) -> bool:
        """Whether a task's prompt may begin a conversation.

        Args:
            index: The task.
            split: The part of the source.
        """
        if isinstance(self.env.tasks, RemoteTasks):  # the server shows them to nobody
            return True
        task, config = self.env.tasks.task(index, split), self.env.config
        if len(task.images) > config.max_images:
            return False
        try:
            return prompt_tokens(task, config, self.vocabulary.tokenizer) <= self.tokens
        except ImageError:  # nobody can look at it
            return False


def prompt_limit(config: DapoConfig, env: DeepEyesAsyncEnv, vocabulary: Vocabulary) -> PromptLimit:
    """The limit of a run: its own, and never above that of a whole conversation."""
    return PromptLimit(env, vocabulary, min(config.max_prompt_tokens, config.max_tokens))
