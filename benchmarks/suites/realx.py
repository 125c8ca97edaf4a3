"""RealX-Bench: perception, search and reasoning in photographs (DeepEyesV2, arXiv 2511.05271, section 4).

Source: `glowol/RealXBench` (`query, answer, perception, search, reason, image`; README at 002f872, read in a
stored copy). The whole commit hash and the name of its split could not be looked up.
Licence: Apache-2.0 (README). The README calls the three ability columns difficulty levels but gives them as
1 where the ability is needed and 0 where not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.suites.metrics import accuracies
from benchmarks.suites.row import Row, flag, image, text
from benchmarks.suites.rules_first import rules_alone
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="realx",
    title="RealX-Bench (public 194)",
    releases=(Release("glowol/RealXBench", "train"),),
    licence="Apache-2.0",
    size=194,
    metric="accuracy by an LLM judge, for each ability and for items that need all three; rules first here",
    paper="arXiv 2511.05271",
    traps=(
        "194 of the paper's 300 items are public: figures on 194 and on 300 are not comparable.",
        "`answer` joins alternatives by the word `or`, which an answer may hold itself: each part is "
        "accepted, and the judge is shown the whole.",
        "The paper's judge and prompt are not released; nor is its search.",
        "95 % intervals at 194 items are 6 to 7 points to either side.",
    ),
)

ABILITIES = {"perception": Skill.PERCEPTION, "reason": Skill.REASONING, "search": Skill.SEARCH}
"""Column -> ability."""

_OR = re.compile(r"\s+or\s+", re.IGNORECASE)


def read(row: Row) -> Item:
    """One item; its category names its abilities, `perception+search`."""
    needed = [column for column in ABILITIES if flag(row, column)]
    whole = text(row, "answer")
    name = f"realx/{row.number}"
    task = Task(
        id=name,
        question=text(row, "query"),
        images=(image(row, "image"),),
        answer=Answer(whole, aliases=_alternatives(whole)),
        skills=frozenset(ABILITIES[column] for column in needed),
        family="realx",
    )
    return Item(task, category="+".join(needed), cluster=name)


def _alternatives(whole: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in _OR.split(whole) if part.strip())
    return parts if len(parts) > 1 else ()


def official(item: Item, answer: str) -> float | None:
    """1 or 0 where a rule decides, None where the judge has to."""
    return rules_alone(answer, item.task.answer)


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Accuracy over all items, over those that need an ability, and over those that need all three."""
    return accuracies(marked, lambda one: _groups(one.item))


def _groups(item: Item) -> Iterator[str]:
    for column, skill in ABILITIES.items():
        if skill in item.task.skills:
            yield column
    if len(item.task.skills) == len(ABILITIES):
        yield "integration"


SUITE = Suite(CARD, read, official, summarise)
