"""Search over pages in memory or on disk: tantivy for text, perceptual hashes for pictures."""

from __future__ import annotations

from deepeyes_env.search.local.engine import LocalSearchEngine
from deepeyes_env.search.local.page import Page

__all__ = ["LocalSearchEngine", "Page"]
