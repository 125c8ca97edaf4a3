import torch

from agents.transformers_policy import TransformersPolicy
from benchmarks.speed.mouthpiece import Load, Mouthpiece
from benchmarks.speed.record import Record
from benchmarks.speed.rollout import ASYNC, BARRIER, CEILING, OURS, SYNC, RolloutBenchOptions, measure
from benchmarks.speed.rollout_loops import ours
from benchmarks.speed.rollout_model import random_3b, tiny

OPTIONS = RolloutBenchOptions(episodes=4, at_once=2, rows=2, turns=3, tokens=3, rounds=2)
LOAD = Load(turns=3, tokens=3, latency=0.001, side=56)


def policy() -> TransformersPolicy:
    qwen = tiny()
    return TransformersPolicy(qwen.model, qwen.tokenizer, max_rows=2)


def test_every_contender_plays_and_is_compared():
    record = Record()
    verdict = measure(OPTIONS, policy(), LOAD, record)
    assert verdict.value is not None
    assert verdict.value > 0
    rows = record.rows()
    assert {row.contender for row in rows} == {CEILING, OURS, BARRIER, SYNC, ASYNC}
    assert all(row.p50 is not None and row.p50 > 0 for row in rows)


def test_tokens_are_really_sampled_and_pictures_really_seen():
    mouth = Mouthpiece(policy(), LOAD)
    assert ours(mouth, LOAD, episodes=4, at_once=2) == 4
    assert len(mouth.requests) == 4
    for conversation in mouth.requests.values():
        assert [len(request.images) for request in conversation] == [1, 2, 3]
        assert [request.known > 0 for request in conversation] == [False, True, True]
    assert 4 * 3 <= mouth.tokens <= 4 * 3 * 3


def test_the_large_model_has_the_size_of_the_3b():
    model = random_3b("meta").model
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 3.7e9 < count < 3.8e9
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
