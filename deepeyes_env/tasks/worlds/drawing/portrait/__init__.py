"""Portraits of people: billions of faces, and siblings look alike."""

from __future__ import annotations

from deepeyes_env.tasks.worlds.drawing.portrait.facts import ASPECT, Portrait, draw_portrait_facts, sibling_of
from deepeyes_env.tasks.worlds.drawing.portrait.painting import paint_portrait

__all__ = ["ASPECT", "Portrait", "draw_portrait_facts", "paint_portrait", "sibling_of"]
