"""What pages of every kind are written with."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.local.page import Page

ADDRESS = "https://encyclopaedia.example/wiki/"
"""Pages live below a name that RFC 2606 reserves, so that no address can exist."""


def page(
    rng: random.Random,
    title: str,
    sentences: Sequence[str],
    picture: Callable[[], EncodedImage] | None = None,
) -> Page:
    """A page of sentences, published on some day."""
    date = f"{rng.randint(2009, 2024)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    return Page(title, ADDRESS + title.replace(" ", "_"), " ".join(sentences), date, picture)


MIXED = 3
"""Asides among the facts; more would push a fact beyond what a hit shows of a page (600 characters)."""


def shuffled(rng: random.Random, facts: Sequence[str], asides: Sequence[str], most: int) -> list[str]:
    """All facts in any order with some asides among them, and more after them, at most `most` in all."""
    chosen = rng.sample(asides, min(most, len(asides)))
    sentences = [*facts, *chosen[:MIXED]]
    rng.shuffle(sentences)
    return [*sentences, *chosen[MIXED:]]


def listed(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def article(word: str) -> str:
    """`a` or `an`, and the word."""
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
