"""All three skills: read a faded date and a signature, look up a day, count the days between."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.delivery_note import HEAD_BOX, SIGNATURE_BOX, Note, paint_note
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.dates import written
from deepeyes_env.tasks.worlds.fictional.world import Company, Person, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, sight, turns


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of question.

    Attributes:
        entity: `person` (who signed) or `company`.
        fact: Key of the day in `lookup.FACTS`.
        wording: The question.
        count: Counts from that day to the note's date.
        program: Python source that prints the count; `then` and `dated` are the two dates.
        unit: Unit of the answer.
    """

    entity: str
    fact: str
    wording: str
    count: Callable[[date, date], int]
    program: str
    unit: str


def full_years(then: date, dated: date) -> int:
    """Years completed from one day to another."""
    return dated.year - then.year - ((dated.month, dated.day) < (then.month, then.day))


QUESTIONS = (
    Question(
        "person",
        "born_on",
        "How many days old was the person who signed this delivery note on the day it is dated?",
        lambda then, dated: (dated - then).days,
        "print((dated - then).days)",
        "days",
    ),
    Question(
        "person",
        "born_on",
        "How old, in full years, was the person who signed this delivery note on the day it is dated?",
        full_years,
        "print(dated.year - then.year - ((dated.month, dated.day) < (then.month, then.day)))",
        "years",
    ),
    Question(
        "company",
        "founded_on",
        "How many days after the founding of the company on its letterhead is this delivery note dated?",
        lambda then, dated: (dated - then).days,
        "print((dated - then).days)",
        "days",
    ),
)


def draw_up(
    rng: random.Random, world: World
) -> tuple[Company, Person, date, tuple[tuple[int, str, int], ...]]:
    """A company, one who could sign for it, the day, and the goods."""
    company = rng.choice(world.companies)
    person = rng.choice([each for each in world.people if _signs(each, company)])
    articles = rng.sample(names.ARTICLES, rng.randint(5, 9))
    rows = tuple((rng.randint(2, 60), article, rng.randint(3, 90)) for article in articles)
    return company, person, _some_day(rng, company, person), rows


def _signs(person: Person, company: Company) -> bool:
    return person.name == company.founder or (
        person.born <= company.founded - 18 and person.died >= company.founded + 8
    )


def _some_day(rng: random.Random, company: Company, person: Person) -> date:
    last = min(person.died, company.founded + 30)
    return company.founded_on + timedelta(rng.randrange(40, max(80, (last - company.founded - 1) * 365)))


class DatedNote:
    """How many days old was the person who signed this note on the day it is dated?"""

    name = "dated-note"
    skills = frozenset(Skill)
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "letters": Knob(
            15, 11, "size of the date's letters in pixels per em; the signature is a quarter larger"
        ),
        "ink": Knob(0.8, 0.3, "darkness of date and signature as a share of fresh ink"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A delivery note and what is asked about its date."""
        company, person, dated, rows = draw_up(rng, world)
        note = Note(company.name, company.product, company.town, written(dated), person.name, rows)
        return _plan(rng.randrange(len(QUESTIONS)), note, company, person, dated, knobs)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge date and signature, search for the name, count the days in the sandbox."""
        kind = QUESTIONS[task.metadata["kind"]]
        program = "\n".join(sight.show_crop(_box(each), zoom=3) for each in (HEAD_BOX, SIGNATURE_BOX))
        seen = yield turns.code("Date and signature are small and faded. Let me enlarge them.", program)
        facts = None
        if seen.images:
            facts = yield from arithmetic.look_up_each([(task.metadata["subject"], kind.fact)])
        if facts is None:
            yield from arithmetic.give_up("One of the two dates is missing.")
            return
        program = DATES.format(then=facts[0], dated=task.metadata["date"]) + kind.program
        seen = yield turns.code("Now I count.", program)
        result = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"From {facts[0]} to {task.metadata['date']}: {result}.", result)


DATES = """
from datetime import datetime
then, dated = (datetime.strptime(text, "%d %B %Y").date() for text in ("{then}", "{dated}"))
"""
"""Defines the two dates."""


def _box(shares: tuple[float, float, float, float]) -> str:
    sides = ("width", "height", "width", "height")
    return (
        "(" + ", ".join(f"image_1.{side} * {share}" for side, share in zip(sides, shares, strict=True)) + ")"
    )


def _plan(number: int, note: Note, company: Company, person: Person, dated: date, knobs: Knobs) -> Plan:
    kind = QUESTIONS[number]
    subject, then = (
        (person.name, person.born_on) if kind.entity == "person" else (company.name, company.founded_on)
    )

    def twin(rng: random.Random) -> Plan:
        other = _some_day(rng, company, person)
        return _plan(number, replace(note, date=written(other)), company, person, other, knobs)

    def draw(rng: random.Random) -> tuple[EncodedImage, ...]:
        canvas = paint_note(note, knobs["letters"], knobs["ink"], rng)
        return (as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.1, 0.22)), rng.randint(84, 92)),)

    return Plan(
        key=f"{kind.entity}/{subject}",
        question=kind.wording,
        answer=Answer(str(kind.count(then, dated)), unit=kind.unit),
        draw=draw,
        twin=twin,
        metadata={"kind": number, "subject": subject, "date": note.date},
    )


DATED_NOTE = DatedNote()
