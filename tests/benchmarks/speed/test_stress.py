import os
import tempfile
from dataclasses import replace

import pytest

from agents.rollout_stats import RolloutStats
from agents.tiny import build_tiny
from agents.trajectory import SeedLineage
from agents.vocabulary import Vocabulary
from benchmarks.speed import stress as stress_module
from benchmarks.speed.faults import Fault, Faults, FaultySandbox
from benchmarks.speed.stress import Round, StressOptions, _episodes, _script, faults_of, is_flat, stress
from deepeyes_env.outcome import Outcome
from deepeyes_env.sandbox import LocalSandbox
from deepeyes_env.sandbox.base import SandboxError

SMALL = StressOptions(episodes=16, turns=4, rounds=2, fault_rate=0.2, tool_seconds=20.0, workers=4)


NONE = Faults(0.0)


def test_nothing_is_lost_or_mixed_up_when_tools_break():
    rounds = stress(replace(SMALL, tool_seconds=3.0))
    assert [one.wrong for one in rounds] == [(), ()]
    assert all(one.outcomes.total() == 16 for one in rounds)
    assert sum(one.faults for one in rounds) > 0
    assert sum(one.outcomes["answered"] for one in rounds) > 16


def test_what_is_mixed_up_is_found():
    inner = LocalSandbox()
    sandbox = FaultySandbox(inner, Faults(0.0))
    vocabulary = Vocabulary(build_tiny().tokenizer)
    finished = list(_episodes(replace(SMALL, episodes=3), 0, sandbox, vocabulary, RolloutStats()))
    inner.close()
    request, one = finished[1]
    assert list(faults_of(request, one, 4, NONE)) == []
    other = finished[2][1]
    assert list(faults_of(request, other, 4, NONE)) == [f"episode 1: came out as {other.lineage}"]
    swapped = replace(one, images=(one.images[0], *one.images[:0:-1]), image_spans=one.image_spans)
    with pytest.raises(ValueError, match="image 1"):
        list(faults_of(request, swapped, 4, NONE))
    pairs = zip(one.turns, other.turns, strict=True)
    foreign = replace(one, turns=tuple(replace(own, observation=his.observation) for own, his in pairs))
    assert any("remembers" in fault for fault in faults_of(request, foreign, 4, NONE))
    assert list(faults_of(request, one, 5, NONE)) == ["episode 1: answered, accuracy 1.0, 4 turns"]
    lost = replace(one, outcome=Outcome.INFRA_FAILED)
    assert list(faults_of(request, lost, 4, NONE)) == ["episode 1: failed, though none of its cells had to"]
    assert list(faults_of(request, lost, 4, Faults(1.0))) == []


def test_faults_repeat_and_half_of_them_heal():
    codes = [next(_script(SeedLineage(0, prompt=number), 3)) for number in range(400)]

    def broken(faults: Faults) -> list[bool]:
        faults.let_go()
        found = []
        for code in codes:
            try:
                faults.strike(code)
                found.append(False)
            except SandboxError:
                found.append(True)
        return found

    faults = Faults(0.05)
    first, again = broken(faults), broken(faults)
    assert first == broken(Faults(0.05))
    assert 3 < sum(first) < 30
    assert 0 < sum(again) < sum(first)
    assert set(faults.counts) == set(Fault)


@pytest.mark.parametrize(
    ("memory", "flat"),
    [
        ([1, 9, 10, 10, 10, 10, 10], True),
        ([1, 9, 10, 11, 12, 13, 14], False),
        ([1, 2, 3], None),
    ],
)
def test_memory_is_flat_if_it_stays_level(memory, flat):
    assert is_flat(memory) is flat


def test_another_process_files_are_no_leak(monkeypatch, capsys):
    elsewhere = tempfile.gettempdir()
    theirs: list[str] = []

    def busy(options: StressOptions) -> list[Round]:
        handle, name = tempfile.mkstemp(dir=elsewhere)
        os.close(handle)
        theirs.append(name)
        return stress(options)

    monkeypatch.setattr(stress_module, "stress", busy)
    stress_module.main(["--episodes", "2", "--turns", "2", "--rounds", "1"])
    for name in theirs:
        os.unlink(name)
    assert "nothing lost or mixed up: True" in capsys.readouterr().out
