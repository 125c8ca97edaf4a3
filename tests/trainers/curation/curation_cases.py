"""Cards, looks and trajectories to draw from."""

from __future__ import annotations

import hashlib

from hypothesis import strategies as st

from trainers.curation.cards import Card
from trainers.curation.pictures import Look

SKILLS = ("perception", "reasoning", "search")


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def a_look(name: object, shape: int | None = None) -> Look:
    return Look(digest("pixels", name), shape)


def a_card(
    index: int,
    question: str = "How many?",
    answer: str = "4",
    looks: tuple[Look, ...] = (),
    skills: tuple[str, ...] = ("perception",),
    family: str = "things",
) -> Card:
    return Card(
        index,
        digest("card", index),
        f"test/{index}",
        question,
        answer,
        family,
        skills,
        looks or (a_look(index),),
    )


looks = st.builds(a_look, st.integers(0, 3), st.sampled_from([None, 0, 1, 3, 7, 2**64 - 1]))

cards = st.lists(
    st.tuples(
        st.sampled_from(["How many?", "how  many?", "Who?"]),
        st.sampled_from(["4", "5"]),
        st.lists(looks, min_size=1, max_size=2).map(tuple),
        st.sets(st.sampled_from(SKILLS)).map(lambda chosen: tuple(sorted(chosen))),
    ),
    max_size=12,
).map(lambda drawn: [a_card(index, *parts) for index, parts in enumerate(drawn)])
