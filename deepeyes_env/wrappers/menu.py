"""A menu of turns: named entries, each a template of code, a search or an answer, for algorithms that choose.

The code templates work on a variable of the episode's session, `view`: a crop makes it, and zooming, turning,
thresholding and searching go on with it, so that a few entries compose into many programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deepeyes_env.errors import require
from deepeyes_env.tasks.worlds.oracles.turns import answer, code, image_search


@dataclass(frozen=True, slots=True)
class MenuState:
    """What an entry may look at: what the policy has seen and said, never the task's answer.

    Attributes:
        question: Text of the first observation.
        text: Text of the latest observation.
        taken: Names of the entries taken so far in this episode.
    """

    question: str
    text: str
    taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One thing to choose.

    Attributes:
        name: Unique in its menu.
        turn: The whole turn, or what makes it of the episode so far.
    """

    name: str
    turn: str | Callable[[MenuState], str]

    def spoken(self, state: MenuState) -> str:
        """The turn as the environment takes it."""
        return self.turn if isinstance(self.turn, str) else self.turn(state)


Menu = tuple[MenuEntry, ...]
"""What can be chosen, by number."""


def default_menu(
    answers: Iterable[str] = "ABCD", *, rows: int = 4, columns: int = 4, searching: bool = True
) -> Menu:
    """Crop each cell of a grid, the whole picture, zoom in, turn, threshold, search by image, answer.

    Args:
        answers: The answers that can be given: by default the letters of multiple choice.
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        searching: Whether it can search by the picture that was seen last.

    Raises:
        ConfigError: The grid has no cells.
    """
    searches = (search_by_view(),) if searching else ()
    edits = (whole(), zoom_in(), turn_right(), threshold())
    return (*crop_cells(rows, columns), *edits, *searches, *answer_options(answers))


def crop_cells(rows: int, columns: int, *, margin: float = 0.0) -> Menu:
    """Look at one cell of the question's first picture, from left to right and top to bottom.

    Args:
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        margin: Share of a cell's sides that is left out at each edge, below 0.5; negative for an overlap.

    Raises:
        ConfigError: The grid has no cells, or nothing is left of them.
    """
    require(rows >= 1, "rows", rows, "at least 1")
    require(columns >= 1, "columns", columns, "at least 1")
    require(margin < 0.5, "margin", margin, "below 0.5")
    return tuple(
        MenuEntry(f"crop {row},{column}", code("I look closer.", _crop(row, column, rows, columns, margin)))
        for row in range(rows)
        for column in range(columns)
    )


def _crop(row: int, column: int, rows: int, columns: int, margin: float) -> str:
    left, right = ((column + edge) / columns for edge in (margin, 1 - margin))
    upper, lower = ((row + edge) / rows for edge in (margin, 1 - margin))
    return (
        "width, height = image_1.size\n"
        f"box = (width * {left:.4g}, height * {upper:.4g}, width * {right:.4g}, height * {lower:.4g})\n"
        "view = image_1.crop([round(edge) for edge in box])\n"
        "view.show()"
    )


def whole() -> MenuEntry:
    """Look at the question's first picture as a whole."""
    return MenuEntry("whole", code("I look at all of it.", "view = image_1\nview.show()"))


def zoom_in() -> MenuEntry:
    """Enlarge the middle of the view to twice its size."""
    return MenuEntry("zoom in", _edit("I zoom in.", _ZOOM))


def turn_right() -> MenuEntry:
    """Turn the view by 90 degrees, clockwise."""
    return MenuEntry("turn right", _edit("I turn it.", "view = view.rotate(-90, expand=True)"))


def threshold() -> MenuEntry:
    """Make the view black and white, parted at its mean."""
    return MenuEntry("threshold", _edit("I part light from dark.", _THRESHOLD))


def search_by_view() -> MenuEntry:
    """Search by the view, or by the question's first picture where no code has been run yet."""
    return MenuEntry("search by image", _search)


def answer_options(answers: Iterable[str]) -> Menu:
    """Give one of these answers."""
    return tuple(MenuEntry(f"answer {text}", answer("I can tell.", text)) for text in answers)


_ZOOM = (
    "width, height = view.size\n"
    "middle = (width // 4, height // 4, width - width // 4, height - height // 4)\n"
    "view = view.crop(middle).resize((width, height))"
)
_THRESHOLD = (
    "import numpy as np\nfrom PIL import Image\n"
    "grey = np.asarray(view.convert('L'))\nview = Image.fromarray(np.uint8(255 * (grey > grey.mean())))"
)


def _edit(thought: str, program: str) -> str:
    return code(thought, f"view = globals().get('view', image_1)\n{program}\nview.show()")


def _search(state: MenuState) -> str:
    looked = any(not name.startswith(("search", "answer")) for name in state.taken)
    return image_search("What is it?", image="view" if looked else None)
