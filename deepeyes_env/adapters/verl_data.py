"""verl's RL data set (parquet) over a task source: rows that name episodes for `adapters/verl.py`.

A row holds no images: the environment has them, where the episode runs. Its `prompt` is text for people and
for verl's logs; what the policy sees comes from the environment. The columns are those of its `RLHFDataset`
(verl 0.9.1, `utils/dataset/rl_dataset.py`): `data_source`, under which validation is reported (the family of
the task), `agent_name`, `prompt`, `reward_model`, and `extra_info` with what `reset` takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from deepeyes_env.config import ConfigError, EnvConfig
from deepeyes_env.fitting import observed_size
from deepeyes_env.images import PATCH_FACTOR
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.task import Split, Task

AGENT_NAME = "deepeyes"
"""Under which `adapters/verl.py` registers its agent loop."""

ROWS_AT_ONCE = 1024
"""Rows of one row group."""

Message = dict[str, str]
Row = dict[str, Any]


class Tokenizer(Protocol):
    """What a prompt's length needs of a Hugging Face tokenizer."""

    def apply_chat_template(self, conversation: list[Message], **kwargs: Any) -> Any:
        """The conversation as the model's prompt."""
        ...

    def encode(self, text: str, **kwargs: Any) -> list[int]:
        """Its ids."""
        ...


def verl_row(task: Task, index: int, split: Split, seed: int, config: EnvConfig) -> Row:
    """The row of one episode.

    Args:
        task: The task.
        index: Where it stands in its split.
        split: The part of the source.
        seed: Seeds the episode, as `DeepEyesEnv.reset(seed=...)`.
        config: The environment's settings.
    """
    return {
        "data_source": task.family or "deepeyes",
        "agent_name": AGENT_NAME,
        "prompt": prompt(task, config),
        "reward_model": {"style": "rule", "ground_truth": task.answer.text},
        "extra_info": {"index": index, "split": split, "seed": seed, "task_id": task.id},
    }


def prompt(task: Task, config: EnvConfig) -> list[Message]:
    """The messages that an episode begins with, images as markers."""
    system = system_prompt(config) if task.system_prompt is None else task.system_prompt
    question = user_prompt(task.question, task.images, config)
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def prompt_tokens(task: Task, config: EnvConfig, tokenizer: Tokenizer) -> int:
    """Tokens of the task's prompt with its images expanded, as verl counts them against `max_prompt_length`.

    Raises:
        ImageError: An image is too narrow to be seen.
    """
    text = tokenizer.apply_chat_template(prompt(task, config), tokenize=False, add_generation_prompt=True)
    pieces = text.split(IMAGE_MARKER)
    sizes = [observed_size(i.height, i.width, config.min_pixels, config.max_pixels) for i in task.images]
    # Each image stands between `<|vision_start|>` and `<|vision_end|>`.
    features = sum(height * width // PATCH_FACTOR**2 + 2 for height, width in sizes)
    return features + sum(len(tokenizer.encode(piece, add_special_tokens=False)) for piece in pieces)


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Write a parquet file, a row group at a time.

    Args:
        rows: What `verl_row` makes.
        path: Overwritten; its directory is made.

    Returns:
        The number of rows.

    Raises:
        ConfigError: There is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    groups, count = _groups(iter(rows)), 0
    first = next(groups, None)
    if first is None:
        raise ConfigError(f"{path}: no task is left to write")
    table = pa.Table.from_pylist(first)
    with pq.ParquetWriter(path, table.schema) as writer:
        while True:
            writer.write_table(table)
            count += len(table)
            following = next(groups, None)
            if following is None:
                return count
            table = pa.Table.from_pylist(following, schema=table.schema)


def _groups(rows: Iterator[Row]) -> Iterator[Sequence[Row]]:
    while group := list(islice(rows, ROWS_AT_ONCE)):
        yield group
