"""Episodes shown live: in a terminal also while a turn grows."""

from __future__ import annotations

import io
from pathlib import Path

from actors import LOOK, SAY, PythonSandbox, failing, make_env
from rich.console import Console
from talk import vocabulary

from agents.event_loop import iterate
from agents.narrator import GROWING_LINES, Narrator
from agents.rollout import stream
from agents.scripted import ScriptSpeaker
from agents.speaker import LiveEpisode, RolloutRequest


class Slow(ScriptSpeaker):
    """Says its turns letter by letter."""

    narrator: Narrator

    async def speak(self, episode: LiveEpisode) -> str:
        text = self._next(episode)
        for end in range(1, len(text)):
            self.narrator.hear(text[:end])
        self.narrator._live and self.narrator._live.refresh()
        return episode.transcript.append_text(text)


def script(task: object, lineage: object):  # type: ignore[no-untyped-def]
    yield LOOK
    yield SAY


def narrated(folder: Path, *, terminal: bool, sandbox: object | None = None, retries: int = 0) -> str:
    output = io.StringIO()
    speaker = Slow(script, vocabulary())
    speaker.narrator = Narrator(speaker, Console(file=output, force_terminal=terminal, width=80), folder)
    env = make_env(1, sandbox)
    try:
        list(iterate(stream(speaker.narrator, env, [RolloutRequest(0)], infra_retries=retries)))
    finally:
        env.close()
    return output.getvalue()


def test_a_growing_turn_is_shown_in_a_terminal(tmp_path: Path) -> None:
    text = narrated(tmp_path, terminal=True)
    assert "thinking" in text or "<think>look" in text
    assert "</cod" in text  # the tags are part of what grows, never of a finished turn
    assert text.index("</cod") < text.index(["1", "Code"][1])


def test_elsewhere_only_finished_turns(tmp_path: Path) -> None:
    lines = [line.rstrip("─ ") for line in narrated(tmp_path, terminal=False).splitlines()]
    assert lines[1:2] == ["│ Riddle 0?" + " " * 68 + "│"]
    assert lines[3:] == [
        f"image: {tmp_path / 'question-1.png'}",
        "1 Code",
        "look",
        "print(7)",
        "7",
        "2 Answer",
        "say",
        "7",
    ]


def test_a_malformed_turn_is_shown_as_it_is(tmp_path: Path) -> None:
    speaker = ScriptSpeaker(lambda task, lineage: iter(["<think>I am los\x07t"]), vocabulary())  # type: ignore[arg-type,return-value]
    output = io.StringIO()
    env = make_env(1)
    try:
        list(iterate(stream(Narrator(speaker, Console(file=output), tmp_path), env, [RolloutRequest(0)])))
    finally:
        env.close()
    assert "1 Malformed turn" in output.getvalue()
    assert "<think>I am lost" in output.getvalue()


def test_an_episode_that_begins_anew_says_so(tmp_path: Path) -> None:
    text = narrated(tmp_path, terminal=False, sandbox=PythonSandbox(failing(1)), retries=1)
    assert text.count("Riddle 0?") == 1
    assert "The infrastructure failed; the episode begins anew." in text


def test_a_long_turn_shows_its_end(tmp_path: Path) -> None:
    output = io.StringIO()
    speaker = ScriptSpeaker(script, vocabulary())
    narrator = Narrator(speaker, Console(file=output, force_terminal=True, width=80), tmp_path)
    with narrator._growing():
        narrator.hear("\n".join(f"line {number}\x1b[2J" for number in range(100)))
    text = output.getvalue()
    assert "\x1b[2J" not in text
    assert [number for number in range(100) if f"line {number}[2J" in text] == list(
        range(100 - GROWING_LINES, 100)
    )
