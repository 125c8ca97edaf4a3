"""Reasoning: work out what a torn or blotted receipt no longer says, or which of its lines is wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import paper
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.paper import Sheet
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 784, 924

GOODS = (
    ("Lamp oil", 185),
    ("Tallow candle", 40),
    ("Rye loaf", 115),
    ("Barley sugar", 65),
    ("Black tea", 340),
    ("Copper nail", 25),
    ("Hemp rope", 275),
    ("Blue ink", 160),
    ("Letter paper", 90),
    ("Wax seal", 55),
    ("Smoked herring", 145),
    ("Cider vinegar", 120),
    ("Linen thread", 70),
    ("Honey jar", 425),
    ("Goose quill", 35),
    ("Soap bar", 105),
    ("Tin kettle", 890),
    ("Wool socks", 360),
)
"""What shops sell, and about what it costs in hundredths of a crown."""

FINDS = ("total", "change", "overcharge", "price")
"""What is asked: the total torn off, the change blotted, by how much a line is wrong, a price blotted."""

WORDINGS = {
    "total": (
        "The foot of this receipt is torn off. What total, tax included, must have stood there, in crowns?",
        "What did the customer have to pay in all, in crowns, with the tax that the receipt names?",
    ),
    "change": (
        "A blot covers the total and the change. How many crowns did the customer get back?",
        "How much change, in crowns, must the customer have been given?",
    ),
    "overcharge": (
        "One amount is not its quantity times its price. By how many crowns is that line wrong?",
        "The shop made one mistake in multiplying. How large is it, in crowns?",
    ),
    "price": (
        "One price and its amount are blotted. What did a single piece of that article cost, in crowns?",
        "What must the price of one piece have been where the blot is, in crowns?",
    ),
}

TAXES = (0, 4, 8, 12, 16, 20)
"""Percent on top of the sum; prices end in 0 or 5, so the tax never comes to half a hundredth."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a receipt; money is in hundredths of a crown. `slip` is what its amount is wrong by."""

    name: str
    count: int
    price: int
    slip: int = 0

    @property
    def amount(self) -> int:
        """As printed."""
        return self.count * self.price + self.slip


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt; `place` is the line that is asked about if one is, `size` the letters' in pixels per em."""

    shop: str
    date: str
    lines: tuple[Line, ...]
    tax: int
    cash: int
    find: str
    place: int
    size: float

    @property
    def total(self) -> int:
        """With tax, rounded to a hundredth."""
        return round(sum(line.amount for line in self.lines) * (100 + self.tax) / 100)

    @property
    def found(self) -> int:
        """The answer in hundredths."""
        return {
            "total": self.total,
            "change": self.cash - self.total,
            "overcharge": abs(self.lines[self.place].slip),
            "price": self.lines[self.place].price,
        }[self.find]

    @property
    def formula(self) -> str:
        """The answer over `counts`, `prices`, `amounts`, `tax`, `cash` and `total`, where legible."""
        due = "sum(c * p for c, p in zip(counts, prices)) * (100 + tax) / 100"
        return {
            "total": due,
            "change": f"cash - round({due})",
            "overcharge": "max(abs(c * p - a) for c, p, a in zip(counts, prices, amounts))",
            "price": f"(total - sum(amounts)) / {self.lines[self.place].count}",
        }[self.find]


def draw_facts(rng: random.Random, world: World, count: int, size: float) -> Receipt:
    """A receipt with `count` lines, and what is asked of it."""
    find, place = rng.choice(FINDS), rng.randrange(count)
    lines = [_line(rng, name, usual) for name, usual in rng.sample(GOODS, count)]
    if find == "overcharge":
        lines[place] = replace(lines[place], slip=rng.choice((-1, 1)) * 5 * rng.randint(1, 30))
    receipt = Receipt(
        shop=f"{rng.choice(world.people).name.split()[-1]}'s General Store",
        date=f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.{rng.randint(1860, 1935)}",
        lines=tuple(lines),
        tax=rng.choice(TAXES[1:]) if find == "total" else 0 if find == "price" else rng.choice(TAXES),
        cash=0,
        find=find,
        place=place,
        size=size,
    )
    return replace(receipt, cash=-(-receipt.total // 500) * 500 + rng.choice((0, 500, 1000)))


def _line(rng: random.Random, name: str, usual: int) -> Line:
    return Line(name, rng.randint(2, 9), 5 * round(usual * rng.uniform(0.7, 1.4) / 5))


def paint(receipt: Receipt, rng: random.Random) -> EncodedImage:
    """The receipt on a table."""
    canvas = paper.table_top(WIDTH, HEIGHT, rng)
    paper.coins(canvas, rng)
    size = receipt.size
    pitch = size * 1.75
    wide, head = size * 29, size * 8.5
    foot = head + pitch * len(receipt.lines)
    high = foot + size * 11
    colour = rng.choice(("#f6f2e6", "#fbfaf6", "#f1ead8", "#eef0ea"))
    sheet = Sheet(WIDTH / 2, HEIGHT / 2, wide, high, rng.uniform(-5, 5), colour)
    paper.lay(canvas, sheet, rng, torn=foot + size * 3.2 if receipt.find == "total" else None)
    ink, font = rng.choice(("#2a2c33", "#2b2f52", "#3a2f2a")), rng.choice(("mono", "sans", "serif"))
    paper.write(canvas, sheet, wide / 2, size * 2.2, receipt.shop, size * 1.35, ink, "serif-bold", "centre")
    paper.write(canvas, sheet, wide / 2, size * 4.3, receipt.date, size * 0.9, ink, font, "centre")
    columns = {"name": size * 1.6, "count": wide * 0.55, "price": wide * 0.74, "amount": wide - size * 1.6}
    for title, across in columns.items():
        text = {"name": "Article", "count": "No."}.get(title, title.capitalize())
        align = "left" if title == "name" else "right"
        paper.write(canvas, sheet, across, size * 6.6, text, size * 0.8, mix(ink, colour, 0.3), font, align)
    paper.rule(canvas, sheet, size * 7.4, size, wide - size, ink, 1.2)
    for place, line in enumerate(receipt.lines):
        row = head + pitch * place
        paper.write(canvas, sheet, columns["name"], row, line.name, size, ink, font)
        paper.write(canvas, sheet, columns["count"], row, str(line.count), size, ink, font, "right")
        paper.write(canvas, sheet, columns["price"], row, crowns(line.price), size, ink, font, "right")
        if receipt.find in ("overcharge", "price"):
            paper.write(canvas, sheet, columns["amount"], row, crowns(line.amount), size, ink, font, "right")
    paper.rule(canvas, sheet, foot - size * 0.4, size, wide - size, ink, 1.2)
    for place, (label, text) in enumerate(_foot(receipt)):
        row = foot + size * 1.2 + pitch * place
        paper.write(canvas, sheet, columns["name"], row, label, size, ink, font)
        paper.write(canvas, sheet, columns["amount"], row, text, size, ink, font, "right")
    _blot(canvas, sheet, receipt, head + pitch * receipt.place, foot + size * 1.2 + pitch, rng)
    return as_jpeg(daylight(canvas, rng, shade=0.16), rng.randint(84, 92))


def _foot(receipt: Receipt) -> list[tuple[str, str]]:
    """Labels and figures below the lines."""
    tax = f"Tax of {receipt.tax} % on top" if receipt.tax else "Free of tax"
    if receipt.find == "total":
        return [(tax, "")]
    rows = [(tax, ""), ("Total", crowns(receipt.total)), ("Cash", crowns(receipt.cash))]
    if receipt.find == "overcharge":
        return rows[:1]
    return [*rows, ("Change", crowns(receipt.cash - receipt.total))] if receipt.find == "change" else rows[:2]


def _blot(
    canvas: Canvas, sheet: Sheet, receipt: Receipt, line: float, total: float, rng: random.Random
) -> None:
    """Blots over what is asked for."""
    size, colour = receipt.size, rng.choice(("#2c3566", "#4a2f1f", "#23262b"))
    spots = {
        "change": [(sheet.width - size * 3.1, total), (sheet.width - size * 3.1, total + size * 3.5)],
        "price": [(sheet.width * 0.74 - size * 1.3, line), (sheet.width - size * 3.1, line)],
    }
    for across, down in spots.get(receipt.find, []):
        paper.blot(canvas, *sheet.at(across, down), size * 2.1, size * 0.85, colour, rng)
    paper.cup_ring(canvas, sheet, rng)


def crowns(hundredths: int) -> str:
    """Money as printed."""
    return f"{hundredths / 100:.2f}"


class ReceiptSum:
    """What total must have stood on the torn receipt?"""

    name = "receipt"
    skills = frozenset({Skill.REASONING, Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "lines": Knob(3, 11, "lines of the receipt"),
        "letters": Knob(22, 15, "height of its letters in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A receipt and what is asked of it."""
        receipt = draw_facts(rng, world, int(knobs["lines"]), knobs["letters"])
        return _plan(receipt, rng.randrange(2))

    def oracle(self, task: Task) -> Oracle:
        """Read the receipt enlarged, then calculate."""
        look = sight.show_crop("(0, 0, image_1.width, image_1.height)", zoom=2)
        seen = yield turns.code("Let me enlarge the receipt to read it.", look)
        if not seen.images:
            yield turns.answer("I cannot read the receipt.", turns.UNKNOWN)
            return
        legible, formula = task.metadata["legible"], task.metadata["formula"]
        program = "\n".join(f"{name} = {value!r}" for name, value in legible.items())
        program += f'\nprint(f"{{({formula}) / 100:.2f}}")'
        seen = yield turns.code("Now the sum, in hundredths of a crown.", program)
        found = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"That makes {found} crowns.", found)


def _plan(receipt: Receipt, wording: int) -> Plan:
    def twin(rng: random.Random) -> Plan:
        place = (
            receipt.place if receipt.find in ("overcharge", "price") else rng.randrange(len(receipt.lines))
        )
        line = receipt.lines[place]
        if receipt.find == "overcharge":
            line = replace(line, slip=rng.choice((-1, 1)) * 5 * rng.randint(1, 30))
        elif receipt.find == "price":
            line = replace(line, price=max(5, line.price + 5 * rng.randint(-12, 12)))
        else:
            line = replace(line, count=rng.randint(2, 9))
        changed = replace(receipt, lines=(*receipt.lines[:place], line, *receipt.lines[place + 1 :]))
        good = changed.total <= changed.cash or receipt.find in ("total", "overcharge")
        return _plan(changed if good and line.amount > 0 else receipt, wording)

    others = [line for place, line in enumerate(receipt.lines) if place != receipt.place]
    shown = others if receipt.find == "price" else receipt.lines
    return Plan(
        key=f"receipt/{receipt.shop}/{receipt.date}/{[line.name for line in receipt.lines]}",
        question=WORDINGS[receipt.find][wording],
        # Who does not round a tax to a hundredth is right too; the next hundredth is not.
        answer=Answer(crowns(receipt.found), tolerance=0.5 / max(receipt.found, 1), unit="crowns"),
        draw=lambda rng: (paint(receipt, rng),),
        twin=twin,
        metadata={
            "legible": {
                "counts": [line.count for line in shown],
                "prices": [line.price for line in shown],
                "amounts": [line.amount for line in shown],
                "tax": receipt.tax,
                "cash": receipt.cash,
                "total": receipt.total if receipt.find == "price" else None,
            },
            "formula": receipt.formula,
        },
    )


RECEIPT = ReceiptSum()
