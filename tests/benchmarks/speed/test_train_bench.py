from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from agents.trajectory import check_tokens, check_trajectory
from agents.vocabulary import Vocabulary
from benchmarks.speed import train, train_shares
from benchmarks.speed.mouthpiece import Load
from benchmarks.speed.record import Record
from benchmarks.speed.rollout_model import random_7b, tiny
from benchmarks.speed.train import Size, TrainBenchOptions, measure_spread, measure_update
from benchmarks.speed.train_load import UpdateLoad, experiences, training_flops
from benchmarks.speed.train_shares import SHARE, PhaseClock, measure_shares
from benchmarks.speed.train_update import OURS, PLAIN, TRL, Bout, peak_memory
from trainers.config import DapoConfig

LOAD = UpdateLoad(trajectories=3, micro_batch=2, tokens=96, turn=20, side=56)


def test_the_load_is_what_a_trainer_takes() -> None:
    vocabulary = Vocabulary(tiny().tokenizer)
    for one in experiences(LOAD, vocabulary):
        check_trajectory(one.trajectory)
        check_tokens(one.trajectory, vocabulary)
        assert LOAD.tokens <= len(one.mask) < LOAD.tokens + 2 * LOAD.turn
        assert one.trajectory.images
        assert 0.3 < one.mask.mean() < 0.8


@pytest.mark.parametrize("size", ["tiny", "7b"])
def test_every_contender_updates_and_is_compared(size: Size) -> None:
    """A large model's way too, with activation checkpointing, gone by the tiny one."""
    record, qwen = Record(), tiny()
    verdict = measure_update(TrainBenchOptions(rounds=1), size, qwen, LOAD, record)
    assert verdict.value is not None
    assert verdict.value > 0
    rows = [(row.measure.split(",")[0], row.contender) for row in record.rows() if row.p50]
    assert rows == [(m, c) for m in ("peak memory", "tokens") for c in (OURS, PLAIN, TRL)]


def test_without_trl_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "trl", None)
    record = Record()
    assert measure_update(TrainBenchOptions(rounds=1), "tiny", tiny(), LOAD, record).value is not None
    assert [row.note for row in record.rows() if row.contender == TRL] == [train.TRL_NOT_INSTALLED]


def test_all_contenders_score_the_same_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and TRL's gradients are alike; plain cross-entropy trains as many tokens."""
    bout = Bout(tiny(), replace(LOAD, micro_batch=3))
    parameters = [p for p in bout._qwen.model.parameters() if p.requires_grad]
    gradients = []

    def note(*_: object, **__: object) -> None:
        gradients.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
        for parameter in parameters:
            parameter.grad = None

    monkeypatch.setattr(bout, "_step", note)
    monkeypatch.setattr(bout._engine, "update", note)
    bout.ours()
    bout.trl()()
    ours, theirs = gradients
    # TRL scores without leaving out banned tokens, which have next to no probability.
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.99
    [inputs] = [bout._plain_inputs(bout.batch)]
    assert (inputs["labels"] != -100).sum() == sum(one.mask.sum() for one in bout.batch)


def test_operations_are_those_that_torch_counts() -> None:
    qwen = tiny()
    text = qwen.model.config.text_config
    bout = Bout(qwen, replace(LOAD, trajectories=1, tokens=512, turn=100, micro_batch=1, side=112))
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        bout.ours()
    # This kernel computes the whole of the attention matrix, of which half is needed.
    wasted = 3 * text.num_hidden_layers * 2 * bout.tokens**2 * text.hidden_size
    needed = training_flops(qwen.model.config, bout.batch)
    assert wasted > 0.3 * needed
    assert needed + wasted == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_peak_memory_is_the_most_that_is_held_at_once() -> None:
    def work() -> None:
        for _ in range(3):
            torch.ones(2**20)
        del _

    held = peak_memory(work, torch.device("cpu"))
    assert 4 * 2**20 <= held < 8 * 2**20


def test_phases_do_not_overlap_and_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(train_shares.time, "perf_counter", lambda: now[0])
    clock = PhaseClock()
    with clock("environment"):
        now[0] = 2.0
        with clock("generation"), clock("generation"):
            now[0] = 5.0
        now[0] = 6.0
    now[0] = 9.0
    with clock("weight sync"):
        now[0] = 10.0
    assert clock.seconds == {"generation": 3.0, "environment": 3.0, "weight sync": 1.0}


def test_shares_of_a_real_step_add_up() -> None:
    record = Record()
    config = DapoConfig(
        steps=2, prompts_per_step=2, group_size=4, minibatches=1, micro_batch_size=8, progress=False
    )
    measure_shares(config, Load(turns=2, tokens=4, latency=0.0, side=56), record)
    shares = {row.contender: row.p50 for row in record.rows()}
    assert sum(shares.values()) == pytest.approx(100.0)
    assert all(shares[phase] > 0 for phase in ("generation", "tools", "reward", "update", "weight sync"))
    assert shares["the rest"] > -1
    assert record.rows()[0].measure == SHARE.name


def test_the_large_model_has_the_size_of_the_7b() -> None:
    model = random_7b("meta").model
    assert 8.2e9 < sum(parameter.numel() for parameter in model.parameters()) < 8.4e9


def test_two_processes_update_and_are_compared() -> None:
    record = Record()
    load = replace(LOAD, trajectories=4)
    verdict = measure_spread(TrainBenchOptions(rounds=1, processes=2), load, record)
    assert verdict.value is not None
    rows = [(row.measure.split(",")[0], row.contender) for row in record.rows() if row.p50]
    assert rows == [(m, c) for m in ("peak memory", "tokens") for c in (OURS, PLAIN)]
