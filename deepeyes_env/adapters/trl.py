"""TRL's `GRPOTrainer` on this environment, with the paper's own tags and the images of tools in the loss.

    processor = prepare_processor(AutoProcessor.from_pretrained(model))
    args = GRPOConfig(..., **rollout_settings(processor, config))
    GRPOTrainer(
        model, episode_reward, args, to_dataset(range(1000), config), processing_class=processor,
        environment_factory=environment_factory(args, config),
    )

To TRL, a turn that asks for a tool is one call of `take_turn` with all that was sampled, which the
environment's own parser reads; any other turn is content and ends the rollout. The tokens are those of our
own rollouts: a result is a user's message, and every turn but the first begins with a given `<think>`
(reference 1.4). Written for TRL 1.16 and transformers 5.24; to be imported, it needs neither them nor torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deepeyes_env.adapters.trl_template import END_OF_TURN, prepare_processor, rollout_settings
from deepeyes_env.chat_parts import pieces, up_to_stop
from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.host import Host, draw_place, open_host
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import STOP_STRINGS
from deepeyes_env.runner import StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.task import Split, TaskSource
from deepeyes_env.tasks import open_source

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOConfig

__all__ = [
    "TurnEnvironment",
    "environment_factory",
    "episode_reward",
    "prepare_processor",
    "rollout_settings",
    "to_blocks",
    "to_dataset",
]

Block = dict[str, Any]
"""A content block of a message: `{"type": "text", "text": str}` or `{"type": "image", "image": Image}`."""

Message = Mapping[str, Any]
"""A message as TRL keeps it: `role`, `content`, and `tool_calls` where the turn asks for a tool."""


def to_dataset(
    indices: Iterable[int],
    config: EnvConfig | None = None,
    *,
    tasks: TaskSource | None = None,
    split: Split = "train",
    seed: int = 0,
) -> Dataset:
    """Tasks as rows for `GRPOTrainer`: the system prompt and the task's place; `reset` brings the question.

    Args:
        indices: Which tasks, e.g. `range(tasks.size("train"))`.
        config: The environment's settings.
        tasks: A task source to use in place of `config.source`.
        split: The part of the source.
        seed: Seeds the episodes' sandbox sessions; those of a group are seeded alike.

    Returns:
        The columns `prompt`, `index`, `split`, `seed` and `task_id`.
    """
    from datasets import Dataset

    config = config or EnvConfig()
    tasks = open_source(config.source) if tasks is None else tasks
    rows = []
    for index in indices:
        task = tasks.task(index, split)
        system = {"role": "system", "content": Episode(task, config).system_prompt}
        prompt = [system, {"role": "user", "content": ""}]
        rows.append({"prompt": prompt, "index": index, "split": split, "seed": seed, "task_id": task.id})
    return Dataset.from_list(rows)


def environment_factory(
    args: GRPOConfig,
    config: EnvConfig | None = None,
    *,
    tasks: TaskSource | None = None,
    sandbox: Sandbox | None = None,
) -> Callable[[], Any]:
    """What `GRPOTrainer(environment_factory=...)` takes.

    Args:
        args: The trainer's settings: `max_completion_length` says which results do not fit.
        config: The environment's settings.
        tasks: A task source to use in place of `config.source`.
        sandbox: A sandbox to use in place of `config.sandbox_backend`. It stays the caller's to close.

    Returns:
        Makes the `TurnEnvironment`s of the rollouts, which share source, sandbox and search. (TRL takes lists
        of blocks from `reset`, but its annotations do not say so.)
    """
    host = open_host(config, {}, tasks, sandbox, remote=None)
    return lambda: TurnEnvironment(host, args.max_completion_length or 0)


class TurnEnvironment:
    """The episode of one rollout after the other. To TRL, every public method but `reset` is a tool."""

    def __init__(self, host: Host, max_tokens: int) -> None:
        """Make an idle environment.

        Args:
            host: Where its episodes run.
            max_tokens: Of a rollout behind its prompt, as TRL's `max_completion_length`.
        """
        self._host = host
        self._runner = host.runner()
        self._max_tokens = max_tokens
        # What a tool must say to end the rollout. TRL knows no other way, and this one leaves no trace: it
        # takes a result back that exceeds the limit, and samples no more (`GRPOTrainer._tool_call_loop`).
        # Each word is a token of its own at least.
        self._no_room = " a" * max_tokens
        self._result: StepResult | None = None
        self._error: Exception | None = None

    def reset(self, index: int, split: Split = "train", seed: int = 0, **row: Any) -> list[Block]:
        """Begin the episode that a row of the dataset names.

        Returns:
            The question, which TRL appends to the row's last message.
        """
        del row
        options = {"index": index, "split": split}
        place = draw_place(self._host.tasks, self._host.config.split, options, np.random.default_rng(seed))
        self._result = self._error = None
        return to_blocks(self._runner.begin(place)[0])

    def take_turn(self, turn: str) -> list[Block] | str:
        """Perform what a turn asks for.

        Args:
            turn: The whole turn, its reasoning included. TRL knows no stop strings: what is said after one is
                not heard.
        """
        try:
            result = self._runner.step(up_to_stop(turn))
        except Exception as error:
            # TRL would show it to the policy and go on.
            self._error = error
            return self._no_room
        if result.done:
            self._result = result
            return self._no_room
        return to_blocks(result.observation)

    @property
    def result(self) -> StepResult | None:
        """The last step of the episode, or None before its end."""
        return self._result

    def _finish(self, last: Message, tokens: int) -> StepResult:
        """Take the last message of a rollout of so many tokens, which TRL gives to no environment."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            content = last["role"] == "assistant" and not last.get("tool_calls")
            turn = up_to_stop(str(last["content"]).removesuffix(END_OF_TURN)) if content else ""
            whole = turn.endswith(STOP_STRINGS) or tokens < self._max_tokens
            self._result = self._runner.step(turn) if content and whole else self._runner.abandon()
        return self._result


def episode_reward(
    completions: Sequence[Sequence[Message]],
    completion_ids: Sequence[Sequence[int]],
    environments: Sequence[TurnEnvironment],
    log_metric: Callable[[str, float], None],
    **columns: Any,
) -> list[float | None]:
    """The reward function for `GRPOTrainer(reward_funcs=...)`: ends the episodes and gives their rewards.

    Args:
        completions: The messages of each rollout.
        completion_ids: Its tokens, those of results included.
        environments: Its environment.
        log_metric: Takes the shares of right answers and of failures of the infrastructure.
        **columns: The dataset's columns and all else that TRL gives.

    Returns:
        The rewards; None where the infrastructure failed, which TRL leaves out of the group's mean and gives
        an advantage of 0 (as long as no other reward function scores it).

    Raises:
        Exception: Whatever a tool raised that was no failure of the infrastructure.
    """
    del columns
    results = [
        environment._finish(messages[-1], len(ids))
        for environment, messages, ids in zip(environments, completions, completion_ids, strict=True)
    ]
    scored = [result for result in results if result.info["outcome"] != Outcome.INFRA_FAILED]
    log_metric("episodes/infra_failed", 1 - len(scored) / len(results))
    if scored:
        log_metric("episodes/accuracy", sum(result.info["accuracy"] for result in scored) / len(scored))
    return [None if result.info["outcome"] == Outcome.INFRA_FAILED else result.reward for result in results]


def to_blocks(observation: Observation) -> list[Block]:
    """An observation as the content of a message, with its images in their places."""
    return [
        {"type": "text", "text": piece}
        if isinstance(piece, str)
        else {"type": "image", "image": piece.decode()}
        for piece in pieces(observation.text, observation.images)
    ]
