"""`deepeyes tasks verl`: the tasks of any source as a data set for verl."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track

from deepeyes_env.adapters.verl_data import Row, Tokenizer, prompt_tokens, verl_row, write_rows
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import ConfigError, require_file
from deepeyes_env.images import ImageError
from deepeyes_env.task import Split, Task, TaskSource
from deepeyes_env.tasks import open_source


@dataclass(frozen=True, kw_only=True)
class VerlArgs:
    """Write rows that name episodes, for verl's agent loop `deepeyes` (docs/plugins.md).

    Attributes:
        output: The parquet file.
        env: TOML file with the environment's settings; default: the generated world.
        split: The part of the source.
        count: Tasks, from the first; default: all. An endless source needs it.
        seed: Seeds the episodes.
        model: Checkpoint whose tokenizer counts the prompts (needs transformers); default: none is left out.
        max_prompt_tokens: Prompts above it are left out, images expanded: verl's `data.max_prompt_length`.
    """

    output: Path
    env: Path | None = None
    split: Split = "train"
    count: int | None = None
    seed: int = 0
    model: str | None = None
    max_prompt_tokens: int = 8192


def main(argv: list[str]) -> int:
    """Write the file and say what is in it.

    Args:
        argv: Command-line arguments.

    Returns:
        0.

    Raises:
        ConfigError: A setting is wrong, `output` cannot be written, an endless source has no count, or
            nothing is left to write.
    """
    args = tyro.cli(VerlArgs, prog="deepeyes tasks verl", args=argv)
    config = load_config(EnvConfig, args.env)
    source = open_source(config.source)
    count = _count(source, args)
    require_file("output", args.output)
    written = write_rows(_rows(source, config, args, count), args.output)
    print(f"{args.output}: {written} tasks of {count}, {count - written} left out")
    return 0


def _count(source: TaskSource, args: VerlArgs) -> int:
    size = source.size(args.split)
    if size is None and args.count is None:
        raise ConfigError(f"the source {source.name!r} is endless; say how many tasks: --count")
    return min(found for found in (size, args.count) if found is not None)


def _rows(source: TaskSource, config: EnvConfig, args: VerlArgs, count: int) -> Iterator[Row]:
    tokenizer = None if args.model is None else _tokenizer(args.model)
    for index in track(range(count), "reading", transient=True, console=Console(stderr=True)):
        task = source.task(index, args.split)
        if tokenizer is None or _fits(task, config, tokenizer, args.max_prompt_tokens):
            yield verl_row(task, index, args.split, args.seed, config)


def _fits(task: Task, config: EnvConfig, tokenizer: Tokenizer, limit: int) -> bool:
    try:
        return prompt_tokens(task, config, tokenizer) <= limit
    except ImageError:  # nobody can look at it
        return False


def _tokenizer(model: str) -> Tokenizer:
    from transformers import AutoTokenizer

    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(model)
    return tokenizer
