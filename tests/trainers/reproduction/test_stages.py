from __future__ import annotations

from dataclasses import replace

from trainers.reproduction.arms import CLAIMS, SMOKE, Sizes, arms, needed
from trainers.reproduction.schedule import in_order
from trainers.reproduction.stages import address, lineage


def test_every_arm_has_an_address_of_its_own_and_keeps_it():
    addresses = {name: address(stage) for name, stage in arms(0, Sizes()).items()}
    assert len(set(addresses.values())) == len(addresses)
    assert addresses == {name: address(stage) for name, stage in arms(0, Sizes()).items()}
    assert not set(addresses.values()) & {address(stage) for stage in arms(1, Sizes()).values()}


def test_new_settings_of_the_trainers_move_no_result():
    stages = arms(1, Sizes())
    assert {name: address(stages[name]) for name in ("base", "sft", "rl")} == {
        "base": "base-06aaa3bc1615f1f2",
        "sft": "cold-fe0bb1a463005f58",
        "rl": "reinforced-a31855421ae323e6",
    }


def test_an_address_changes_with_everything_that_decides_the_outcome():
    one = arms(0, Sizes())["rl"]
    others = [
        replace(one, keep="reward"),
        replace(one, dapo=replace(one.dapo, steps=31)),
        replace(one, dapo=replace(one.dapo, infra_retries=9)),
        replace(one, start=replace(one.start, seed=1)),
        replace(one, exam=replace(one.exam, tasks=4)),
    ]
    assert len({address(stage) for stage in (one, *others)}) == 6
    assert address(replace(one, dapo=replace(one.dapo, progress=False, keep=9))) == address(one)


def test_parents_come_first_and_shared_ones_once():
    order = in_order(arms(0, SMOKE).values())
    places = {address(stage): place for place, stage in enumerate(order)}
    assert len(places) == len(order) == len(arms(0, SMOKE))
    for stage in order:
        line = [places[address(each)] for each in lineage(stage)]
        assert line == sorted(line)


def test_claims_name_arms_that_exist():
    names = set(arms(0, SMOKE))
    assert {arm for claim in CLAIMS.values() for arm in claim} == names
    assert set(needed((4,))) == {"sft", "rl"}
