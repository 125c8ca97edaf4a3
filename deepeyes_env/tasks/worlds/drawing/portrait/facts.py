"""What there is to a portrait: features, clothes and the painting itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

ASPECT = 1.25
"""Height of a portrait over its width."""

SKINS = ("#f2d3b8", "#e8bf9d", "#d9a77e", "#b98056", "#8a5a3a", "#62402a")
HAIRS = ("#2a211c", "#4a3122", "#7a4a26", "#a8662c", "#c99a52", "#dcc38a", "#8d8a86", "#dad6cf")
COATS = ("#2b2f3a", "#5a1f28", "#1f4436", "#27406b", "#6b4a2a", "#48305a", "#8a7a5c", "#3c3c3c")
BACKDROPS = ("#5b4a3a", "#2f3f45", "#71543a", "#46523f", "#6a3f3a", "#3b3a52", "#8a7f6a", "#50655f")
MATS = ("#3a2a20", "#1f2a2c", "#54231f", "#22331f", "#c9bfa6", "#7b6a4e")
CUTS = {
    True: ("bun", "parted", "curls", "long", "braids", "fringe"),
    False: ("short", "bald", "receding", "curls", "long", "side"),
}
"""Whether a woman -> how the hair is worn."""
HATS = {
    True: ("none", "none", "none", "bonnet", "wide"),
    False: ("none", "none", "none", "top", "bowler", "beret"),
}
BEARDS = ("none", "none", "moustache", "full", "sideburns", "goatee")
GLASSES = ("none", "none", "none", "round", "pince-nez")
COLLARS = {True: ("lace", "high", "bow", "shawl"), False: ("cravat", "high", "bow", "lapels")}
IRISES = ("#4a3222", "#3d5a70", "#5a6b3a", "#6b5030")


@dataclass(frozen=True, slots=True)
class Portrait:
    """A face, its clothes and its painting.

    Attributes:
        woman: Which hair, hats and collars are worn, and no beard.
        skin: Place in `SKINS`.
        hair: Place in `HAIRS`.
        cut: How the hair is worn.
        beard: One of `BEARDS`.
        hat: Headgear.
        glasses: One of `GLASSES`.
        collar: What is worn at the neck.
        coat: Place in `COATS`.
        backdrop: Place in `BACKDROPS`.
        mat: Place in `MATS`: the board around the oval.
        turn: Where the face looks: -2 (to its right) to 2.
        width: Width of the face, 0-3.
        nose: Length of the nose, 0-2.
        mouth: 0 stern, 1 calm, 2 smiling.
        iris: Place in `IRISES`.
        light: Side from which the light falls: -1 or 1.
        low: How deep the sitter is placed, 0-2.
    """

    woman: bool
    skin: int
    hair: int
    cut: str
    beard: str
    hat: str
    glasses: str
    collar: str
    coat: int
    backdrop: int
    mat: int
    turn: int
    width: int
    nose: int
    mouth: int
    iris: int
    light: int
    low: int


def draw_portrait_facts(rng: random.Random, woman: bool) -> Portrait:
    """A random sitter."""
    return Portrait(
        woman=woman,
        skin=rng.randrange(len(SKINS)),
        hair=rng.randrange(len(HAIRS)),
        cut=rng.choice(CUTS[woman]),
        beard="none" if woman else rng.choice(BEARDS),
        hat=rng.choice(HATS[woman]),
        glasses=rng.choice(GLASSES),
        collar=rng.choice(COLLARS[woman]),
        coat=rng.randrange(len(COATS)),
        backdrop=rng.randrange(len(BACKDROPS)),
        mat=rng.randrange(len(MATS)),
        turn=rng.randint(-2, 2),
        width=rng.randint(0, 3),
        nose=rng.randint(0, 2),
        mouth=rng.randint(0, 2),
        iris=rng.randrange(len(IRISES)),
        light=rng.choice((-1, 1)),
        low=rng.randint(0, 2),
    )


def sibling_of(portrait: Portrait, rng: random.Random) -> Portrait:
    """A brother or sister by the same painter: hair worn otherwise, another coat, the other way turned."""
    cuts = [cut for cut in CUTS[portrait.woman] if cut != portrait.cut]
    return replace(
        portrait,
        cut=rng.choice(cuts),
        coat=(portrait.coat + rng.randint(1, len(COATS) - 1)) % len(COATS),
        collar=rng.choice(COLLARS[portrait.woman]),
        turn=-portrait.turn or rng.choice((-2, 2)),
        hat="none",
        light=-portrait.light,
    )
