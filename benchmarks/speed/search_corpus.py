"""A made-up corpus of any size, and questions whose passages are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepeyes_env.search.local.text import STOP_WORDS

VOCABULARY = 200_000
"""Different content words (`search-and-benchmarks` B.1, as everything here)."""

OFFSET = 2.7
"""Zipf-Mandelbrot's law with Mandelbrot's constants for English: the word of rank r has weight 1 / (r + 2.7).
The stop words have the first ranks, so the content words begin after them."""

SHORTEST, LONGEST = 40, 80
"""Words of a passage."""

STOP_SHARE = 0.4
"""Share of stop words in a passage."""

TITLE_WORDS = 3
QUERY_WORDS = (4, 7)
"""Content words of a query, which all are in one passage."""
QUERY_STOP_WORDS = 3

BATCH = 10_000
"""Passages drawn at once. It shapes the corpus: another number, other passages."""

_SYLLABLES = [
    consonant + vowel + end for consonant in "bdfgklmnprstvz" for vowel in "aeiou" for end in ("", "n", "r")
]


@dataclass(frozen=True, slots=True)
class Question:
    """A query, and the id of the passage that its words are from."""

    query: str
    id: str


def write_corpus(path: Path, count: int, questions: int, seed: int = 0) -> list[Question]:
    """Write `count` passages as JSON Lines in Search-R1's format; the same bytes for the same arguments.

    Args:
        path: The file.
        count: Passages.
        questions: How many questions to draw, each about a passage of its own, at most `count`.
        seed: Of the random numbers.

    Returns:
        The questions.
    """
    rng = np.random.default_rng(seed)
    content = np.array([_word(number) for number in range(VOCABULARY)])
    about = set(rng.choice(count, size=questions, replace=False).tolist())
    asked = []
    with path.open("w", encoding="utf-8") as file:
        for place, (title, body, words) in enumerate(_passages(rng, count, content)):
            line = {"id": str(place), "contents": f'"{" ".join(title)}"\n{" ".join(body)}'}
            file.write(json.dumps(line) + "\n")
            if place in about:
                asked.append(Question(_query(rng, words), str(place)))
    order = rng.permutation(len(asked))
    return [asked[place] for place in order]


def _passages(
    rng: np.random.Generator, count: int, content: npt.NDArray[np.str_]
) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Title, words, and content words of each passage."""
    stop_words = np.array(STOP_WORDS.split())
    ranks = 1 + len(stop_words) + np.arange(VOCABULARY)
    weights = np.cumsum(1 / (ranks + OFFSET))
    for start in range(0, count, BATCH):
        lengths = rng.integers(SHORTEST, LONGEST + 1, min(BATCH, count - start))
        total = int(lengths.sum())
        drawn = content[np.searchsorted(weights, rng.random(total) * weights[-1])]
        is_stop = rng.random(total) < STOP_SHARE
        words = np.where(is_stop, rng.choice(stop_words, total), drawn)
        stops = np.cumsum(lengths)
        for begin, end in zip(stops - lengths, stops, strict=True):
            own = drawn[begin:end][~is_stop[begin:end]].tolist()
            yield own[:TITLE_WORDS], words[begin:end].tolist(), own


def _query(rng: np.random.Generator, words: list[str]) -> str:
    different = list(dict.fromkeys(words))
    low, high = QUERY_WORDS
    chosen = rng.choice(different, min(int(rng.integers(low, high + 1)), len(different)), replace=False)
    return " ".join([*rng.choice(STOP_WORDS.split(), QUERY_STOP_WORDS), *chosen])


def _word(number: int) -> str:
    """A pronounceable word of three syllables, or four where the number is that large."""
    syllables = []
    for _ in range(3):
        number, syllable = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[syllable])
    return "".join(syllables) + (_SYLLABLES[number - 1] if number else "")
