"""Invented names. All lists are our own; none is meant to name a real place, person or company."""

from __future__ import annotations

import random
from collections.abc import Callable


def words(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


TOWN_STEMS = words(
    "Vell Ambar Corran Dun Eller Farrow Gald Hask Irren Jarl Kest Lorn Mard Nev Orr Pell Quill Rusk "
    "Sarn Tarv Umber Varn Wend Yar Zell Brin Cald Drae Ferrin Gwyn"
)
TOWN_ENDINGS = words("mouth ford haven wick stead bury holt mere gate fell combe ness")
RIVER_STEMS = words(
    "Aln Brae Cour Deln Esk Fyne Garr Hyle Isk Jorn Kell Lune Morl Naver Oss Perr Rhen Sill Tav Wyre"
)
REGIONS = words("Norrland Estmark Sundrey Caldermoor Wessay Thornia Hallowdale Karrick")

WOMEN = words(
    "Ada Beatrix Cecily Dagny Edda Fenna Greta Hester Ida Jessamy Katrin Leonie Maren Nell Odile "
    "Petra Rosalind Sabine Tamsin Ursel Wilma Zelda"
)
MEN = words(
    "Alaric Amias Bram Corin Dorian Elias Florian Gideon Hugo Ivo Joachim Konrad Lucan Matthis Nicol "
    "Oswin Piers Rufus Silas Tobias Valentin Winfred Yorick"
)
SURNAME_STEMS = words(
    "Ash Bell Corv Dray Elm Fenn Gar Hol Ing Jess Kirr Lang Merr Nor Oak Pav Quen Ros Stell Thar Ull "
    "Vend Wick Yew"
)
SURNAME_ENDINGS = words("well worth ane ridge more lock by sworth ell ander wright low")

TRADES = {
    "Instruments": "measuring instruments",
    "Lamps": "oil and gas lamps",
    "Clockworks": "clocks and watches",
    "Tea Company": "packed teas",
    "Bicycles": "bicycles",
    "Porcelain": "porcelain tableware",
    "Ropeworks": "ropes and nets",
    "Ink Works": "inks and dyes",
    "Biscuits": "biscuits",
    "Cutlery": "knives and scissors",
    "Mapmakers": "maps and globes",
    "Piano Works": "upright pianos",
    "Glassworks": "bottles and window glass",
    "Umbrellas": "umbrellas",
    "Seed Merchants": "garden seeds",
    "Boatyard": "fishing boats",
}
"""Last part of a company's name -> what it makes."""

PROFESSIONS = words("engineer chemist merchant watchmaker botanist sailor printer surveyor weaver physician")
ARTICLES = words(
    "Ledgers Sextants Teapots Lanterns Whistles Barometers Kettles Globes Bobbins Inkwells Sundials Padlocks"
)

GENUS_STEMS = words(
    "Aren Bolb Carin Dory Elytr Fulg Glyph Heli Isch Kall Lampr Mell Nycter Oread Pachy Rhin Sten "
    "Tetr Ument Xanth"
)
GENUS_ENDINGS = words("ella odes aria optera ina ops ura idium")
EPITHET_STEMS = words(
    "argent brunn carmin dent ember flav gracil horten lun marmor niv ocell pratin quadr rubr silv "
    "tenu umbr virid"
)
EPITHET_ENDINGS = words("ata ensis ifera osa alis ula")
EPITHETS_OF_COMMON_NAMES = words(
    "Ashen Banded Copper Dusky Frosted Gilded Hollow Ivory Marbled Ochre Painted Russet Silken Tawny Veiled"
)
COMMON_NAMES = {
    "butterfly": words("Bellwing Duskwing Lanternwing Sailwing Emberwing Mapwing"),
    "beetle": words("Clockbeetle Drumbeetle Shieldbeetle Sparkbeetle Mossbeetle Bellbeetle"),
    "flower": words("Starbell Moorcup Ferrybloom Candlewort Lanternwort Tidecup"),
}
"""Kind of species -> the last part of its English name."""

PRODUCT_NAMES = words(
    "Aurora Beacon Comet Duchess Evergreen Falcon Gloria Herald Imperial Jubilee Kestrel Laurel "
    "Monarch Nautilus Orion Pilgrim Regent Sovereign Trident Vesper"
)


def distinct(count: int, make: Callable[[], str]) -> list[str]:
    """Call `make` until it has given `count` different names.

    Args:
        count: How many are wanted.
        make: Draws one name.
    """
    names: dict[str, None] = {}
    while len(names) < count:
        names[make()] = None
    return list(names)


def town(rng: random.Random) -> str:
    """A town's name."""
    return _joined(rng.choice(TOWN_STEMS), rng.choice(TOWN_ENDINGS))


def first_name(rng: random.Random, woman: bool) -> str:
    """A first name."""
    return rng.choice(WOMEN if woman else MEN)


def species(rng: random.Random) -> str:
    """A Latin-like name of genus and species."""
    genus = rng.choice(GENUS_STEMS) + rng.choice(GENUS_ENDINGS)
    return f"{genus} {rng.choice(EPITHET_STEMS)}{rng.choice(EPITHET_ENDINGS)}"


def surname(rng: random.Random) -> str:
    """A family name."""
    return _joined(rng.choice(SURNAME_STEMS), rng.choice(SURNAME_ENDINGS))


def _joined(stem: str, ending: str) -> str:
    """One name; of three equal letters in a row, which nobody can count on a sign, one is left out."""
    return stem + ending.removeprefix(stem[-1]) if stem[-2:] == ending[0] * 2 else stem + ending
