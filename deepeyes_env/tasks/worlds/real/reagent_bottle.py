"""All three skills: read a tiny formula on a bottle, look up its elements' weights, add them up."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, gradient, mix, text_width
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.real.facts import Facts
from deepeyes_env.tasks.worlds.real.lookup import look_up

WIDTH, HEIGHT = 1120, 700
SHELF = 600
"""Row on which the bottles stand."""

CATIONS = {
    "Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Ag": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cu": 2,
    "Ni": 2, "Co": 2, "Mn": 2, "Cd": 2, "Pb": 2, "Fe": 3, "Al": 3, "Cr": 3, "Ce": 3, "La": 3,
}  # fmt: skip
"""Metal -> the usual charge of its ion."""

ANIONS = {
    (("F", 1),): 1,
    (("Cl", 1),): 1,
    (("Br", 1),): 1,
    (("I", 1),): 1,
    (("O", 1),): 2,
    (("S", 1),): 2,
    (("N", 1), ("O", 3)): 1,
    (("S", 1), ("O", 4)): 2,
    (("C", 1), ("O", 3)): 2,
    (("P", 1), ("O", 4)): 3,
    (("Cl", 1), ("O", 3)): 1,
    (("Mo", 1), ("O", 4)): 2,
    (("W", 1), ("O", 4)): 2,
    (("Se", 1), ("O", 4)): 2,
}
"""Elements of an anion with their counts -> its charge."""

CAPS = {"red": "#c22f2f", "blue": "#2a56b5", "green": "#2f8f4f", "yellow": "#e6bd2b", "purple": "#7b44a3"}
"""Colours of the caps."""

GLASSES = ("#6b3f1d", "#5d3a20", "#75481f")

TOLERANCE = 0.005
"""Relative error that counts as right: weights rounded to a tenth."""


@dataclass(frozen=True, slots=True)
class Salt:
    """A salt: one metal, and an anion of one or two elements."""

    metal: str
    anion: tuple[tuple[str, int], ...]

    @property
    def counts(self) -> tuple[int, int]:
        """Metal ions and anions in the formula."""
        plus, minus = CATIONS[self.metal], ANIONS[self.anion]
        shared = gcd(plus, minus)
        return minus // shared, plus // shared

    @property
    def atoms(self) -> tuple[tuple[str, int], ...]:
        """Elements and their numbers in the formula."""
        metals, anions = self.counts
        return (self.metal, metals), *((symbol, count * anions) for symbol, count in self.anion)

    @property
    def parts(self) -> tuple[tuple[str, bool], ...]:
        """The formula as it is written: pieces of text, and whether each is a subscript."""
        metals, anions = self.counts
        inner = [piece for symbol, count in self.anion for piece in _piece(symbol, count)]
        if len(self.anion) == 1:
            inner = _piece(self.anion[0][0], anions)
        elif anions > 1:
            inner = [("(", False), *inner, *_piece(")", anions)]
        return tuple(piece for piece in (*_piece(self.metal, metals), *inner) if piece[0])

    @property
    def formula(self) -> str:
        """The formula on one line."""
        return "".join(text for text, _ in self.parts)


def weight(salt: Salt, facts: Facts) -> float:
    """Grams a mole."""
    weights = {element.symbol: element.weight for element in facts.elements}
    return sum(weights[symbol] * count for symbol, count in salt.atoms)


def photograph(bottles: tuple[tuple[str, Salt], ...], letters: float, rng: random.Random) -> EncodedImage:
    """A shelf of brown bottles."""
    canvas = Canvas(WIDTH, HEIGHT, gradient(HEIGHT, "#d9d4c8", "#b9b2a2"))
    for row in range(60, SHELF, 110):
        canvas.line([(0, row), (WIDTH, row)], "#c9c2b3", 2)
    canvas.rectangle(0, SHELF, WIDTH, SHELF + 34, "#8a6642", "#5f4529", 2)
    canvas.rectangle(0, SHELF + 34, WIDTH, HEIGHT, "#6f6354")
    step = WIDTH / len(bottles)
    for place, (cap, salt) in enumerate(bottles):
        _bottle(canvas, step * (place + 0.5) + rng.uniform(-14, 14), cap, salt, letters, rng)
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.1, 0.25)), rng.randint(84, 92))


def _bottle(canvas: Canvas, x: float, cap: str, salt: Salt, letters: float, rng: random.Random) -> None:
    half, top, glass = rng.uniform(66, 78), SHELF - rng.uniform(310, 350), rng.choice(GLASSES)
    shoulder = top + 90
    body: list[Point] = [
        (x - half, SHELF),
        (x - half, shoulder + 26),
        (x - 27, shoulder - 22),
        (x - 27, top + 20),
    ]
    outline = [*body, *((2 * x - px, py) for px, py in reversed(body))]
    canvas.polygon([(px + 9, min(py + 4, SHELF)) for px, py in outline], "black", alpha=0.2)
    canvas.polygon(outline, glass, mix(glass, "black", 0.45), 2)
    canvas.rectangle(x - half + 10, shoulder + 40, x - half + 20, SHELF - 16, "white", alpha=0.25)
    canvas.rectangle(x - 36, top - 28, x + 36, top + 28, CAPS[cap], mix(CAPS[cap], "black", 0.4), 2)
    for ridge in range(-28, 29, 8):
        canvas.line([(x + ridge, top - 22), (x + ridge, top + 22)], mix(CAPS[cap], "black", 0.2), 2)
    canvas.rectangle(x - half, shoulder + 62, x + half, SHELF - 62, "#f3eddc")
    canvas.rectangle(x - half, shoulder + 62, x + half, shoulder + 84, "#3c3a36")
    canvas.text(x, shoulder + 73, "REAGENT", 13, "#f3eddc", "bold")
    _formula(canvas, x, shoulder + 122, salt, letters)
    canvas.text(x, SHELF - 80, f"lot {rng.randrange(1000, 9999)}", 9, "#7a7466", "mono")


def _formula(canvas: Canvas, x: float, y: float, salt: Salt, letters: float) -> None:
    sizes = [letters * (0.72 if low else 1.0) for _, low in salt.parts]
    wide = sum(text_width(text, size) for (text, _), size in zip(salt.parts, sizes, strict=True))
    pen = x - wide / 2
    for (text, low), size in zip(salt.parts, sizes, strict=True):
        canvas.text(pen, y + (letters * 0.32 if low else 0), text, size, "#26241f", align="left")
        pen += text_width(text, size)


def _piece(symbol: str, count: int) -> list[tuple[str, bool]]:
    return [(symbol, False), (str(count) if count > 1 else "", True)]


FIND = """
cap = mask_of(image_1, {colour}, tolerance=0.06, brightest=1.5)
blob = max(blobs_of(cap[::2, ::2]), key=len) * 2
x, y = blob[:, 1].mean(), blob[:, 0].mean()
wide, high = image_1.width * 0.07, image_1.height
"""
"""Finds a cap by its colour; the label is below."""


class ReagentBottle:
    """What is the molar mass of the compound in the bottle with the red cap?"""

    name = "reagent-bottle"
    skills = frozenset(Skill)
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "bottles": Knob(3, 5, "bottles on the shelf"),
        "letters": Knob(18, 12, "height of the formula in pixels per em"),
    }

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """Bottles of different salts, and one of them."""
        caps = rng.sample(list(CAPS), int(knobs["bottles"]))
        return _plan(tuple((cap, _any(rng)) for cap in caps), rng.choice(caps), knobs["letters"], world)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge the label, look up every element, add up."""
        program = (
            sight.MASK_OF + sight.BLOBS_OF + FIND.format(colour=sight.channels(CAPS[task.metadata["cap"]]))
        )
        program += sight.show_crop("(x - wide, y + high * 0.2, x + wide, y + high * 0.4)", zoom=4)
        seen = yield turns.code("The formula is small. Let me enlarge the label.", program)
        terms = []
        for symbol, name, count in task.metadata["atoms"] if seen.images else ():
            query = f"{name} chemical element atomic weight"
            found = yield from look_up(query, f"(symbol {symbol})", "weight")
            if found is None:
                yield turns.answer("One of the weights is missing.", turns.UNKNOWN)
                return
            terms.append(f"{found[0]} * {count}")
        if not terms:
            yield turns.answer("I cannot read the formula.", turns.UNKNOWN)
            return
        seen = yield turns.code("Now add them up.", f"print(round({' + '.join(terms)}, 2))")
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"Together they weigh {value}.", value)


def _any(rng: random.Random) -> Salt:
    return Salt(rng.choice(list(CATIONS)), rng.choice(list(ANIONS)))


def _plan(bottles: tuple[tuple[str, Salt], ...], cap: str, letters: float, facts: Facts) -> Plan:
    salt = dict(bottles)[cap]
    names = {element.symbol: element.name for element in facts.elements}

    def twin(rng: random.Random) -> Plan:
        other = _any(rng)
        changed = tuple((one, other if one == cap else kept) for one, kept in bottles)
        return _plan(changed, cap, letters, facts)

    return Plan(
        key=f"salt/{salt.formula}",
        question=f"What is the molar mass, in g/mol, of the compound in the bottle with the {cap} cap?",
        answer=Answer(f"{weight(salt, facts):.2f}", tolerance=TOLERANCE, unit="g/mol"),
        draw=lambda rng: (photograph(bottles, letters, rng),),
        twin=twin,
        metadata={
            "cap": cap,
            "formula": salt.formula,
            "atoms": [[symbol, names[symbol], count] for symbol, count in salt.atoms],
        },
    )


REAGENT_BOTTLE = ReagentBottle()
