"""What families share that show a thing and ask for a fact: search by image, then by the name found."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Skill, Task
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.answers import answer_for
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED, Thing, facts_of, key_of
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, turns

T = TypeVar("T", bound=Thing)

ALIKE = Knob(0.1, 0.9, "share of questions about things of which a near-duplicate exists")
SHADE = Knob(0.06, 0.26, "brightness lost at the darkest edge of the photograph, as a share")


def identify_and_look_up(task: Task) -> Oracle:
    """The oracle of every question for one fact of what a picture shows: `task.metadata["fact"]`."""
    subject = yield from lookup.identify()
    if subject is None:
        yield turns.answer("Nothing like it was found.", turns.UNKNOWN)
        return
    found = yield from lookup.look_up(subject, task.metadata["fact"])
    yield turns.answer(f"The page about {subject} says so.", found or turns.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PictureFact(Generic[T]):
    """A family: what a picture shows, and one of its facts.

    Attributes:
        name: The family's name.
        questions: Fact -> the question that asks for it.
        things: What there is to show.
        has_double: Whether another thing looks almost like it.
        photograph: Draws a thing; the light is so uneven.
        skills: As a family names them.
        tools: As a family names them.
        knobs: As a family names them.
    """

    name: str
    questions: Mapping[str, str]
    things: Callable[[World], Sequence[T]]
    has_double: Callable[[T, World], bool]
    photograph: Callable[[T, float, random.Random], EncodedImage]
    skills: frozenset[Skill] = frozenset({Skill.SEARCH})
    tools: frozenset[str] = frozenset({"image_search", "search"})
    knobs: Mapping[str, Knob] = field(default_factory=lambda: {"alike": ALIKE, "shade": SHADE})

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A thing and one of its facts."""
        asked = rng.choice(list(self.questions))
        wants_double = rng.random() < knobs["alike"]
        while True:
            thing = self._any(rng, world, asked)
            if self.has_double(thing, world) == wants_double:
                return self._plan(world, thing, asked, knobs["shade"])

    def oracle(self, task: Task) -> Oracle:
        """Search by image, then by the name that was found."""
        return identify_and_look_up(task)

    def _plan(self, world: World, thing: T, asked: str, shade: float) -> Plan:
        def twin(rng: random.Random) -> Plan:
            return self._plan(world, self._any(rng, world, asked), asked, shade)

        return Plan(
            key=key_of(thing),
            question=self.questions[asked],
            answer=answer_for(asked, facts_of(thing)[asked]),
            draw=lambda rng: (self.photograph(thing, shade, rng),),
            twin=twin,
            metadata={"subject": thing.name, "fact": asked},
        )

    def _any(self, rng: random.Random, world: World, asked: str) -> T:
        while True:
            thing = rng.choice(self.things(world))
            if facts_of(thing).get(asked, NOT_RECORDED) != NOT_RECORDED:
                return thing
