"""A task as the stages see it: what they compare, count and choose by, without its pictures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deepeyes_env.task import Task
from trainers.curation.keys import canonical
from trainers.curation.pictures import Look, look
from trainers.curation.recipe import combination

NUMBER_CHARS = 13
"""Hexadecimal characters of a task's number: 52 bits, which a page's script still holds exactly. Among
100,000 tasks two share one with a probability of a millionth."""


@dataclass(frozen=True, slots=True)
class Card:
    """One task.

    Attributes:
        index: Its index in the source.
        digest: Hash of everything that the task is; names it in all stages.
        id: Its id.
        question: Its question.
        answer: Its reference answer.
        family: Its family.
        skills: What it needs, sorted.
        looks: Its pictures.
    """

    index: int
    digest: str
    id: str
    question: str
    answer: str
    family: str
    skills: tuple[str, ...]
    looks: tuple[Look, ...]

    @property
    def number(self) -> int:
        """What the task's draws are named by (`SeedLineage.prompt`): the same wherever the task stands."""
        return int(self.digest[:NUMBER_CHARS], 16)

    @property
    def combination(self) -> str:
        """Its skills as one name."""
        return combination(self.skills)

    def to_record(self) -> dict[str, Any]:
        """The card in what JSON knows."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Card:
        """The card of a record."""
        looks = tuple(Look(**one) for one in record["looks"])
        return cls(**{**record, "skills": tuple(record["skills"]), "looks": looks})


class CardMaker:
    """Makes cards; a task that a source holds twice to the letter gets two digests."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def card(self, task: Task, index: int) -> Card:
        """The card of the task at `index`; decodes its pictures."""
        content = _digest(task)
        repeated = self._seen[content]
        self._seen[content] += 1
        digest = hashlib.sha256(f"{content}/{repeated}".encode()).hexdigest() if repeated else content
        return Card(
            index=index,
            digest=digest,
            id=task.id,
            question=task.question,
            answer=task.answer.text,
            family=task.family,
            skills=tuple(sorted(map(str, task.skills))),
            looks=tuple(look(image.decode()) for image in task.images),
        )


def _digest(task: Task) -> str:
    content = {
        "id": task.id,
        "question": task.question,
        "images": [image.sha256 for image in task.images],
        "answer": task.answer,
        "skills": frozenset(map(str, task.skills)),
        "family": task.family,
        "system_prompt": task.system_prompt,
    }
    return hashlib.sha256(canonical(content)).hexdigest()
