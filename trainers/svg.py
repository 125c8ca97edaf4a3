"""Figures inside a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure) -> str:
    """A figure as the text of an `<svg>` element."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    # Without the XML declaration and document type, which have no place inside a page.
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
