"""`deepeyes ask`: a policy answers a question about your own pictures, with tools."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.text import Text

from agents.actor import ORACLE, Actor, ActorOptions
from agents.live import explained, play_live, terminal
from agents.own_pictures import OwnPictures, own_rules, read_pictures
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.errors import require
from deepeyes_env.exchange import printable
from deepeyes_env.task import Split


@dataclass(frozen=True, kw_only=True)
class AskOptions(ActorOptions):
    """Ask a policy about your own pictures.

    It may write code to look closer, and search where a search engine is configured (`--env`, section
    `search`).

    Attributes:
        asked: PNG, JPEG, WebP, GIF or BMP files; `-` is the standard input.
        last: The question, in quotes.
        policy: A Qwen2.5-VL checkpoint (directory or hub id), or the model's name at an API.
        env: TOML file of the environment (`EnvConfig`): sandbox, search, pixels; its tasks are not asked.
        images: Folder for the pictures that the policy sees; default: a new temporary one.
        save: Directory of a run that the trajectory is appended to; `deepeyes view` shows it.
    """

    policy: str
    # Where an option follows the question, the pictures take it too; see `words`.
    asked: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE...")]
    last: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="QUESTION")] = ""
    env: Path | None = None
    urls: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(aliases=["--url"])] = ()
    images: Path | None = None
    save: Path | None = None
    split: tyro.conf.Suppress[Split] = "test"
    tasks: tyro.conf.Suppress[tuple[str, ...]] = ()
    first: tyro.conf.Suppress[int] = 0
    n: tyro.conf.Suppress[int] = 1
    num_envs: tyro.conf.Suppress[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        complete = len(self.words) >= 2 and bool(self.question.strip())
        require(complete, "arguments", self.words, "one picture or more, then the question in quotes")
        require(self.policy != ORACLE, "policy", self.policy, "a model: the oracle knows its own tasks only")

    @property
    def words(self) -> tuple[str, ...]:
        """The picture files, then the question."""
        return (*self.asked, self.last) if self.last else self.asked

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The picture files."""
        return tuple(map(Path, self.words[:-1]))

    @property
    def question(self) -> str:
        """The question."""
        return self.words[-1]


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments.

    Returns:
        0 with an answer, 1 without one.

    Raises:
        ConfigError: An option, a file or the model cannot be used.
        ImageError: A picture cannot be used.
    """
    options = tyro.cli(AskOptions, args=list(argv), prog="deepeyes ask")
    console = terminal()
    with explained():
        trajectory = ask(options, console)
    if trajectory.answer is None:
        console.print(Text(f"no answer: {trajectory.outcome.replace('_', ' ')}", "bold red"))
        return 1
    console.print(Text(printable(trajectory.answer), "bold green"))
    return 0


def ask(options: AskOptions, console: Console) -> Trajectory:
    """Ask, and show each step as it happens.

    Args:
        options: What is asked, and whom.
        console: Where the episode is shown.

    Returns:
        The finished episode. It has no reference answer, so its reward means nothing.

    Raises:
        ConfigError: An option or a file cannot be used.
        ImageError: A picture cannot be used.
        ContextFull: The prompt alone is longer than `options.max_tokens`.
        ModelError: The policy is no Qwen2.5-VL.
        StoreError: Another process writes to `options.save`.
    """
    source = OwnPictures(options.question, read_pictures(options.pictures))
    rules = own_rules(load_config(EnvConfig, options.env), len(options.pictures), options.max_tokens)
    env = DeepEyesAsyncEnv(1, rules, tasks=source)
    try:
        request = RolloutRequest(0, options.split, SeedLineage(options.seed))
        with closing(Actor(options)) as actor:
            return play_live(actor, env, request, console, options.images, options.save)
    finally:
        env.close()
