"""Invented names. All lists are our own; none is meant to name a real place, person or company."""

from __future__ import annotations

import random
from collections.abc import Callable


def words(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


TOWN_STEMS = words(
    "Vell Ambar Corran Dun Eller Farrow Gald Hask Irren Jarl Kest Lorn Mard Nev Orr Pell Quill Rusk Sarn "
    "Tarv Umber Varn Wend Yar Zell Brin Cald Drae Ferrin Gwyn"
)
TOWN_ENDINGS = words("mouth ford haven wick stead bury holt mere gate fell combe ness")
RIVER_STEMS = words(
    "Aln Brae Cour Deln Esk Fyne Garr Hyle Isk Jorn Kell Lune Morl Naver Oss Perr Rhen Sill Tav Wyre"
)
REGIONS = words("Norrland Estmark Sundrey Caldermoor Wessay Thornia Hallowdale Karrick")

FIRST_NAMES = words(
    "Ada Alaric Amias Beatrix Bram Cecily Corin Dagny Dorian Edda Elias Fenna Florian Greta Gideon Hester "
    "Hugo Ida Ivo Jessamy Joachim Katrin Konrad Leonie Lucan Maren Matthis Nell Nicol Odile Oswin Petra "
    "Piers Rosalind Rufus Sabine Silas Tamsin Tobias Ursel Valentin Wilma Winfred Yorick Zelda"
)
SURNAME_STEMS = words(
    "Ash Bell Corv Dray Elm Fenn Gar Hol Ing Jess Kirr Lang Merr Nor Oak Pav Quen Ros Stell Thar Ull Vend "
    "Wick Yew"
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
    return rng.choice(TOWN_STEMS) + rng.choice(TOWN_ENDINGS)


def surname(rng: random.Random) -> str:
    """A family name."""
    return rng.choice(SURNAME_STEMS) + rng.choice(SURNAME_ENDINGS)
