"""A page of a local corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deepeyes_env.images import EncodedImage


@dataclass(frozen=True, slots=True)
class Page:
    """One page; its place in the corpus breaks ties.

    Attributes:
        title: Title.
        url: Address.
        body: Plain text.
        date: Publication date as text, or None.
        picture: Gives the page's picture when it is first looked at; None for a page without one.
        id: What the corpus calls the page; empty where its place is its only name.
    """

    title: str
    url: str
    body: str
    date: str | None = None
    picture: Callable[[], EncodedImage] | None = None
    id: str = ""
