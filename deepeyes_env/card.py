"""Paints an episode: the question and the verdict on the left, the turns on the right."""

from __future__ import annotations

from PIL import Image

from deepeyes_env.episode import Episode
from deepeyes_env.exchange import Exchange, code_output, exchanges, printable, readable_hits
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import (
    Finish,
    InvalidCall,
    Malformed,
    RunCode,
    SearchImage,
    SearchText,
)
from deepeyes_env.rewards.base import Reward
from deepeyes_env.sheet import Column, Run, Sheet

WIDTH = 1200
MARGIN = 28

INK, MUTED, PAPER, WHITE, LINE = "#1f2430", "#6b7280", "#f4f5f8", "#ffffff", "#e2e5ec"
INDIGO, BLUE, GREEN, RED, AMBER = "#4f46e5", "#2563eb", "#059669", "#dc2626", "#d97706"
CODE_PAPER, CODE_INK = "#1e2433", "#d7dce8"
CODE_COLOURS = {
    "Keyword": "#c792ea",
    "Operator.Word": "#c792ea",
    "Name.Function": "#82aaff",
    "Name.Builtin": "#82aaff",
    "Literal.String": "#c3e88d",
    "Literal.Number": "#f78c6c",
    "Comment": "#7f8aa3",
}
"""Colours of Pygments token types; the longest prefix wins."""

OUTCOME_COLOURS = {
    Outcome.ANSWERED: GREEN,
    Outcome.TRUNCATED: AMBER,
    Outcome.MALFORMED: RED,
    Outcome.INFRA_FAILED: MUTED,
}


def paint_episode(episode: Episode, reward: Reward | None) -> Image.Image:
    """The episode so far as a picture of `WIDTH` pixels and the height it needs."""
    sheet = Sheet(WIDTH, PAPER)
    header = Column(sheet, MARGIN, 22, WIDTH - 2 * MARGIN)
    _header(header, episode, reward)
    top = header.y + 18
    _question(Column(sheet, MARGIN, top, 420), episode, reward)
    turns = Column(sheet, MARGIN + 444, top, WIDTH - 2 * MARGIN - 444)
    for exchange in exchanges(episode):
        _exchange(turns, exchange, reward)
        turns.gap(12)
    if not episode.turns:
        with turns.panel(WHITE, edge=LINE) as inside:
            inside.text("The policy's first turn is due.", 14, MUTED, "Sans-Oblique")
    return sheet.paint(MARGIN)


def _header(column: Column, episode: Episode, reward: Reward | None) -> None:
    outcome = episode.outcome
    if outcome is Outcome.ANSWERED and reward:
        column.badge("right" if reward.accuracy else "wrong", GREEN if reward.accuracy else RED)
    elif outcome:
        column.badge(outcome.replace("_", " "), OUTCOME_COLOURS[outcome])
    else:
        column.badge(f"turn {len(episode.turns) + 1} of {episode.config.max_turns}", INDIGO)
    column.rows([[("DeepEyes", INDIGO), ("-v0", MUTED)]], 20, "Sans-Bold")
    column.text(printable(episode.task.id), 12, MUTED, lines=1)


def _question(column: Column, episode: Episode, reward: Reward | None) -> None:
    with column.panel(WHITE, 16, edge=LINE) as inside:
        inside.text("Question", 12, MUTED, "Sans-Bold")
        inside.gap(4)
        inside.text(printable(episode.task.question), 16, INK, lines=14)
        inside.gap(10)
        pictures = [image.decode() for image in episode.observations[0].images]
        inside.pictures(pictures, 388 if len(pictures) == 1 else 190)
    column.gap(12)
    if reward is not None and episode.outcome is not Outcome.INFRA_FAILED:
        with column.panel(WHITE, 16, edge=LINE) as inside:
            _verdict(inside, episode, reward)


def _verdict(column: Column, episode: Episode, reward: Reward) -> None:
    for label, value, colour in (
        ("Answer", episode.answer or "none", GREEN if reward.accuracy else RED),
        ("Reference", episode.task.answer.text, INK),
    ):
        column.text(label, 12, MUTED, "Sans-Bold")
        column.text(printable(value), 16, colour, lines=3)
        column.gap(8)
    column.text("Reward", 12, MUTED, "Sans-Bold")
    parts = f"   accuracy {reward.accuracy:g}   format {reward.format:g}"
    column.rows([[(f"{reward.total:.2f}", INK), (parts, MUTED)]], 14, "Sans")


def _exchange(column: Column, exchange: Exchange, reward: Reward | None) -> None:
    with column.panel(WHITE, 14, edge=LINE, bar=_bar(exchange, reward)) as inside:
        inside.rows(
            [[(f"{exchange.number}  ", MUTED), (exchange.title, _bar(exchange, reward))]], 13, "Sans-Bold"
        )
        if exchange.thought:
            inside.gap(2)
            inside.text(exchange.thought, 13, MUTED, "Sans-Oblique", lines=5)
        inside.gap(6)
        _action(inside, exchange, reward)
        if exchange.observation:
            inside.gap(8)
            _observation(inside, exchange)


def _bar(exchange: Exchange, reward: Reward | None) -> str:
    match exchange.action:
        case Finish():
            return GREEN if reward is None or reward.accuracy else RED
        case InvalidCall() | Malformed():
            return RED
        case SearchText() | SearchImage():
            return BLUE
    return INDIGO


def _action(column: Column, exchange: Exchange, reward: Reward | None) -> None:
    match exchange.action:
        case RunCode(code):
            with column.panel(CODE_PAPER) as inside:
                inside.rows(_highlight(printable(code), columns=88, lines=22), 12, "SansMono")
        case Finish(answer):
            column.text(printable(answer), 18, _bar(exchange, reward), "Sans-Bold", lines=4)
        case _:
            column.text(printable(exchange.body), 14, INK, lines=4)


def _observation(column: Column, exchange: Exchange) -> None:
    observation = exchange.observation
    assert observation is not None
    if isinstance(exchange.action, RunCode):
        output, error = code_output(observation.text)
    else:
        output, error = readable_hits(observation.text), ""
    pictures = [image.decode() for image in observation.images]
    for text, paper, ink in ((output, PAPER, INK), (error, "#fdecec", "#9b1c1c")):
        if text.strip():
            with column.panel(paper, 10) as inside:
                inside.text(printable(text), 12, ink, "SansMono", lines=12)
            column.gap(8)
    if pictures:
        column.pictures(pictures, 320 if len(pictures) == 1 else 128)
    elif not output.strip() and not error.strip():
        column.text("no output", 12, MUTED, "Sans-Oblique")


def _highlight(code: str, columns: int, lines: int) -> list[list[Run]]:
    """The code as coloured runs, cut to `columns` and `lines`."""
    from pygments.lexers import PythonLexer

    rows: list[list[Run]] = [[]]
    for token, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(code):
        colour = _token_colour(str(token).removeprefix("Token."))
        for number, piece in enumerate(text.split("\n")):
            if number:
                rows.append([])
            room = columns - sum(len(run) for run, _ in rows[-1])
            if piece and room > 0:
                rows[-1].append((piece if len(piece) <= room else piece[: room - 1] + "…", colour))
    if len(rows) > lines:
        rows = [*rows[: lines - 1], [(f"… {len(rows) - lines + 1} more lines", CODE_COLOURS["Comment"])]]
    return rows


def _token_colour(token: str) -> str:
    known = [prefix for prefix in CODE_COLOURS if token.startswith(prefix)]
    return CODE_COLOURS[max(known, key=len)] if known else CODE_INK
