"""`deepeyes search`: make a corpus searchable, and try it."""

from __future__ import annotations

from functools import partial

from deepeyes_env.parts import run_part

PARTS = {
    "index": ("deepeyes_env.search.index_command", "make or update the index of a corpus"),
    "query": ("deepeyes_env.search.query_command", "search an index"),
}
"""Modules and what they say, by name."""

main = partial(run_part, "search", PARTS)
"""Run the part that is named first."""
