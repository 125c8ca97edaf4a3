"""`deepeyes play`: a person plays an episode in the terminal."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from deepeyes_env.config import ConfigError, EnvConfig, load_config, with_overrides
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.episode import Observation
from deepeyes_env.render import render_ansi
from deepeyes_env.task import Split
from deepeyes_env.tasks import RealWorldConfig, WorldConfig

HELP = """\
Type Python and end it with an empty line, or one of:
  /answer TEXT    give the final answer
  /search QUERY   search the text corpus
  /image          search by the question's first image
  /help           show this
  /quit           leave"""


@dataclass(frozen=True, slots=True)
class PlayArgs:
    """Play an episode of DeepEyes-v0 yourself.

    Attributes:
        config: TOML file with the environment's settings; the defaults are the generated world.
        index: The task; default: a random one.
        split: The part of the source to draw from.
        seed: Seeds the draw of the task and the session; default: a new one each time.
        images: Folder for the images; default: a new temporary one.
        family: Draw from this task family of the configured world only.
    """

    config: Path | None = None
    index: int | None = None
    split: Split = "train"
    seed: int | None = None
    images: Path | None = None
    family: Annotated[str | None, tyro.conf.arg(aliases=["-f"])] = None


def main(argv: list[str]) -> int:
    """Play one episode.

    Args:
        argv: Command-line arguments.

    Returns:
        0, also when the player leaves early.
    """
    args = tyro.cli(PlayArgs, prog="deepeyes play", args=argv)
    env = DeepEyesEnv(played_config(args.config, args.family))
    try:
        options = {"split": args.split} | ({} if args.index is None else {"index": args.index})
        env.reset(seed=args.seed, options=options)
        _play(env, args.images or Path(tempfile.mkdtemp(prefix="deepeyes-play-")))
    finally:
        env.close()
    return 0


def played_config(path: Path | None, family: str | None) -> EnvConfig:
    """The settings of a game.

    Args:
        path: TOML file of the settings, or None for the defaults.
        family: Task family to draw from only, or None.

    Raises:
        ConfigError: The file cannot be used, or its source has no such family.
    """
    config = load_config(EnvConfig, path)
    if not family:
        return config
    if not isinstance(config.source, WorldConfig | RealWorldConfig):
        raise ConfigError(f"--family {family}: a {config.source.kind!r} source has no task families")
    return with_overrides(config, source=replace(config.source, families=(family,)))


def _play(env: DeepEyesEnv, folder: Path) -> None:
    colour = sys.stdout.isatty()
    print(render_ansi(env.episode, colour=colour), end="")
    _save_images(env.episode.observations[0], folder, "question")
    print(HELP)
    while env.episode.outcome is None:
        turn = _read_turn(len(env.episode.turns) + 1, env.config.max_turns)
        if turn is None:
            print("\nGoodbye. The reference answer was:", env.episode.task.answer.text)
            return
        env.step(turn)
        print(render_ansi(env.episode, env.reward, last_only=True, colour=colour), end="")
        if env.episode.outcome is None:
            _save_images(env.episode.observations[-1], folder, f"turn-{len(env.episode.turns)}")
    for reason in env.telemetry.failures:
        print(reason)


def _read_turn(number: int, most: int) -> str | None:
    """The player's next turn in the policy's grammar, or None to leave."""
    while True:
        try:
            line = _input(f"\n[turn {number} of {most}] >>> ")
            command, _, rest = line.strip().partition(" ")
            match command, rest.strip():
                case "", _:
                    continue
                case "/quit", _:
                    return None
                case "/answer", answer if answer:
                    return f"<think></think>\n<answer>{answer}</answer>"
                case "/search", query if query:
                    call = json.dumps({"name": "search", "arguments": {"query": query}}, ensure_ascii=False)
                    return f"<think></think>\n<tool_call>\n{call}\n</tool_call>"
                case "/image", _:
                    return '<think></think>\n<tool_call>\n{"name": "image_search"}\n</tool_call>'
                case name, _ if name.startswith("/"):
                    print(HELP)
                case _:
                    return f"<think></think>\n<code>\n```python\n{_read_code(line)}\n```\n</code>"
        except (EOFError, KeyboardInterrupt):
            return None


def _read_code(first: str) -> str:
    """The rest of a cell; its end is an empty line or the end of the input."""
    lines = [first]
    while True:
        try:
            line = _input("... ")
        except EOFError:
            return "\n".join(lines)
        if not line.strip():
            return "\n".join(lines)
        lines.append(line)


def _input(prompt: str) -> str:
    line = input(prompt)
    if not sys.stdin.isatty():
        print(line)
    return line


def _save_images(observation: Observation, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(observation.images, 1):
        path = folder / f"{name}-{number}.png"
        image.decode().save(path)
        print(f"image: {path}")
        _open(path)


def _open(path: Path) -> None:
    """Open the picture in the desktop's viewer, if a person sits there and has one."""
    viewer = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if viewer and sys.stdin.isatty() and sys.stdout.isatty():
        subprocess.Popen([viewer, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
