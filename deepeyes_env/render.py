"""An episode as text for terminals and as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import numpy as np

from deepeyes_env.card import paint_episode
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.exchange import Exchange, code_output, exchanges, printable, readable_hits
from deepeyes_env.protocol import RunCode
from deepeyes_env.rewards.base import Reward
from deepeyes_env.spaces import RgbArray

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

TERMINAL_COLUMNS = 100


def render_rgb(episode: Episode, reward: Reward | None = None) -> RgbArray:
    """The episode so far as a picture, uint8 `[height, 1200, 3]`."""
    return np.array(paint_episode(episode, reward))


def render_ansi(
    episode: Episode, reward: Reward | None = None, *, last_only: bool = False, colour: bool = True
) -> str:
    """The episode so far as text with ANSI colours.

    Args:
        episode: A started episode.
        reward: Its reward, once it has ended.
        last_only: Show the newest step only.
        colour: Whether to colour the text; without, it is plain.
    """
    from rich.console import Console
    from rich.panel import Panel

    output = io.StringIO()
    system: Literal["standard"] | None = "standard" if colour else None
    console = Console(file=output, force_terminal=colour, color_system=system, width=TERMINAL_COLUMNS)
    done = exchanges(episode)
    if not last_only or not done:
        text = printable(episode.task.question) + _image_notes(episode.observations[0])
        console.print(Panel(_plain(text), title=_plain(episode.task.id), title_align="left"))
    for exchange in done[-1:] if last_only else done:
        print_turn(console, exchange)
        print_observation(console, exchange)
    if episode.outcome:
        score = f"   reward {reward.total:g}" if reward else ""
        console.print(_plain(f"{episode.outcome}   reference: {episode.task.answer.text}{score}", "bold"))
    return output.getvalue()


def print_turn(console: Console, exchange: Exchange) -> None:
    """What the policy did: its reasoning, then its code, query or answer."""
    from rich.rule import Rule

    console.print(Rule(f"{exchange.number} {exchange.title}", align="left"))
    if exchange.thought:
        console.print(_plain(exchange.thought, "italic dim"))
    body = printable(exchange.body)
    console.print(_python(body) if isinstance(exchange.action, RunCode) else _plain(body, "bold"))


def print_observation(console: Console, exchange: Exchange) -> None:
    """What came back: output, errors, and the sizes of pictures."""
    observation = exchange.observation or Observation()
    if isinstance(exchange.action, RunCode):
        output, error = code_output(observation.text)
    else:
        output, error = readable_hits(observation.text), ""
    for text, style in ((output, "green"), (error, "red")):
        if text.strip():
            console.print(_plain(printable(text), style))
    if observation.images:
        console.print(_plain(_image_notes(observation).strip(), "cyan"))


def _image_notes(observation: Observation) -> str:
    return "".join(f"\n[image {image.width}x{image.height}]" for image in observation.images)


def _python(code: str) -> Text:
    """The code in the terminal's own colours."""
    from rich.syntax import Syntax

    text = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(code)
    text.rstrip()
    return text


def _plain(text: str, style: str = "") -> Text:
    """Text that is not searched for markup."""
    from rich.text import Text

    return Text(text, style=style)
