from contextlib import contextmanager
from dataclasses import replace

import pytest

from benchmarks.speed import env, env_loops
from benchmarks.speed.env import (
    ASYNC,
    BARE,
    GEM,
    LOOPS,
    OURS,
    PIXELS,
    STEP,
    SYNC,
    TRL,
    EnvBenchOptions,
    judged,
    measure,
)
from benchmarks.speed.env_load import EnvLoad
from benchmarks.speed.record import Record
from deepeyes_env.errors import ConfigError

OPTIONS = EnvBenchOptions(rounds=2)
LOAD = EnvLoad(envs=2, turns=3, waves=2, latency=0.001, side=56)

HERE = (BARE, OURS, PIXELS, STEP, SYNC, ASYNC, TRL)
"""All but GEM's threads, which are tested where GEM is installed (`test_bench_peers.py`)."""


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("side", [0, 56])
def test_every_contender_does_all_the_work(name, side):
    load = replace(LOAD, side=side)
    with LOOPS[name](load) as play:
        for _ in range(2):
            seen = play()
            assert seen.images == (8 if side else 0)
            assert seen.rewards == pytest.approx(4.0)


def test_one_run_measures_and_notes_who_is_left_out(monkeypatch):
    @contextmanager
    def missing(load):
        raise env_loops.NotInstalled("not installed: pip install it")
        yield

    monkeypatch.setitem(LOOPS, GEM, missing)
    monkeypatch.delitem(LOOPS, TRL)
    record = Record()
    measure(replace(OPTIONS, patience=0.001), LOAD, record)
    rows = {row.contender: row for row in record.rows() if row.measure == env.steps(LOAD).name}
    assert {name for name, row in rows.items() if row.n == 2} == {BARE, OURS, PIXELS, STEP, ASYNC}
    assert rows[SYNC].note == "left out: its tools alone take 0.008 s"
    assert rows[GEM].note == "not installed: pip install it"
    episodes = record.samples(env.episodes(LOAD), OURS)
    assert [steps / LOAD.turns for steps in record.samples(env.steps(LOAD), OURS)] == pytest.approx(episodes)


def test_a_round_without_the_work_counts_no_time():
    with pytest.raises(RuntimeError, match="expected"):
        env.timed(lambda: env_loops.Seen(images=7, rewards=4.0), LOAD)
    with pytest.raises(RuntimeError, match="expected"):
        env.timed(lambda: env_loops.Seen(images=8, rewards=0.0), LOAD)


def test_targets_compare_with_the_best_peer_and_with_the_tools_alone():
    record = Record()
    load = replace(LOAD, side=1024, latency=0.05, envs=64)
    for name, rate in ((OURS, 30.0), (PIXELS, 20.0), (SYNC, 5.0), (GEM, 10.0), (BARE, 32.0)):
        for _ in range(2):
            record.add(env.steps(load), name, rate)
    best, read, bare = judged(record, load)
    assert GEM in best.name
    assert (best.value, best.met) == (pytest.approx(3.0), True)
    assert (read.value, read.met) == (pytest.approx(2.0), False)
    assert (bare.value, bare.met) == (pytest.approx(30 / 32), True)
    assert judged(record, replace(load, side=224, envs=8)) == []


@pytest.mark.parametrize("bad", [{"sides": (0, -1)}, {"envs": (0,)}, {"waves": 0}])
def test_bad_options_are_named(bad):
    [name] = bad
    with pytest.raises(ConfigError, match=f"{name} = .*: must be at least"):
        EnvBenchOptions(**bad)
