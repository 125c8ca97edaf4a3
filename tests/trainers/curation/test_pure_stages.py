"""What must hold of the filters whatever they are given."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from curation_cases import SKILLS, a_card, a_look, cards
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.errors import ConfigError
from trainers.curation.attempts import Attempt, Tally, tally
from trainers.curation.balance import surplus
from trainers.curation.benchmarks import Sample
from trainers.curation.decontaminate import Decontaminator
from trainers.curation.deduplicate import duplicates
from trainers.curation.keys import canonical, stage_key
from trainers.curation.pictures import NearShapes, look
from trainers.curation.recipe import Decontamination, Difficulty, Quota, ToolBenefit, combination
from trainers.curation.words import overlap, same_text, words

RIGHT, WRONG = Attempt(right=True, tools=False), Attempt(right=False, tools=True)


def of_eight(right: int, scored: int = 8) -> Tally:
    return tally("x", 8, [RIGHT] * right + [WRONG] * (scored - right))


def test_two_of_eight_are_hard_and_three_are_not() -> None:
    most = Difficulty().most_right
    assert [of_eight(right).at_most(most) for right in range(9)] == [True] * 3 + [False] * 6


def test_one_of_eight_with_tools_is_solvable_and_none_is_not() -> None:
    least = ToolBenefit().least_right
    assert [of_eight(right).at_least(least) for right in range(9)] == [False] + [True] * 8


@given(st.integers(0, 8).flatmap(lambda scored: st.tuples(st.integers(0, scored), st.just(scored))))
def test_a_missing_attempt_is_never_taken_for_a_wrong_one(counts: tuple[int, int]) -> None:
    """A verdict is given exactly if all ways in which the missing attempts could end agree on it."""
    right, scored = counts
    for threshold in range(9):
        possible = {right + more <= threshold for more in range(8 - scored + 1)}
        assert of_eight(right, scored).at_most(threshold) == (possible.pop() if len(possible) == 1 else None)


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="most_right"):
        Difficulty(samples=4, most_right=5)
    with pytest.raises(ConfigError, match="least_right"):
        ToolBenefit(least_right=0)


@given(cards, st.sampled_from([None, 0, 2, 63]), st.randoms(use_true_random=False))
def test_deduplication_is_idempotent_and_knows_no_order(
    some: list, near: int | None, rng: random.Random
) -> None:
    gone = duplicates(some, near)
    shuffled = rng.sample(some, len(some))
    assert duplicates(shuffled, near) == gone
    assert not set(gone) & set(gone.values())
    assert duplicates([card for card in some if card.digest not in gone], near) == {}
    exact = {(same_text(c.question), tuple(one.pixels for one in c.looks)) for c in some}
    left = [card for card in some if card.digest not in gone]
    assert len(left) == len(exact) if near is None else len(left) <= len(exact)


def test_a_twin_is_no_duplicate_but_another_answer_to_the_same_picture_is() -> None:
    picture, twin = a_look(0, 0b1111), a_look(1, 0b1110)
    first, other = a_card(0, answer="4", looks=(picture,)), a_card(1, answer="5", looks=(twin,))
    assert duplicates([first, other], near_bits=4) == {}
    again = a_card(2, answer="4", looks=(twin,))
    assert duplicates([first, other, again], near_bits=4) == {
        again.digest: first.digest,
        other.digest: first.digest,
    }
    contradicting = a_card(3, answer="6", looks=(picture,))
    assert duplicates([first, contradicting]) == {contradicting.digest: first.digest}


LONG = (
    "In the photograph of the harbour at night, how many red lights are there on the left side of the pier?"
)


def benchmark(*questions: str, looks: tuple = ()) -> list[Sample]:
    asked = [Sample("bench", f"rows:{i}", question, ()) for i, question in enumerate(questions)]
    return [*asked, *(Sample("bench", f"{i}.png", None, (one,)) for i, one in enumerate(looks))]


def rule(config: Decontamination, samples: list[Sample], question: str, looks: tuple = ()) -> str | None:
    found = Decontaminator(samples, config).check(question, looks)
    return found and found.rule


def test_what_a_benchmark_holds_is_found_by_picture_text_and_most_of_the_text() -> None:
    config, held = Decontamination(), benchmark("Who is it?", LONG, looks=(a_look("x", 0b1111),))
    assert rule(config, held, "Anything", (a_look("x"),)) == "image"
    assert rule(config, held, "Anything", (a_look("y", 0b0000),)) == "image"  # four bits
    assert rule(config, held, "Anything", (a_look("y", 0b110000),)) is None  # six
    assert rule(config, held, "WHO is it ?") == "question"
    assert rule(config, held, "Who is it, then?") is None  # too short for an n-gram
    assert rule(config, held, f"Look well. {LONG.upper()} Answer with a number.") == "overlap"
    beginning = " ".join(LONG.split()[:10])
    assert rule(config, held, f"{beginning} boats lie in it?") is None  # ten words in common, under a half
    assert rule(Decontamination(rules=("image",)), held, LONG) is None
    assert rule(Decontamination(near_bits=None), held, "Anything", (a_look("y", 0b1111),)) is None


def test_a_flat_picture_looks_like_no_other() -> None:
    assert look(Image.new("RGB", (60, 40), "red")).shape is None
    assert list(NearShapes([None, 5], 64).near(None)) == []


@given(cards, st.randoms(use_true_random=False))
def test_decontamination_is_idempotent_and_knows_no_order(some: list, rng: random.Random) -> None:
    held = benchmark("Who?", looks=(a_look(0), a_look("seven", 7)))
    check = Decontaminator(held, Decontamination()).check

    def left(these: list) -> list:
        return [card for card in these if check(card.question, card.looks) is None]

    assert left(left(some)) == left(some)
    assert sorted(left(rng.sample(some, len(some))), key=lambda card: card.index) == left(some)


@given(st.text(max_size=40))
def test_normalised_text_stays_as_it_is(text: str) -> None:
    assert same_text(same_text(text)) == same_text(text)
    assert words(" ".join(words(text))) == words(text)
    assert overlap(words(text), words(text)) == bool(words(text))


combinations = st.sets(st.sampled_from(SKILLS)).map(lambda chosen: combination(tuple(chosen)))
items = st.dictionaries(st.text(min_size=1, max_size=4), combinations, max_size=30)
caps = st.dictionaries(
    st.sampled_from(["perception", "search*", "reasoning+search", "none", "perception+reasoning*"]),
    st.integers(0, 6),
)


@given(items, caps, st.booleans(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_no_cap_is_exceeded_and_the_order_does_not_matter(
    some: dict, limits: dict, shared: bool, seed: int, rng: random.Random
) -> None:
    shares = {"perception": 0.5, "search": 0.25, "none": 0.25} if shared else {}
    quota = Quota(limits, shares)
    gone = surplus(some, quota, seed)
    shuffled = dict(rng.sample(list(some.items()), len(some)))
    assert surplus(shuffled, quota, seed) == gone
    left = Counter(combo for name, combo in some.items() if name not in gone)
    for limit, most in limits.items():
        wanted = set(limit.removesuffix("*").split("+"))
        counted = [
            n
            for combo, n in left.items()
            if combo == limit or (limit.endswith("*") and wanted <= set(combo.split("+")))
        ]
        assert sum(counted) <= most
    if not limits and not shared:
        assert not gone
    if shared:
        assert set(left) <= set(shares)
    assert surplus({name: some[name] for name in some if name not in gone}, Quota(limits), seed) == {}


def test_shares_make_the_largest_set_that_has_them() -> None:
    some = {f"p{i}": "perception" for i in range(100)} | {f"s{i}": "search" for i in range(10)}
    gone = surplus(some, Quota(shares={"perception": 0.8, "search": 0.2}), 0)
    assert Counter(some[name] for name in some if name not in gone) == {"perception": 40, "search": 10}


@pytest.mark.parametrize(
    ("quota", "message"),
    [
        ({"caps": {"persception": 3}}, "persception"),
        ({"caps": {"search+reasoning": 3}}, "alphabetical"),
        ({"caps": {"search": -1}}, "at least 0"),
        ({"shares": {"search": 0.5}}, "1 in all"),
    ],
)
def test_a_quota_that_makes_no_sense_is_named(quota: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Quota(**quota)


@given(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=4), st.text(max_size=3)
)
def test_a_key_depends_on_everything_and_on_no_order(settings: dict, other: str) -> None:
    key = stage_key("s", settings, ["a"])
    assert key == stage_key("s", dict(reversed(settings.items())), ["a"])
    assert key != stage_key("t", settings, ["a"])
    assert key != stage_key("s", settings, ["a", "b"])
    assert key != stage_key("s", settings | {"new": other}, ["a"])


def test_sets_have_one_form() -> None:
    assert canonical({"tools": frozenset({"b", "a"})}) == canonical({"tools": frozenset({"a", "b"})})
    with pytest.raises(TypeError, match="ndarray"):
        canonical(np.zeros(2))
