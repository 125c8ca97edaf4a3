"""Pages about documents, with the sheet and its wording."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import written
from deepeyes_env.tasks.worlds.fictional.documents import Document
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import document_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import page


def write(rng: random.Random, document: Document) -> Page:
    """The page about a document."""
    kind = {"letter": "letter", "deed": "deed", "cutting": "cutting from a newspaper"}[document.kind]
    sentences = [
        f"This {kind} is dated {written(document.dated)} and was found in "
        f"{rng.choice(('an attic', 'a church chest', 'a desk', 'a tea tin'))}.",
        f"It names {document.person}, {document.company} and the town of {document.town}.",
        "It reads:",
        *document.paragraphs,
        f"The paper measures {rng.randint(140, 320)} by {rng.randint(140, 420)} mm.",
    ]
    return page(rng, document.name, sentences, partial(document_picture, document))
