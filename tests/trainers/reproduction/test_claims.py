"""Verdicts are pure functions of records: made-up records show that each can come out either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from trainers.reproduction.arms import CLAIMS
from trainers.reproduction.claims import RULES, Status, judge
from trainers.reproduction.figures import ALL, compare, gain_and_harm, over_seeds
from trainers.reproduction.record import Answered, Record, read_record, write_record

TASKS = 40


def record(
    right: float = 0.5, calls: float = 1.0, empty: float = 0.0, toolless: float = 0.2, **shares: float
) -> Record:
    """Shares by family (with `_`), else `right`; `called_<family>` for the share with a call."""

    def answers(way: str) -> tuple[Answered, ...]:
        found = []
        for family in ALL:
            key = family.replace("-", "_")
            solved = toolless if way == "toolless" else shares.get(key, right)
            called = shares.get(f"called_{key}", 0.5)
            found += [
                Answered(f"{family}/{i}", family, i < solved * TASKS, True, int(i < called * TASKS), 0, 20)
                for i in range(TASKS)
            ]
        return tuple(found)

    step = {"calls": calls, "placeholders": empty, "entropy": shares.get("entropy", 0.3)}
    return Record({way: answers(way) for way in ("sampled", "greedy", "toolless")}, (step,) * 8, 1.0)


def verdicts(claim: int, **arms: Mapping[int, Record] | Record) -> list[Status]:
    results = {
        name.replace("_", "-"): {0: given, 1: given} if isinstance(given, Record) else given
        for name, given in arms.items()
    }
    return [verdict.status for verdict in judge(results, (claim,))]


def test_nothing_run_is_nothing_judged():
    assert {one.status for one in judge({})} == {Status.NOT_RUN}
    assert {one.claim for one in judge({})} == CLAIMS.keys() == RULES.keys()


def test_giving_up_must_happen_in_every_seed():
    gone, kept = record(calls=0.05), record(calls=0.9)
    assert verdicts(1, direct=gone)[0] is Status.REPRODUCES
    assert verdicts(1, direct={0: gone, 1: kept})[0] is Status.FAILS
    assert verdicts(1, direct=gone)[1] is Status.NOT_RUN


def test_placeholders_must_be_most_of_at_least_one_call():
    assert verdicts(2, bonus_clumsy=record(calls=1.0, empty=0.9))[0] is Status.REPRODUCES
    assert verdicts(2, bonus_clumsy=record(calls=1.0, empty=0.3))[0] is Status.FAILS
    assert verdicts(2, bonus_clumsy=record(calls=0.2, empty=0.9))[0] is Status.FAILS


def test_better_means_in_every_seed_and_beyond_chance():
    low, high = record(right=0.3), record(right=0.8)
    assert verdicts(3, base=low, sft=high)[0] is Status.REPRODUCES
    assert verdicts(3, base=high, sft=low)[0] is Status.FAILS
    assert verdicts(3, base=low, sft=low)[0] is Status.FAILS
    assert verdicts(3, base=low, sft=record(right=0.3, closer_look=0.325))[0] is Status.UNDECIDED
    mixed = {0: high, 1: record(right=0.2)}
    assert verdicts(3, base=low, sft=mixed)[0] is Status.UNDECIDED


def test_selective_means_more_where_needed_and_less_elsewhere():
    sft = record(called_at_a_glance=0.5, called_closer_look=0.5)
    selective = record(called_at_a_glance=0.1, called_closer_look=0.9)
    assert verdicts(4, sft=sft, rl=selective) == [Status.REPRODUCES]
    assert verdicts(4, sft=sft, rl=record(called_at_a_glance=0.9)) == [Status.FAILS]
    assert verdicts(4, sft=sft, rl=record(called_at_a_glance=0.1, called_closer_look=0.1)) == [Status.FAILS]


def test_additions_are_compared_with_what_they_replace():
    good, bad = record(right=0.8, entropy=0.4), record(right=0.5, entropy=0.2)
    found = verdicts(
        5, sft=bad, rl=good, rl_shaped_filter=bad, rl_masked=bad, rl_blamed=good, rl_symmetric=bad
    )
    assert found == [
        Status.REPRODUCES,
        Status.FAILS,
        Status.REPRODUCES,
        Status.REPRODUCES,
        Status.REPRODUCES,
    ]
    harmed = verdicts(5, sft=good, rl=record(right=0.1, toolless=0.3))
    assert harmed[-1] is Status.FAILS


def test_search_is_forgotten_without_search_data():
    low, high = record(stone_digit=0.2), record(stone_digit=0.6)
    mixes = dict.fromkeys(("rl_perception", "rl_reasoning", "rl_perception_reasoning"), low)
    assert verdicts(3, sft=high, **mixes)[-1] is Status.REPRODUCES
    assert verdicts(3, sft=low, **mixes)[-1] is Status.FAILS


def test_unscored_answers_count_neither_way():
    one, other = record(right=1.0), record(right=0.0)
    lost = replace(other, exam={"sampled": tuple(replace(a, scored=False) for a in other.exam["sampled"])})
    found = compare({"a": {0: one}, "b": {0: other}}, "a", "b")
    assert (found.gained, found.lost) == (TASKS * len(ALL), 0)
    with pytest.raises(Exception, match="mean requires"):
        compare({"a": {0: one}, "b": {0: lost}}, "a", "b")


def test_different_exams_are_not_compared():
    one = record()
    other = replace(one, exam={"sampled": one.exam["sampled"][::-1]})
    with pytest.raises(ValueError, match="not the same exam"):
        compare({"a": {0: one}, "b": {0: other}}, "a", "b")


def test_intervals_over_seeds_are_students():
    found = over_seeds([0.1, 0.2, 0.3])
    assert found.mean == pytest.approx(0.2)
    assert found.margin == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-3)
    assert over_seeds([0.5]).margin is None


def test_gain_and_harm_are_counted_apart():
    assert gain_and_harm(record(right=0.5, toolless=0.2)) == pytest.approx((0.3, 0.0))
    assert gain_and_harm(record(right=0.1, toolless=0.2)) == pytest.approx((0.0, 0.1))


def test_a_record_survives_the_disk(tmp_path):
    one = record()
    write_record(tmp_path / "record.json", one)
    assert read_record(tmp_path / "record.json") == one
