"""Trajectories -> one self-contained HTML page that needs no network and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agents.metrics import summarise
from agents.trajectory import Trajectory
from agents.viewer.cards import Card, cards
from agents.viewer.tokens import Decoder, vocabulary
from deepeyes_env.images import EncodedImage

_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"RIFF", "image/webp"),
)
"""First bytes of the formats that `EncodedImage` admits."""


def render_page(
    trajectories: Iterable[Trajectory],
    tokenizer: Decoder | None = None,
    *,
    title: str = "DeepEyes trajectories",
    extra_html: str = "",
) -> str:
    """Show trajectories as a page to browse.

    Everything that comes from a trajectory is escaped; a content security policy forbids every request and
    every script but the page's own.

    Args:
        trajectories: What to show, in this order.
        tokenizer: Decodes token ids for the token strip; without it the strip shows ids.
        title: Heading of the page.
        extra_html: Trusted HTML put above the trajectories, e.g. a report with curves as inline SVG. Styles
            work in it, scripts do not.

    Returns:
        An HTML document. Each image is in it once, whatever the number of trajectories that hold it.
    """
    shown = list(trajectories)
    laid_out = cards(shown)
    script = _asset("page.js")
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title,
            extra=Markup(extra_html),
            cards=laid_out,
            metrics=summarise(shown),
            images=_images(shown),
            vocabulary=vocabulary(shown, tokenizer),
            filters=_filters(laid_out),
            style=Markup(_asset("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("agents.viewer", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return resources.files("agents.viewer").joinpath(name).read_text(encoding="utf-8")


def _images(trajectories: Iterable[Trajectory]) -> dict[str, str]:
    return {image.sha256: _data_uri(image) for one in trajectories for image in one.images}


def _data_uri(image: EncodedImage) -> str:
    kind = next((mime for magic, mime in _MAGIC if image.data.startswith(magic)), "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(image.data).decode()}"


def _filters(shown: list[Card]) -> dict[str, list[str]]:
    """The values that each filter offers: those that occur."""
    return {
        "outcome": sorted({str(card.trajectory.outcome) for card in shown}),
        "family": sorted({card.trajectory.family for card in shown}),
        "verdict": sorted({card.verdict for card in shown}),
        "tool": sorted({tool for card in shown for tool in card.tools or {"none": 1}}),
    }
