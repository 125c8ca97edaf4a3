"""Pictures as pages show them. What a question's picture frames alike, an image search finds."""

from __future__ import annotations

import random

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing import artefact, document, portrait, product, regional_map, specimen
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas
from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, paint_emblem
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg
from deepeyes_env.tasks.worlds.drawing.regional_map import Place
from deepeyes_env.tasks.worlds.fictional.documents import Document
from deepeyes_env.tasks.worlds.fictional.towns import Town

EMBLEM_SIDE = 224
"""Side of an emblem's picture in pixels: 64 visual tokens. Other square pictures are as large."""

EMBLEM_SCALE = 0.86
"""Height of an emblem as a share of its picture; the questions' pictures frame it alike."""

QUALITY = 90
"""JPEG quality of the encyclopaedia's pictures."""

MAP_SIDE = 560
"""Side of a map in pixels: its smallest letters are 11 pixels per em."""

SHEET = (560, 448)
"""Width and height of a document's picture in pixels."""


def emblem_picture(emblem: Emblem) -> EncodedImage:
    """The picture on an emblem's page."""
    canvas = Canvas(EMBLEM_SIDE, EMBLEM_SIDE, "#faf7f0")
    paint_emblem(canvas, emblem, EMBLEM_SIDE / 2, EMBLEM_SIDE / 2, EMBLEM_SIDE * EMBLEM_SCALE)
    return as_jpeg(canvas.finish(), QUALITY)


def portrait_picture(look: portrait.Portrait) -> EncodedImage:
    """The painting in its mat."""
    height = round(EMBLEM_SIDE * portrait.ASPECT)
    canvas = Canvas(EMBLEM_SIDE, height, "#20180f")
    portrait.paint_portrait(canvas, look, EMBLEM_SIDE / 2, height / 2, EMBLEM_SIDE)
    return as_jpeg(canvas.finish(), QUALITY)


def specimen_picture(look: specimen.Specimen) -> EncodedImage:
    """The plate."""
    canvas = Canvas(EMBLEM_SIDE, EMBLEM_SIDE)
    specimen.paint_specimen(canvas, look, EMBLEM_SIDE / 2, EMBLEM_SIDE / 2, EMBLEM_SIDE)
    return as_jpeg(canvas.finish(), QUALITY)


def exhibit_picture(look: artefact.Vessel) -> EncodedImage:
    """The vessel on its plinth."""
    canvas = Canvas(EMBLEM_SIDE, EMBLEM_SIDE)
    artefact.paint_exhibit(canvas, look, EMBLEM_SIDE / 2, EMBLEM_SIDE / 2, EMBLEM_SIDE)
    return as_jpeg(canvas.finish(), QUALITY)


def product_picture(look: product.ProductLook) -> EncodedImage:
    """The photograph from the catalogue."""
    canvas = Canvas(EMBLEM_SIDE, EMBLEM_SIDE)
    product.paint_product(canvas, look, EMBLEM_SIDE / 2, EMBLEM_SIDE / 2, EMBLEM_SIDE)
    return as_jpeg(canvas.finish(), QUALITY)


def map_picture(region: str, towns: tuple[Town, ...]) -> EncodedImage:
    """The map of a region."""
    canvas = Canvas(MAP_SIDE, MAP_SIDE)
    places = [Place(town.name, town.east, town.north, town.river) for town in towns]
    regional_map.paint_regional_map(canvas, region, places, MAP_SIDE / 2, MAP_SIDE / 2, MAP_SIDE)
    return as_jpeg(canvas.finish(), QUALITY)


def document_picture(found: Document) -> EncodedImage:
    """A document on the archive's grey board."""
    width, height = SHEET
    canvas = Canvas(width, height, "#77746c")
    document.paint_document(
        canvas, found.kind, found.heading, found.paragraphs, found.signature,
        width / 2, height / 2, width * 0.94, height * 0.94, random.Random(f"sheet of {found.name}"),
    )  # fmt: skip
    return as_jpeg(canvas.finish(), QUALITY)
