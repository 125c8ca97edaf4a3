"""The pages of a world: what search finds. Wordings vary, and near-duplicates stand side by side."""

from __future__ import annotations

from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pages import write_pages
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import (
    EMBLEM_SCALE,
    EMBLEM_SIDE,
    emblem_picture,
)

__all__ = ["EMBLEM_SCALE", "EMBLEM_SIDE", "emblem_picture", "write_pages"]
