"""The front end: files under `front/`, joined as they are. No build step, no dependency."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

SCRIPTS = (
    "dom.js",
    "source.js",
    "rows.js",
    "state.js",
    "filters.js",
    "list.js",
    "highlight.js",
    "pieces.js",
    "tokens.js",
    "detail.js",
    "group.js",
    "zoom.js",
    "keys.js",
    "main.js",
)
"""In the order in which they use each other; together they are one function that runs at once."""

STYLES = ("base.css", "list.css", "detail.css", "tokens.css", "group.css", "dialogs.css")


@cache
def script() -> str:
    """The page's whole script."""
    parts = "\n".join(_read(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


@cache
def style() -> str:
    """The page's whole style sheet."""
    return "\n".join(_read(name) for name in STYLES)


def script_hash() -> str:
    """The script as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()


@cache
def templates() -> Environment:
    """Where the page's template is; everything put into it is escaped."""
    return Environment(
        loader=PackageLoader("agents.viewer", "front"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read(name: str) -> str:
    return resources.files("agents.viewer").joinpath("front", name).read_text(encoding="utf-8")
