"""Products: what companies sold, with the photograph from the catalogue."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date

from deepeyes_env.tasks.worlds.drawing.product import ProductLook, draw_product_facts
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.companies import Company
from deepeyes_env.tasks.worlds.fictional.dates import day_in

PRODUCT_KINDS = {
    "Lamps": "lantern",
    "Clockworks": "clock",
    "Instruments": "barometer",
    "Tea Company": "tin",
    "Biscuits": "tin",
    "Seed Merchants": "tin",
    "Porcelain": "teapot",
    "Ink Works": "bottle",
    "Glassworks": "bottle",
    "Mapmakers": "globe",
}
"""Trade -> what its catalogue photograph shows; other trades have none."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product.

    Attributes:
        name: Unique.
        company: Name of its maker.
        launched_on: The day on which it was first sold.
        price: Pence at first.
        weight: Grams.
        sold: Thousands sold in all.
        look: How it looks.
    """

    name: str
    company: str
    launched_on: date
    price: int
    weight: int
    sold: int
    look: ProductLook

    @property
    def launched(self) -> int:
        """Year in which it was first sold."""
        return self.launched_on.year


def launch_products(rng: random.Random, companies: tuple[Company, ...]) -> tuple[Product, ...]:
    """One product of every company whose trade can be photographed."""
    drawn: set[ProductLook] = set()
    products: list[Product] = []
    for company in companies:
        kind = PRODUCT_KINDS.get(company.trade)
        if kind is None:
            continue
        look = draw_product_facts(rng, kind)
        while look in drawn:
            look = draw_product_facts(rng, kind)
        drawn.add(look)
        stem = company.name.split()[0]
        name = f"{stem} {rng.choice(names.PRODUCT_NAMES)} {kind.capitalize()}"
        while any(product.name == name for product in products):
            name = f"{stem} {rng.choice(names.PRODUCT_NAMES)} {kind.capitalize()}"
        products.append(
            Product(
                name=name,
                company=company.name,
                launched_on=day_in(rng, company.founded + rng.randint(2, 40)),
                price=rng.randint(4, 960),
                weight=rng.randint(45, 6400),
                sold=rng.randint(3, 890),
                look=look,
            )
        )
    return tuple(products)
