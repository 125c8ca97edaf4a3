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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.host import Host, draw_place, open_host
from deepeyes_env.images import MAX_PIXELS, PATCH_FACTOR
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.runner import StepResult
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.task import Split, TaskSource
from deepeyes_env.tasks import open_source

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOConfig

Block = dict[str, Any]
"""A content block of a message: `{"type": "text", "text": str}` or `{"type": "image", "image": Image}`."""

Message = Mapping[str, Any]
"""A message as TRL keeps it: `role`, `content`, and `tool_calls` where the turn asks for a tool."""

END_OF_TURN = "<|im_end|>"
"""Ends every message of Qwen2.5-VL's chat template, and every sampled turn."""

CHAT_TEMPLATE = (Path(__file__).parent / "trl_chat_template.jinja").read_text(encoding="utf-8")
"""Qwen2.5-VL's chat template, with tool results as a user's messages and calls as the turns they were."""

_BLANK = r"[\s\x1c-\x1f]*+"
"""What `str.strip` removes; the module `regex` counts four separators less as white space."""

_ASKS_FOR_A_TOOL = (
    r"\A(?=(?>(?:.*</think>)?)"
    rf"(?!.*<answer>{_BLANK}(?!</answer>).*</answer>)"
    rf"(?:.*<code>.*</code>|.*<tool_call>{_BLANK}(?!</tool_call>).*</tool_call>))"
)
"""The start of a turn in which `parse_turn` finds a code block or a tool call, and no answer."""

RESPONSE_TEMPLATE: dict[str, Any] = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "content": {"content_args": {"strip": False}},
        "tool_calls": {
            "open_pattern": _ASKS_FOR_A_TOOL,
            "repeats": True,
            "content_args": {"strip": False},
            "transform": {
                "type": "function",
                "function": {"name": "take_turn", "arguments": {"turn": "{content}"}},
            },
        },
    },
}
"""How transformers reads a turn (`transformers.utils.chat_parsing`): all is a call, or all is content."""


def prepare_processor(processor: Any) -> Any:
    """Make a Qwen2.5-VL processor speak the environment's tags in TRL.

    Installs the chat template and the response template, pads on the left as `GRPOTrainer` does, and takes
    images as the environment has fitted them, whatever the checkpoint's pixel budget.

    Args:
        processor: The model's `transformers` processor; changed in place. What it saves keeps the changes.

    Returns:
        The same processor.

    Raises:
        ValueError: It is not a Qwen2.5-VL's.
    """
    tokenizer = processor.tokenizer
    if tokenizer.eos_token != END_OF_TURN or "<|image_pad|>" not in tokenizer.get_vocab():
        raise ValueError(
            f"a processor whose texts end with {tokenizer.eos_token!r} is not Qwen2.5-VL's; load that of a "
            "Qwen2.5-VL checkpoint that was tuned for chat"
        )
    processor.chat_template = tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.response_template = RESPONSE_TEMPLATE
    tokenizer.padding_side = "left"
    processor.image_processor.size = {"shortest_edge": PATCH_FACTOR**2, "longest_edge": MAX_PIXELS}
    # Pillow's one gives arrays unless asked, with which TRL fails where no tool has given an image
    # (`trl.trainer.utils.split_pixel_values_by_grid`).
    processor.image_processor.return_tensors = "pt"
    return processor


def rollout_settings(processor: Any, config: EnvConfig) -> dict[str, Any]:
    """Fields of `GRPOConfig` that follow from the environment.

    Args:
        processor: Tells the control tokens. None but the end of a turn may be sampled: for a sampled image
            placeholder TRL drops the images of the whole batch.
        config: Tells the number of turns; the last one's tool call is not run.
    """
    added = processor.tokenizer.added_tokens_decoder.items()
    control = sorted(int(i) for i, token in added if token.special and str(token) != END_OF_TURN)
    return {
        "max_tool_calling_iterations": config.max_turns - 1,
        "generation_kwargs": {"suppress_tokens": control},
    }


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
    return Dataset.from_list([_row(tasks, config, index, split, seed) for index in indices])


def _row(tasks: TaskSource, config: EnvConfig, index: int, split: Split, seed: int) -> dict[str, Any]:
    task = tasks.task(index, split)
    prompt = [
        {"role": "system", "content": Episode(task, config).system_prompt},
        {"role": "user", "content": ""},
    ]
    return {"prompt": prompt, "index": index, "split": split, "seed": seed, "task_id": task.id}


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
    # Each word is a token of its own at least, so that the result is longer than any that TRL accepts.
    no_room = " a" * (args.max_completion_length or 0)
    return lambda: TurnEnvironment(host, no_room)


class TurnEnvironment:
    """The episode of one rollout after the other. To TRL, every public method but `reset` is a tool."""

    def __init__(self, host: Host, no_room: str) -> None:
        """Make an idle environment.

        Args:
            host: Where its episodes run.
            no_room: What a tool must say to end the rollout. TRL knows no other way, and this one leaves no
                trace: it takes a result back that exceeds `max_completion_length`, and samples no more
                (`GRPOTrainer._tool_call_loop`).
        """
        self._host = host
        self._runner = host.runner()
        self._no_room = no_room
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
            turn: The whole turn, its reasoning included.
        """
        try:
            result = self._runner.step(turn.removesuffix(END_OF_TURN))
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

    def _finish(self, last: Message) -> StepResult:
        """Take the rollout's last message, which TRL gives to no environment."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            answered = last["role"] == "assistant" and not last.get("tool_calls")
            turn = str(last["content"]).removesuffix(END_OF_TURN) if answered else None
            self._result = self._runner.abandon() if turn is None else self._runner.step(turn)
        return self._result


def episode_reward(
    completions: Sequence[Sequence[Message]],
    environments: Sequence[TurnEnvironment],
    log_metric: Callable[[str, float], None],
    **columns: Any,
) -> list[float | None]:
    """The reward function for `GRPOTrainer(reward_funcs=...)`: ends the episodes and gives their rewards.

    Args:
        completions: The messages of each rollout.
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
        environment._finish(messages[-1])
        for environment, messages in zip(environments, completions, strict=True)
    ]
    scored = [result for result in results if _is_scored(result)]
    log_metric("episodes/infra_failed", 1 - len(scored) / len(results))
    if scored:
        log_metric("episodes/accuracy", sum(result.info["accuracy"] for result in scored) / len(scored))
    return [result.reward if _is_scored(result) else None for result in results]


def _is_scored(result: StepResult) -> bool:
    return bool(result.info["outcome"] != Outcome.INFRA_FAILED)


def to_blocks(observation: Observation) -> list[Block]:
    """An observation as the content of a message, with its images in their places."""
    first, *others = observation.text.split(IMAGE_MARKER)
    blocks: list[Block] = [{"type": "text", "text": first}]
    for image, text in zip(observation.images, others, strict=True):
        blocks += [{"type": "image", "image": image.decode()}, {"type": "text", "text": text}]
    return blocks
