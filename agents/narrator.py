"""Shows an episode in the terminal while it happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.text import Text

from agents.speaker import LiveEpisode, Speaker
from agents.trajectory import Turn
from deepeyes_env.episode import Observation
from deepeyes_env.exchange import Exchange, printable, thought
from deepeyes_env.protocol import Malformed, parse_turn
from deepeyes_env.render import print_observation, print_turn

GROWING_LINES = 12
"""Lines of an unfinished turn that are shown; the finished turn takes their place."""


class Narrator:
    """A speaker around another one: prints the question, each turn, and what it led to.

    For one episode at a time. In a terminal a turn is also shown while it grows.

    Attributes:
        vocabulary: The speaker's.
        think_prefill: The speaker's.
        folder: Where pictures are saved.
    """

    def __init__(self, speaker: Speaker, console: Console, folder: Path) -> None:
        self.vocabulary = speaker.vocabulary
        self.think_prefill = speaker.think_prefill
        self.folder = folder
        self._speaker = speaker
        self._console = console
        self._live: Live | None = None
        self._begun = False

    async def speak(self, episode: LiveEpisode) -> str | None:
        """Let the speaker take the next turn, and show what came before it and the turn itself."""
        if turns := episode.transcript.turns:
            self._show_observation(len(turns), turns[-1], episode.observation)
        else:
            self._show_question(episode)
        with self._growing():
            text = await self._speaker.speak(episode)
        turns = episode.transcript.turns
        self._show_turn(len(turns), turns[-1].text)
        if text is None:
            self._console.print(Text("The turn was cut: it reached the limit of tokens.", "red"))
        return text

    def hear(self, text: str) -> None:
        """Show the unfinished turn; for speakers whose turns come in pieces.

        Args:
            text: All of the turn so far.
        """
        if self._live is not None:
            lines = printable(text).splitlines()
            self._live.update(Text("\n".join(lines[-GROWING_LINES:]), "italic dim"))

    def _show_question(self, episode: LiveEpisode) -> None:
        if self._begun:
            self._console.print(Text("The infrastructure failed; the episode begins anew.", "red"))
            return
        self._begun = True
        task = episode.task
        panel = Panel(Text(printable(task.question)), title=Text(task.id), title_align="left")
        self._console.print(panel)
        self._save(episode.observation, "question")

    def _show_turn(self, number: int, text: str) -> None:
        exchange = _exchange(number, text)
        print_turn(self._console, exchange)
        if isinstance(exchange.action, Malformed):  # whoever asks why wants to see it
            self._console.print(Text(printable(text), "dim"))

    def _show_observation(self, number: int, turn: Turn, observation: Observation) -> None:
        print_observation(self._console, _exchange(number, turn.text, observation))
        self._save(observation, f"turn-{number}")

    def _save(self, observation: Observation, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(observation.images, 1):
            path = self.folder / f"{name}-{number}.png"
            image.decode().save(path)
            # Unbroken, so that a terminal recognises the path.
            self._console.print(Text(f"image: {path}", "cyan"), soft_wrap=True)

    @contextmanager
    def _growing(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        waiting = Spinner("dots", Text("thinking", "dim"))
        with Live(waiting, console=self._console, transient=True) as self._live:
            try:
                yield
            finally:
                self._live = None


def _exchange(number: int, turn: str, observation: Observation | None = None) -> Exchange:
    return Exchange(number, thought(turn), parse_turn(turn), observation)
