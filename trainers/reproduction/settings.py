"""The environment of the microcosm: the quickstart's, with search."""

from __future__ import annotations

from dataclasses import replace

from trainers.quickstart import ENV as QUICKSTART
from trainers.quickstart import SLOTS

__all__ = ["ENV", "SLOTS"]

ENV = replace(QUICKSTART, tools=frozenset({"code", "search"}), search_hits=1)
"""One hit: the gazetteer's best page is the right one."""
