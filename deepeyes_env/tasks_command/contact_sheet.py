"""Paints a contact sheet: a strip of tasks for each family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from deepeyes_env.sheet import Column, Sheet
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds.family import Family
from deepeyes_env.tasks_command.list_command import skills_of

WIDTH, MARGIN, GAP = 1480, 28, 18
"""Pixels of a sheet, of its border, and between tasks."""

INK, MUTED, PAPER, ACCENT = "#1f2430", "#6b7280", "#f4f5f8", "#4f46e5"


@dataclass(frozen=True, slots=True)
class Strip:
    """Some tasks of one family."""

    family: Family[Any]
    tasks: tuple[Task, ...]


def paint_sheet(title: str, strips: Sequence[Strip]) -> Image.Image:
    """The strips below each other.

    Args:
        title: What the sheet shows.
        strips: At least one, each with at least one task.
    """
    sheet = Sheet(WIDTH, PAPER)
    column = Column(sheet, MARGIN, 22, WIDTH - 2 * MARGIN)
    column.text(title.capitalize(), 24, INK, "Sans-Bold", lines=1)
    for strip in strips:
        column.gap(22)
        _paint_strip(column, strip)
    return sheet.paint(MARGIN)


def _paint_strip(column: Column, strip: Strip) -> None:
    tools = ", ".join(sorted(strip.family.tools)) or "no tool"
    column.rows(
        [
            [
                (f"{strip.family.name}   ", ACCENT),
                (f"{', '.join(skills_of(strip.family))} · needs {tools}", MUTED),
            ]
        ],
        15,
        "Sans-Bold",
    )
    column.gap(6)
    count = len(strip.tasks)
    width = (column.width - GAP * (count - 1)) // count
    bottom = column.y
    for place, task in enumerate(strip.tasks):
        cell = Column(column.sheet, column.left + place * (width + GAP), column.y, width)
        pictures = [image.decode() for image in task.images]
        cell.pictures(pictures, width if len(pictures) == 1 else (width - 8) // 2)
        cell.gap(6)
        cell.text(task.question, 12, INK, lines=6)
        cell.text(f"{task.answer.text} {task.answer.unit or ''}".strip(), 12, ACCENT, "Sans-Bold", lines=2)
        bottom = max(bottom, cell.y)
    column.gap(bottom - column.y)
