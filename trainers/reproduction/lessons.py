"""What the tiny base can do before it learns of tools: see, as in the quickstart, and copy what it has read.

A released model finds a digit in a text, writes a sum down as Python and a query as JSON; one built from
scratch does not. So there are lessons about texts too, one question and one answer each: *formula* (a sum),
*name* (what a question asks about), *output* (what a program printed), *fact* (a digit in a sentence). No
tools, no episodes, none of the protocol's tags around a call, and facts of their own.

What is asked stands among idle words, now here and now there. Where it always stood in the same place, a
model learned the place: it copied, or read a digit, in every lesson and in no episode (lab, seed 0).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from agents.trajectory import Trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER, CodeOutput, TextHits, render_result
from deepeyes_env.search.base import Hit
from deepeyes_env.tasks.worlds.perception import cards
from trainers.quickstart.visual_pretraining import VIEW, draw_lessons, lesson
from trainers.reproduction.tasks import random_stone, random_sum

READING_SHARE = 0.5
"""Share of lessons about texts among those that are drawn; the others are the quickstart's about pictures.
How often each is learned from, `curriculum` decides."""

IDLE_WORDS = ("What", "is", "the", "on", "me", "let", "look", "closer", "It", "can", "read")
"""Idle words: words of the tasks, and so single tokens of the tiny vocabulary, that ask about nothing. With
colours among them it was unclear which card was meant, and a model did not learn to point (lab, seed 0).
"""

IDLE_BEFORE, IDLE_AFTER = 6, 20
"""Most idle words before and after what is asked about. In an episode some 20 tokens of reasoning and tags
stand between a question and what is copied from it; with up to 6 words half of the digits were wrong (lab).
"""

Drawn = tuple[str, str, tuple[EncodedImage, ...]]
"""Question, answer and pictures."""


def draw_base_lessons(
    count: int, seed: int, vocabulary: Vocabulary, *, stream: str = "lessons"
) -> list[Trajectory]:
    """Draw lessons of both kinds, mixed.

    Args:
        count: How many.
        seed: Fixes them.
        vocabulary: Encodes them.
        stream: Another stream gives other lessons.
    """
    rng = random.Random(f"texts/{stream}/{seed}")
    texts = [
        _reading(rng, vocabulary, f"{stream}/texts/{number}")
        for number in range(round(count * READING_SHARE))
    ]
    pictures = draw_lessons(count - len(texts), seed, vocabulary, stream=stream, worded=_among)
    mixed = pictures + texts
    rng.shuffle(mixed)
    return mixed


def _reading(rng: random.Random, vocabulary: Vocabulary, name: str) -> Trajectory:
    kind = rng.choice(tuple(KINDS))
    question, answer, views = KINDS[kind](rng)
    return lesson(vocabulary, name=name, kind=kind, question=question, answer=answer, views=views)


def _among(rng: random.Random, text: str, request: str = "") -> str:
    """A text among idle words, and what is asked about it."""
    return " ".join(filter(None, (_idle(rng, IDLE_BEFORE), text, _idle(rng, IDLE_AFTER), request)))


def _idle(rng: random.Random, most: int) -> str:
    return " ".join(rng.choices(IDLE_WORDS, k=rng.randrange(most + 1)))


def _formula(rng: random.Random) -> Drawn:
    picture = cards.random_picture(rng, large=True)
    asked = random_sum(rng, picture.digit, picture.colour)
    view = EncodedImage.from_pil(cards.paint(picture).resize((VIEW, VIEW)))
    return (
        f"{IMAGE_MARKER}\n{_among(rng, asked.question, 'In Python:')}",
        f"```python\n{asked.code}\n```",
        (view,),
    )


def _output(rng: random.Random) -> Drawn:
    digit = rng.randrange(10)
    return _among(rng, render_result(CodeOutput(f"{digit}\n"))), f"<answer>{digit}</answer>", ()


def _name(rng: random.Random) -> Drawn:
    stone = random_stone(rng)
    return (
        _among(rng, stone.question, "Search for:"),
        json.dumps({"name": "search", "arguments": {"query": stone.title}}),
        (),
    )


def _fact(rng: random.Random) -> Drawn:
    stone = random_stone(rng)
    page = stone.page
    hits = (Hit(1, page.title, page.url, page.body),)
    return _among(rng, render_result(TextHits(stone.title, hits))), f"<answer>{stone.digit}</answer>", ()


KINDS: dict[str, Callable[[random.Random], Drawn]] = {
    "formula": _formula,
    "output": _output,
    "name": _name,
    "fact": _fact,
}
"""Kinds of lessons about texts, in equal shares."""
