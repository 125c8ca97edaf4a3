"""The three pages over one front end: with everything inside, beside a folder, in front of a server.

What a page shows comes as JSON, and its script makes elements and text of it, never markup: a content
security policy admits that script alone and, by Trusted Types, no markup from strings.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from agents.trajectory import Trajectory
from agents.viewer.assets import script, script_hash, style, templates
from agents.viewer.detail import detail
from agents.viewer.rows import Row, row
from agents.viewer.tokens import Decoder, Words
from deepeyes_env.images import EncodedImage

IMAGE_TYPES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"RIFF", "image/webp"),
)
"""First bytes of the formats that `EncodedImage` admits."""

LIVE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content security policy of the page that a server gives."""

_COMMON = "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"


def render_page(
    trajectories: Iterable[Trajectory],
    tokenizer: Decoder | None = None,
    *,
    title: str = "DeepEyes trajectories",
    extra_html: str = "",
) -> str:
    """Show trajectories as one self-contained page to browse.

    Everything that comes from a trajectory stays text; a content security policy forbids every request and
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
    return _render(
        title,
        {"source": "embedded", "rows": [row(number, one) for number, one in enumerate(shown)]},
        policy=f"default-src 'none'; img-src data:; script-src '{script_hash()}'; {_COMMON}; "
        "trusted-types 'none'",
        extra=Markup(extra_html),
        vocabulary=Words(lambda: tokenizer).of(shown),
        details=[detail(one) for one in shown],
        images={image.sha256: _data_uri(image) for one in shown for image in one.images},
    )


def folder_page(title: str, rows: Sequence[Row], *, chunks: str, chunk_size: int) -> str:
    """The page that lies beside a run's `images/` and the chunks that `write_folder` writes.

    Args:
        title: Heading of the page.
        rows: All rows.
        chunks: Name of the folder that holds the chunks, beside the page.
        chunk_size: Trajectories of a chunk.
    """
    # A page from a file has no origin that 'self' could name. 'strict-dynamic' lets the page's own script,
    # and nothing else, load more scripts: the chunks.
    return _render(
        title,
        {"source": "folder", "rows": rows, "chunks": chunks, "chunk_size": chunk_size},
        policy=f"default-src 'none'; img-src 'self' file: data:; script-src '{script_hash()}' "
        f"'strict-dynamic'; {_COMMON}; trusted-types chunks",
    )


def live_page(title: str) -> str:
    """The page that asks its server for everything; `LIVE_POLICY` goes with it as a header.

    Args:
        title: Heading of the page.
    """
    return _render(title, {"source": "live", "rows": []}, policy=None)


def image_type(data: bytes) -> str | None:
    """The media type of encoded bytes, or None for a format that no `EncodedImage` has."""
    return next((kind for magic, kind in IMAGE_TYPES if data.startswith(magic)), None)


def _render(title: str, run: dict[str, Any], *, policy: str | None, **parts: Any) -> str:
    nothing: dict[str, Any] = {"extra": "", "vocabulary": {}, "details": [], "images": {}}
    return (
        templates()
        .get_template("page.html.jinja")
        .render(
            title=title,
            run=run,
            policy=policy and Markup(policy),
            style=Markup(style()),
            script=Markup(script()),
            **(nothing | parts),
        )
    )


def _data_uri(image: EncodedImage) -> str:
    kind = image_type(image.data) or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(image.data).decode()}"
