"""All three skills: cut two emblems out of a street, find their owners by image, reckon with their facts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.shop_street import Shop, line_up, paint_shops
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, recognition
from deepeyes_env.tasks.worlds.oracles.shop_boards import find_boards


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of question; `fact` is a key of `lookup.FACTS`, `formula` Python source for two facts."""

    fact: str
    wording: str
    formula: str
    unit: str


QUESTIONS = (
    Question(
        "founded",
        "How many years lie between the founding of the company whose emblem hangs above {0} and that of the"
        " company whose emblem hangs above {1}?",
        "abs({0} - {1})",
        "years",
    ),
    Question(
        "workers",
        "How many workers did the company whose emblem hangs above {0} and the company whose emblem hangs"
        " above {1} employ together, each at its height?",
        "{0} + {1}",
        "workers",
    ),
)


class StreetEmblems:
    """How many years lie between the foundings of the owners of two emblems in a street?"""

    name = "street-emblems"
    skills = frozenset(Skill)
    tools = frozenset({"code", "image_search", "search"})
    knobs: Mapping[str, Knob] = {
        "shops": Knob(3, 6, "shops in the street"),
        "board": Knob(112, 76, "side of the emblems' boards in pixels"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A street and two of its emblems."""
        companies = rng.sample(world.companies, int(knobs["shops"]))
        shops = line_up(rng, [company.emblem for company in companies])
        asked = rng.sample(range(len(shops)), 2)
        named = [name_door(rng, shops, place) for place in asked]
        return _plan(rng.randrange(len(QUESTIONS)), shops, companies, asked, named, knobs["board"], world)

    def oracle(self, task: Task) -> Oracle:
        """Find the two boards, search by image with each, look both companies up, reckon."""
        doors, kind = task.metadata["doors"], QUESTIONS[task.metadata["kind"]]
        boxes = yield from recognition.find_boxes(find_boards(doors), "Where do the two boards hang?")
        owners, known, facts = task.metadata["owners"], False, None
        if boxes is not None:
            things = [f"the emblem above the {door} door" for door in doors]
            titles = [f"Emblem of {owner}" for owner in owners]
            known = yield from recognition.recognise_each(boxes, things, titles)
        if known:
            facts = yield from arithmetic.look_up_each((owner, kind.fact) for owner in owners)
        if facts is None:
            yield from arithmetic.give_up("I cannot tell whose emblems these are, or what the pages say.")
            return
        yield from arithmetic.answer_with(kind.formula.format(*facts))


def name_door(rng: random.Random, shops: list[Shop], place: int) -> str:
    """A door by its colour, or by its neighbour's."""
    ways = [f"the {shops[place].door} door"]
    if place > 0:
        ways.append(f"the door just to the right of the {shops[place - 1].door} one")
    if place < len(shops) - 1:
        ways.append(f"the door just to the left of the {shops[place + 1].door} one")
    return rng.choice(ways)


def photograph(shops: list[Shop], board: float, rng: random.Random) -> EncodedImage:
    """The street; `board` is the side of a board in pixels."""
    return as_jpeg(daylight(paint_shops(shops, board, rng), rng), rng.randint(84, 92))


def _plan(
    number: int,
    shops: list[Shop],
    companies: list[Company],
    asked: list[int],
    named: list[str],
    board: float,
    world: World,
) -> Plan:
    kind, (first, second) = QUESTIONS[number], (companies[place] for place in asked)

    def twin(rng: random.Random) -> Plan:
        other = rng.choice([each for each in world.companies if each not in companies])
        return _plan(
            number,
            [replace(shop, emblem=other.emblem) if shop.emblem == first.emblem else shop for shop in shops],
            [other if company is first else company for company in companies],
            asked,
            named,
            board,
            world,
        )

    result = abs(first.founded - second.founded) if kind.fact == "founded" else first.workers + second.workers
    return Plan(
        key=f"company/{first.name}",
        further_keys=(f"company/{second.name}",),
        question=kind.wording.format(*named),
        answer=Answer(str(result), unit=kind.unit),
        draw=lambda rng: (photograph(shops, board, rng),),
        twin=twin,
        metadata={
            "kind": number,
            "doors": [shops[place].door for place in asked],
            "owners": [first.name, second.name],
        },
    )


STREET_EMBLEMS = StreetEmblems()
