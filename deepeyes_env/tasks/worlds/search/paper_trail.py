"""Search: read a letter, a deed or a cutting, and look up what it does not say."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Skill, Task
from deepeyes_env.tasks.worlds.drawing import desk
from deepeyes_env.tasks.worlds.drawing.document import paint_document
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.answers import answer_for
from deepeyes_env.tasks.worlds.fictional.documents import Document, DocumentKind, write_document
from deepeyes_env.tasks.worlds.fictional.facts import Thing, followed, key_of
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns
from deepeyes_env.tasks.worlds.search.trails import Trail, end_of

WIDTH, HEIGHT = 896, 672

KINDS: tuple[DocumentKind, ...] = ("letter", "deed", "cutting")

QUESTIONS: dict[tuple[str, Trail], str] = {
    ("person", ("birthplace",)): "In which town was the person named in this document born?",
    ("person", ("died_on",)): "On which day, month and year did the person named in this document die?",
    (
        "company",
        ("founded_on",),
    ): "On which day, month and year was the company named in this document founded?",
    ("company", ("workers",)): (
        "How many workers did the company named in this document employ at its height?"
    ),
    ("town", ("population",)): "How many inhabitants has the town named in this document?",
    ("town", ("landmark_height",)): "How high, in metres, is the tower of the town named in this document?",
    ("person", ("birthplace", "elevation")): (
        "How many metres above the sea lies the birthplace of the person named in this document?"
    ),
    ("person", ("birthplace", "landmark_opened")): (
        "In which year was the tower opened that stands in the birthplace of the person named in this "
        "document?"
    ),
    ("person", ("teacher", "birthplace")): (
        "In which town was the teacher of the person named in this document born?"
    ),
    ("company", ("rival", "founded")): (
        "In which year was the rival of the company named in this document founded?"
    ),
    ("company", ("rival", "founder")): "Who founded the rival of the company named in this document?",
    ("person", ("teacher", "birthplace", "population")): (
        "How many inhabitants has the town where the teacher of the person named in this document was born?"
    ),
    ("person", ("teacher", "birthplace", "landmark_height")): (
        "How high, in metres, is the tower of the town where the teacher of the person named in this "
        "document was born?"
    ),
    ("company", ("rival", "founder", "birthplace")): (
        "In which town was the founder of the rival of the company named in this document born?"
    ),
    ("company", ("rival", "founder", "died_on")): (
        "On which day, month and year did the founder of the rival of the company named in this document die?"
    ),
}
"""Which of the three that a document names, and the facts to follow from there -> the question."""


def photograph_document(document: Document, letters: float, rng: random.Random) -> EncodedImage:
    """The sheet on a desk; `letters` is its width as a share of the picture's."""
    canvas = desk.desk(WIDTH, HEIGHT, rng)
    width, height = WIDTH * letters, HEIGHT * min(0.94, letters * 1.08)
    x, y = WIDTH * 0.06 + width / 2 + rng.uniform(-12, 12), HEIGHT / 2 + rng.uniform(-6, 6)
    free = (x + width / 2 + WIDTH) / 2
    desk.inkwell(canvas, free, HEIGHT * rng.uniform(0.14, 0.2), 78, rng)
    desk.coins(canvas, free, HEIGHT * rng.uniform(0.8, 0.86), 36, rng)
    paint_document(
        canvas, document.kind, document.heading, document.paragraphs, document.signature,
        x, y, width, height, rng,
    )  # fmt: skip
    desk.pen(canvas, free + 16, HEIGHT * rng.uniform(0.42, 0.56), 180, rng)
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.08, 0.2)), rng.randint(80, 90))


class PaperTrail:
    """In which town was the person who signed this letter born?"""

    name = "paper-trail"
    skills = frozenset({Skill.SEARCH})
    tools = frozenset({"search"})
    knobs: Mapping[str, Knob] = {
        "hops": Knob(1, 3, "pages to follow from what the document names"),
        "sheet": Knob(
            0.78, 0.62, "width of the sheet as a share of the picture's; its letters shrink with it"
        ),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A document about a company, its founder and a town, and what it does not say."""
        about, steps = rng.choice([each for each in QUESTIONS if len(each[1]) == knobs["hops"]])
        kind = rng.choice(KINDS)
        return _plan(world, _document(rng, world, kind, about, steps), about, steps, knobs["sheet"])

    def oracle(self, task: Task) -> Oracle:
        """Read the name, then one search for each step."""
        found = yield from lookup.follow(task.metadata["subject"], task.metadata["steps"])
        yield turns.answer("That is the end of the trail.", found or turns.UNKNOWN)


def _subject(world: World, document: Document, about: str) -> Thing:
    return world.named[{"person": document.person, "company": document.company, "town": document.town}[about]]


def _document(rng: random.Random, world: World, kind: DocumentKind, about: str, steps: Trail) -> Document:
    while True:
        company, town = rng.choice(world.companies), rng.choice(world.towns)
        document = write_document(rng, kind, town, world.person_named[company.founder], company)
        if followed(world, _subject(world, document, about), steps) is not None:
            return document


def _plan(world: World, document: Document, about: str, steps: Trail, sheet: float) -> Plan:
    subject = _subject(world, document, about)

    def twin(rng: random.Random) -> Plan:
        return _plan(world, _document(rng, world, document.kind, about, steps), about, steps, sheet)

    return Plan(
        key=key_of(subject),
        question=QUESTIONS[about, steps],
        answer=answer_for(steps[-1], end_of(world, subject, steps)),
        draw=lambda rng: (photograph_document(document, sheet, rng),),
        twin=twin,
        metadata={"subject": subject.name, "steps": list(steps)},
    )


PAPER_TRAIL = PaperTrail()
