"""All three skills: measure a bar, read the tiny name beside it, look up a number, divide."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, turns

WIDTH, HEIGHT = 1120, 812
LEFT, RIGHT, TOP, BOTTOM = 250, 1050, 170, 690
"""The plot's box in pixels."""

INKS = ("#2f6f9f", "#b8543a", "#3f8f66", "#7d5aa0", "#c08a1e", "#1f8a92")
PAPERS = ("#fdfcf8", "#f8f3e6", "#f3f5f6", "#fbf6f0")

RANKS = {
    "longest": -1,
    "second longest": -2,
    "third longest": -3,
    "shortest": 0,
    "second shortest": 1,
}
"""How a bar is named, and its place among all bars by length."""

GRIDLINES = 5

LEVELS = 50
"""Lengths are whole fiftieths of the plot: 16 pixels, so that two bars differ visibly."""

LEAST_LEVEL = 12
"""Shortest bar; below it a pixel would be more than half a per cent."""

TOLERANCE = 0.02
"""Relative error that counts as right: two pixels of the shorter bars and the answer's rounding."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the bars stand for.

    Attributes:
        entity: `town` or `company`; the first part of keys.
        fact: Key of the number in `lookup.FACTS`.
        heads: The number is taken for so many.
        steps: What a gridline may stand for.
        wares: What is counted.
        wording: With `{ware}` and `{rank}`.
    """

    entity: str
    fact: str
    heads: int
    steps: tuple[int, ...]
    wares: tuple[str, ...]
    wording: str


SUBJECTS = (
    Subject(
        "town",
        "population",
        1000,
        (1000, 2000, 4000, 5000),
        ("umbrellas", "lanterns", "barometers", "kettles", "globes", "padlocks", "sundials", "inkwells"),
        "Look at the town with the {rank} bar. How many {ware} does the chart show for every 1,000"
        " inhabitants that the last census counted there? Give one decimal.",
    ),
    Subject(
        "company",
        "workers",
        1,
        (2000, 5000, 8000, 10000),
        ("crates", "parcels", "orders", "barrels", "cartons"),
        "Look at the company with the {rank} bar. How many {ware} does the chart show for each of the workers"
        " that the company employed at its height? Give one decimal.",
    ),
)


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart; `step` is what a gridline stands for, `levels` are lengths in `LEVELS` of the plot."""

    subject: int
    ware: str
    year: int
    names: tuple[str, ...]
    levels: tuple[int, ...]
    step: int


def invent(rng: random.Random, world: World, count: int) -> Chart:
    """A chart of some towns or companies."""
    number = rng.randrange(len(SUBJECTS))
    return Chart(
        subject=number,
        ware=rng.choice(SUBJECTS[number].wares),
        year=rng.randint(1902, 1938),
        names=tuple(rng.sample(list(_heads(SUBJECTS[number], world)), count)),
        levels=tuple(rng.sample(range(LEAST_LEVEL, LEVELS), count)),
        step=rng.choice(SUBJECTS[number].steps),
    )


def _heads(subject: Subject, world: World) -> dict[str, int]:
    if subject.entity == "town":
        return {town.name: town.population for town in world.towns}
    return {company.name: company.workers for company in world.companies}


def paint(chart: Chart, letters: float, rng: random.Random) -> EncodedImage:
    """The chart as printed, photographed; `letters` is the size of the names in pixels per em."""
    paper, ink = rng.choice(PAPERS), rng.choice(INKS)
    canvas = Canvas(WIDTH, HEIGHT, paper)
    body, bold = rng.choice((("serif", "serif-bold"), ("sans", "bold")))
    grey, dark = mix(paper, "#20252b", 0.6), "#262a30"
    entity = SUBJECTS[chart.subject].entity
    head = f"{chart.ware.capitalize()} {'sold' if entity == 'town' else 'shipped'}, {chart.year}"
    canvas.text(60, 62, head, 34, dark, bold, align="left")
    canvas.text(60, 106, f"by {entity}", 20, grey, body, align="left")
    canvas.rectangle(60, 128, 60 + rng.uniform(60, 150), 132, ink)
    step = (RIGHT - LEFT) / GRIDLINES
    for line in range(GRIDLINES + 1):
        x = LEFT + step * line
        canvas.line(
            [(x, TOP), (x, BOTTOM)],
            dark if line == 0 else mix(paper, "#20252b", 0.2),
            1.6 if line == 0 else 1,
        )
        canvas.text(x, BOTTOM + 26, f"{line * chart.step:,}", 17, grey, body)
    pitch, share = (BOTTOM - TOP) / len(chart.names), rng.uniform(0.5, 0.72)
    for place, (name, level) in enumerate(zip(chart.names, chart.levels, strict=True)):
        y = TOP + pitch * (place + 0.5)
        end = LEFT + (RIGHT - LEFT) * level / LEVELS
        canvas.rectangle(LEFT + 1, y - pitch * share / 2, end, y + pitch * share / 2, ink)
        canvas.text(LEFT - 10, y, name, letters, dark, body, align="right")
    canvas.text(60, HEIGHT - 40, f"Trade Almanac, table {rng.randint(3, 89)}", 14, grey, body, align="left")
    canvas.text(WIDTH - 60, HEIGHT - 40, str(rng.randint(11, 480)), 14, grey, body, align="right")
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.03, 0.1)), rng.randint(86, 94))


MEASURE = """
pixels = np.asarray(image_1.convert("RGB"), dtype=int)
height, width = pixels.shape[:2]
left, top, right, bottom = {box}
rows = slice(int(top * height), int(bottom * height))
start, end = left * width, right * width
colourful = np.ptp(pixels, axis=2)[rows, int(start + 3):] > 45
bars = np.flatnonzero(colourful[:, :int(width * 0.05)].mean(1) > 0.5)
groups = np.split(bars, np.flatnonzero(np.diff(bars) > 3) + 1)
lengths = [int(start + 3) + np.median(colourful[group].sum(1)) - start for group in groups]
place = int(np.argsort(lengths)[{rank}])
middle = top * height + groups[place].mean()
half = (bottom - top) * height / len(groups) * 0.5
axis = image_1.crop((int(start - 30), int(bottom * height), int(width), int(bottom * height + 0.06 * height)))
axis.show()
label = image_1.crop((0, int(middle - half), int(start), int(middle + half)))
label.resize((label.width * 3, label.height * 3)).show()
print(round(float(lengths[place] / (end - start)), 4))
"""
"""Measures the bars, shows the axis and the name beside the bar that is asked about."""


class ChartPerHead:
    """How many umbrellas for every 1,000 inhabitants does the second-longest bar stand for?"""

    name = "chart-per-head"
    skills = frozenset(Skill)
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "bars": Knob(5, 14, "bars in the chart"),
        "letters": Knob(14, 10, "size of the names in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A chart and one of its bars, named by its rank."""
        return _plan(invent(rng, world, int(knobs["bars"])), rng.choice(list(RANKS)), knobs["letters"], world)

    def oracle(self, task: Task) -> Oracle:
        """Measure the bars, read axis and name, search, divide."""
        name, rank = task.metadata["name"], task.metadata["rank"]
        box = (LEFT / WIDTH, TOP / HEIGHT, RIGHT / WIDTH, BOTTOM / HEIGHT)
        program = "import numpy as np\n" + MEASURE.format(box=box, rank=RANKS[rank])
        seen = yield turns.code(f"I measure all bars and look at the {rank} one.", program)
        length = turns.printed(seen) if seen.images else None
        subject = SUBJECTS[task.metadata["subject"]]
        facts = None
        if length is not None:
            facts = yield from arithmetic.look_up_each([(name, subject.fact)])
        if facts is None:
            yield from arithmetic.give_up("Without length and number I cannot divide.")
            return
        amount = f"{length} * {task.metadata['axis']}"
        yield from arithmetic.answer_with(f"round({amount} / ({facts[0]} / {subject.heads}), 1)")


def _plan(chart: Chart, rank: str, letters: float, world: World) -> Plan:
    subject = SUBJECTS[chart.subject]
    place = chart.levels.index(sorted(chart.levels)[RANKS[rank]])
    name, heads = chart.names[place], _heads(subject, world)

    def twin(rng: random.Random) -> Plan:
        other = rng.choice([each for each in heads if each != name])
        # A split may own so few names that the other one stands in the chart: then they change places.
        swap = {name: other, other: name}
        changed = tuple(swap.get(each, each) for each in chart.names)
        return _plan(replace(chart, names=changed), rank, letters, world)

    amount = chart.levels[place] / LEVELS * chart.step * GRIDLINES
    return Plan(
        key=f"{subject.entity}/{name}",
        question=subject.wording.format(ware=chart.ware, rank=rank),
        answer=Answer(f"{amount / (heads[name] / subject.heads):.1f}", tolerance=TOLERANCE, unit=chart.ware),
        draw=lambda rng: (paint(chart, letters, rng),),
        twin=twin,
        metadata={
            "subject": chart.subject,
            "rank": rank,
            "name": name,
            "axis": chart.step * GRIDLINES,
        },
    )


CHART_PER_HEAD = ChartPerHead()
