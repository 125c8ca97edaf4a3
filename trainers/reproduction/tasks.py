"""The microcosm's tasks: three skills, and of each a family that a tiny model can learn in minutes.

* perception: the quickstart's pair, `closer-look` (needs a crop) and `at-a-glance` (needs nothing);
* reasoning: `card-sum`, "What is the last digit of 7 times the digit on the red card plus 5?": a tiny model
  reads the digit and can write the sum as code, but not work it out in its head;
* search: `stone-digit`, "What digit is on boundary stone oak fox?": one look-up in a gazetteer of hundreds of
  stones, whose digits follow from nothing but their page.

Every answer is one digit, so that a guess is right once in ten everywhere, and whatever must be copied is a
word or a digit: a tiny model copied numbers of two and three digits in the wrong order (369 as 396), even
when it had copied them rightly before its cold start (lab, seeds 0 and 100).

The fictional world's own search families show passages of some hundred words, too long to be read by a model
that learns in minutes; the gazetteer's pages are one sentence long.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.search.local.engine import LocalSearchEngine
from deepeyes_env.search.local.page import Page
from deepeyes_env.task import Answer, Skill, Split, Task, TaskSource
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks.worlds.perception import cards
from deepeyes_env.tasks.worlds.splits import split_by_hash

CARD_SUM, STONE_DIGIT = "card-sum", "stone-digit"

FAMILIES: dict[str, tuple[str, ...]] = {
    "perception": ("closer-look", "at-a-glance"),
    "reasoning": (CARD_SUM,),
    "search": (STONE_DIGIT,),
}
"""Families by skill."""

NEEDS_A_TOOL = frozenset({"closer-look", CARD_SUM, STONE_DIGIT})
"""Families that cannot be solved without one."""

FACTORS = (3, 7, 9)
"""What a digit is multiplied by: with each, all last digits are equally likely."""

TREES = (
    "ash",
    "beech",
    "birch",
    "cedar",
    "elm",
    "fir",
    "hazel",
    "larch",
    "lime",
    "maple",
    "oak",
    "pine",
    "plum",
    "rowan",
    "teak",
    "walnut",
    "willow",
    "yew",
)
ANIMALS = (
    "bee",
    "boar",
    "cat",
    "crow",
    "deer",
    "dog",
    "duck",
    "elk",
    "fox",
    "goat",
    "hare",
    "hen",
    "horse",
    "ibis",
    "lynx",
    "owl",
    "ram",
    "seal",
    "swan",
    "wolf",
)
"""A stone is named by one of each: 360 stones of a world. To know those of the training tasks by heart does
not help: the exam asks for others."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum with a digit that only the picture tells.

    Attributes:
        factor: What the digit is multiplied by, one of `FACTORS`.
        digit: The digit on the card.
        summand: What is added, from 0 to 9.
        colour: The card's colour.
    """

    factor: int
    digit: int
    summand: int
    colour: str

    @property
    def question(self) -> str:
        """The question's text."""
        return (
            f"What is the last digit of {self.factor} times the digit on the {self.colour} card "
            f"plus {self.summand}?"
        )

    @property
    def code(self) -> str:
        """The program that works it out."""
        return f"print(({self.factor}*{self.digit}+{self.summand})%10)"

    @property
    def result(self) -> int:
        """The answer."""
        return (self.factor * self.digit + self.summand) % 10


@dataclass(frozen=True, slots=True)
class Stone:
    """A boundary stone.

    Attributes:
        name: One of `TREES` and one of `ANIMALS`.
        digit: What is carved into it.
    """

    name: str
    digit: int

    @property
    def title(self) -> str:
        """What to search for."""
        return f"boundary stone {self.name}"

    @property
    def question(self) -> str:
        """The question's text."""
        return f"What digit is on {self.title}?"

    @property
    def page(self) -> Page:
        """Its page in the gazetteer."""
        address = f"https://gazetteer.example/{self.name.replace(' ', '-')}"
        return Page(self.title, address, f"The {self.title} carries the digit {self.digit}.")


class MicrocosmTasks:
    """Tasks of the chosen families in turn; the same family has the same tasks in every choice."""

    def __init__(self, seed: int, families: Sequence[str]) -> None:
        """Choose.

        Args:
            seed: Names the world.
            families: Names of families, at least one.
        """
        self.seed = seed
        self.families = tuple(families)
        self._cards: dict[str, TaskSource] = {
            name: FictionalWorld(seed, (name,)) for name in families if name in FAMILIES["perception"]
        }

    @property
    def name(self) -> str:
        """Name of the source; another choice of families is another source."""
        return f"microcosm-{self.seed}/{'+'.join(self.families)}"

    def size(self, split: Split) -> int | None:
        """None: there is no end of tasks."""
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        """The task at `index` of `split`."""
        number, turn = divmod(index, len(self.families))
        family = self.families[turn]
        if family in self._cards:
            return self._cards[family].task(number, split)
        name = f"microcosm-{self.seed}/{family}/{split}/{number}"
        rng = random.Random(name)
        return (_sum_task if family == CARD_SUM else _stone_task)(name, rng, self.seed, split)

    def search_engine(self) -> SearchEngine:
        """The gazetteer's search; all choices of one world share it."""
        return _gazetteer(self.seed)


@lru_cache(maxsize=4)
def stones(seed: int) -> tuple[Stone, ...]:
    """All boundary stones of a world, in order of their names."""
    rng = random.Random(f"stones/{seed}")
    return tuple(Stone(f"{tree} {animal}", rng.randrange(10)) for tree in TREES for animal in ANIMALS)


def random_stone(rng: random.Random) -> Stone:
    """Draw a name and a digit, of no world."""
    return Stone(f"{rng.choice(TREES)} {rng.choice(ANIMALS)}", rng.randrange(10))


def random_sum(rng: random.Random, digit: int, colour: str) -> Sum:
    """Draw factor and summand."""
    return Sum(rng.choice(FACTORS), digit, rng.randrange(10), colour)


def sum_of(task: Task) -> Sum:
    """The sum that a `card-sum` task asks for."""
    return Sum(**task.metadata["sum"])


def stone_of(task: Task) -> Stone:
    """The stone that a `stone-digit` task asks for."""
    return Stone(**task.metadata)


@lru_cache(maxsize=4)
def _gazetteer(seed: int) -> SearchEngine:
    return LocalSearchEngine(partial(_pages, seed))


def _pages(seed: int) -> tuple[Page, ...]:
    return tuple(stone.page for stone in stones(seed))


def _sum_task(name: str, rng: random.Random, seed: int, split: Split) -> Task:
    asked, picture = next(each for each in _sums(rng) if _owner(seed, each[0].code) == split)
    image = EncodedImage.from_pil(cards.paint(picture))
    facts: dict[str, Any] = {"sum": asdict(asked), "picture": asdict(picture)}
    return Task(
        name,
        asked.question,
        (image,),
        Answer(str(asked.result)),
        frozenset({Skill.REASONING}),
        CARD_SUM,
        metadata=facts,
    )


def _sums(rng: random.Random) -> Iterator[tuple[Sum, cards.CardPicture]]:
    while True:
        picture = cards.random_picture(rng, large=True)
        yield random_sum(rng, picture.digit, picture.colour), picture


def _stone_task(name: str, rng: random.Random, seed: int, split: Split) -> Task:
    stone = rng.choice([each for each in stones(seed) if _owner(seed, each.title) == split])
    return Task(
        name,
        stone.question,
        (),
        Answer(str(stone.digit)),
        frozenset({Skill.SEARCH}),
        STONE_DIGIT,
        metadata=asdict(stone),
    )


@lru_cache(maxsize=100_000)
def _owner(seed: int, key: str) -> Split:
    """The split that a sum or a stone belongs to, so that none is asked for in two splits."""
    return split_by_hash(f"microcosm-{seed}", key)
