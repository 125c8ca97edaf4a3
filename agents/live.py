"""One episode of an opened policy, shown in the terminal while it happens."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agents.actor import Actor, no_room
from agents.narrator import Narrator
from agents.policy import PolicyError
from agents.qwen import ModelError
from agents.rollout_stats import RolloutStats
from agents.run_tokenizer import keep_tokenizer
from agents.speaker import RolloutRequest
from agents.store import StoreError, TrajectoryWriter
from agents.trajectory import Trajectory
from agents.transcript import ContextFull
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from deepeyes_env.render import TERMINAL_COLUMNS


def play_live(
    actor: Actor,
    env: DeepEyesAsyncEnv,
    request: RolloutRequest,
    console: Console,
    pictures: Path | None,
    save: Path | None,
) -> Trajectory:
    """Run one episode and show each step as it happens.

    Args:
        actor: Who plays; narrated from here on.
        env: Where.
        request: Which task.
        console: Where the episode is shown.
        pictures: Folder for the pictures; None means a new temporary one.
        save: Run that the trajectory is appended to, or None.

    Returns:
        The finished episode.

    Raises:
        ConfigError: `pictures` cannot be made.
        StoreError: `save` cannot be written, another process writes to it, or it is of another tokenizer.
    """
    folder = _folder(pictures)
    actor.speaker = narrator = Narrator(actor.speaker, console, folder)
    if actor.chat is not None:
        actor.chat.on_text = narrator.hear
    stats = RolloutStats()
    with ExitStack() as stack:
        writer = None if save is None else stack.enter_context(TrajectoryWriter(save))
        if writer is not None:
            keep_tokenizer(writer.directory, actor.vocabulary)
        trajectory = next(actor.play(env, [request], stats))
        say(console, stats.failures, "red")
        if writer is not None:
            writer.append(trajectory)
            say(console, [f"saved: deepeyes view {save}"])
    if actor.chat is not None:
        say(console, [f"used: {actor.chat.client.account}"])
    return trajectory


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the user has to mend into the error that the command line explains.

    Raises:
        ConfigError: The model, its server, the run to save in, or the room for the prompt cannot be used.
    """
    try:
        yield
    except (ModelError, PolicyError, StoreError) as error:
        raise ConfigError(str(error)) from error
    except ContextFull as error:
        raise ConfigError(no_room(error)) from error


def terminal() -> Console:
    """The standard output, as wide as it is or, where it has no width, as wide as rendered episodes."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else TERMINAL_COLUMNS)


def say(console: Console, lines: Sequence[str], style: str = "dim") -> None:
    """Print lines as they are: unbroken, and not searched for markup."""
    for line in lines:
        console.print(Text(line, style), soft_wrap=True)


def _folder(pictures: Path | None) -> Path:
    if pictures is None:
        return Path(tempfile.mkdtemp(prefix="deepeyes-"))
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"images = {str(pictures)!r}: no folder ({error.strerror}); name another"
        ) from error
    return pictures
