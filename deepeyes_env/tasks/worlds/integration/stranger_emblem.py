"""All three skills, and sometimes no answer: an emblem that nobody bears, or a year that nobody recorded."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, draw_emblem_facts, visible
from deepeyes_env.tasks.worlds.drawing.shop_street import Shop, line_up
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.facts import NOT_RECORDED
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.integration.street_emblems import name_door, photograph
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, recognition, turns
from deepeyes_env.tasks.worlds.oracles.shop_boards import find_boards

NOBODY = "nobody bears it"
"""The right answer where the encyclopaedia knows no such emblem."""

ALIASES = {
    NOBODY: (
        "nobody",
        "nobody bears this emblem",
        "no company bears it",
        "no company",
        "no such company",
        "it belongs to no company in the encyclopaedia",
        "cannot be determined: nobody bears it",
    ),
    NOT_RECORDED: (
        "it is not recorded",
        "the year is not recorded",
        "no record",
        "unrecorded",
        "cannot be determined: not recorded",
    ),
}

CHANCES = {"answerable": 0.76, NOBODY: 0.12, NOT_RECORDED: 0.12}
"""A quarter of the tasks has no answer, in two kinds so that neither is worth guessing."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """The emblem above the door asked about, and whose it is; None: nobody's."""

    emblem: Emblem
    company: Company | None

    @property
    def answer(self) -> str:
        """What is right to say."""
        if self.company is None:
            return NOBODY
        if self.company.closed is None:
            return NOT_RECORDED
        return str(self.company.closed - self.company.founded)


def draw_bearer(rng: random.Random, world: World, shown: list[Company]) -> Bearer:
    """A company that is not among `shown`, or an emblem that nobody bears."""
    outcome = rng.choices(list(CHANCES), list(CHANCES.values()))[0]
    if outcome == NOBODY:
        return Bearer(_strange_emblem(rng, world), None)
    left = [each for each in world.companies if each not in shown]
    company = rng.choice([each for each in left if (each.closed is None) == (outcome == NOT_RECORDED)])
    return Bearer(company.emblem, company)


def _strange_emblem(rng: random.Random, world: World) -> Emblem:
    # Unlike every known one in at least three things, so that no look-alike can be meant.
    while True:
        emblem = draw_emblem_facts(rng)
        if all(_differences(emblem, company.emblem) >= LEAST_DIFFERENCES for company in world.companies):
            return emblem


LEAST_DIFFERENCES = 3
"""A near-duplicate differs in one thing."""


def _differences(one: Emblem, other: Emblem) -> int:
    return (
        (one.outline != other.outline)
        + (one.division != other.division)
        + (one.charge != other.charge)
        + ({one.field, visible(one).second} != {other.field, visible(other).second})
        + (one.tincture != other.tincture)
        + (one.count != other.count)
    )


class StrangerEmblem:
    """For how many years did the company with the emblem above the red door exist, if that can be told?"""

    name = "stranger-emblem"
    skills = frozenset(Skill)
    tools = frozenset({"code", "image_search", "search"})
    knobs: Mapping[str, Knob] = {
        "shops": Knob(3, 6, "shops in the street"),
        "board": Knob(112, 76, "side of the emblems' boards in pixels"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A street and one of its emblems."""
        others = rng.sample(world.companies, int(knobs["shops"]) - 1)
        bearer, place = draw_bearer(rng, world, others), rng.randrange(len(others) + 1)
        emblems = [company.emblem for company in others]
        shops = line_up(rng, [*emblems[:place], bearer.emblem, *emblems[place:]])
        return _plan(shops, place, name_door(rng, shops, place), bearer, others, knobs["board"], world)

    def oracle(self, task: Task) -> Oracle:
        """Find the board, search by image, compare what came with it, look both years up, subtract."""
        door, owner = task.metadata["door"], task.metadata["owner"]
        program = find_boards([door])
        boxes = yield from recognition.find_boxes(
            program, f"Where does the board above the {door} door hang?"
        )
        titles = None
        if boxes is not None:
            titles = yield from recognition.recognise(boxes[0], f"the emblem above the {door} door")
        if titles is None:
            yield from arithmetic.give_up("I could not search for this emblem.")
            return
        if owner is None:
            # Whether two emblems are the same is for eyes to say; their pictures came with the titles.
            seen = yield turns.search(
                "None of these is the same emblem. I look once more.", "emblem registered"
            )
            nothing = turns.UNKNOWN if not turns.passages(seen) else NOBODY
            yield turns.answer("No emblem in the encyclopaedia is this one.", nothing)
            return
        years = None
        if f"Emblem of {owner}" in titles:
            years = yield from arithmetic.look_up_each([(owner, "founded"), (owner, "closed")])
        if years is None:
            yield from arithmetic.give_up("I could not look the company up.")
        elif years[1] == NOT_RECORDED:
            yield turns.answer("Its page says that the year of its closing is not recorded.", NOT_RECORDED)
        else:
            yield from arithmetic.answer_with(f"{years[1]} - {years[0]}")


def _plan(
    shops: list[Shop],
    place: int,
    named: str,
    bearer: Bearer,
    others: list[Company],
    board: float,
    world: World,
) -> Plan:
    owner = bearer.company.name if bearer.company is not None else None

    def twin(rng: random.Random) -> Plan:
        other = draw_bearer(rng, world, others)
        changed = [*shops[:place], replace(shops[place], emblem=other.emblem), *shops[place + 1 :]]
        return _plan(changed, place, named, other, others, board, world)

    return Plan(
        key=f"company/{owner}" if owner is not None else f"emblem/{bearer.emblem}",
        question=(
            f"For how many years did the works of the company whose emblem hangs above {named} exist, from"
            " the year of its founding to the year of its closing? If no company in the encyclopaedia bears"
            f" that emblem, answer: {NOBODY}. If its page says that one of the years is not on record,"
            f" answer: {NOT_RECORDED}."
        ),
        answer=Answer(
            bearer.answer,
            aliases=ALIASES.get(bearer.answer, ()),
            unit=None if bearer.answer in ALIASES else "years",
        ),
        draw=lambda rng: (photograph(shops, board, rng),),
        twin=twin,
        metadata={"door": shops[place].door, "owner": owner},
    )


STRANGER_EMBLEM = StrangerEmblem()
