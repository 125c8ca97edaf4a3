"""What the engine saves and what it must not change: kept keys and values, shared prompts, few rows."""

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from talk import finish, mixed, noise_image, prompt, seen, tiny, vocabulary
from transformers.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration

from agents.batch import collate, token_logprobs
from agents.decode_engine import DecodeEngine
from agents.open_turn import OpenTurn
from agents.pixels import PixelCache
from agents.policy import GenerationRequest, Sample, SamplingParams
from agents.sampling import banned_mask
from agents.tiny import TinyShape, tiny_config
from agents.transcript import Transcript
from agents.transformers_policy import TransformersPolicy

PARAMS = SamplingParams(max_tokens=12)
GREEDY = replace(PARAMS, temperature=0.0)


def fresh(model=None, **settings) -> TransformersPolicy:
    return TransformersPolicy(tiny().model if model is None else model, tiny().tokenizer, **settings)


def assert_same(samples: Sequence[Sample], others: Sequence[Sample]) -> None:
    for sample, other in zip(samples, others, strict=True):
        np.testing.assert_array_equal(sample.token_ids, other.token_ids)
        np.testing.assert_allclose(sample.logprobs, other.logprobs, atol=1e-5)


@dataclass
class Work:
    """What a model was asked to compute: tokens of every pass that is not decoding, and patches."""

    passes: list[tuple[int, int]] = field(default_factory=list)
    patches: list[int] = field(default_factory=list)


@contextmanager
def watched(model) -> Iterator[Work]:
    work = Work()

    def note_pass(_module, _inputs, named):
        rows, tokens, _ = named["inputs_embeds"].shape
        if tokens > 1:
            work.passes.append((rows, tokens))

    def note_patches(_module, inputs, _named):
        work.patches.append(len(inputs[0]))

    handles = [
        model.model.language_model.register_forward_pre_hook(note_pass, with_kwargs=True),
        model.model.visual.register_forward_pre_hook(note_patches, with_kwargs=True),
    ]
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()


def answer(policies: Sequence[TransformersPolicy], transcripts: Sequence[Transcript], params=PARAMS) -> None:
    """The next turn of every conversation by the first policy; the others must say the same."""
    requests = [transcript.to_request(seed) for seed, transcript in enumerate(transcripts)]
    samples, *others = [policy.generate_all(requests, params) for policy in policies]
    for other in others:
        assert_same(other, samples)
    for transcript, sample in zip(transcripts, samples, strict=True):
        transcript.append_sample(sample)


def show(transcripts: Sequence[Transcript], turn: int) -> None:
    """Observations with none, one or two images."""
    for row, transcript in enumerate(transcripts):
        pictures = [noise_image(50 + 10 * row + n, 3, 2 + turn) for n in range((row + turn) % 3)]
        transcript.append_observation(seen("see " * row + "<image>" * len(pictures), *pictures))


# --- Conversations of several turns ---------------------------------------------------------------------


def grouped_query_model() -> Qwen2_5_VLForConditionalGeneration:
    """Two query heads share one key and value head, as Qwen's do."""
    config = tiny_config(tiny().tokenizer, TinyShape(hidden=64, layers=2, vision_layers=1))
    config.text_config.num_key_value_heads = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return Qwen2_5_VLForConditionalGeneration(config).eval()


@pytest.mark.parametrize("grouped_queries", [False, True])
def test_kept_keys_and_values_change_neither_samples_nor_logprobs(grouped_queries):
    model = grouped_query_model() if grouped_queries else tiny().model
    policy = fresh(model)
    transcripts = [prompt(*shape) for shape in [(0, 3), (1, 9), (2, 1), (1, 9)]]
    for turn in range(4):
        answer([policy, fresh(model)], transcripts)
        if turn < 3:
            show(transcripts, turn)
    batch = collate([finish(transcript) for transcript in transcripts], vocabulary(), policy.pixels)
    with torch.no_grad():
        scored = token_logprobs(model, batch, policy.banned)
    assert (scored - batch.logprobs[:, 1:]).abs().max() < 1e-5
    assert batch.loss_mask.sum() > 4 * 4 * 3


def test_a_later_turn_computes_only_what_is_new():
    policy, transcript = fresh(), prompt(2, 30)
    answer([policy], [transcript])
    known = len(transcript) - 1
    picture = noise_image(77, 4, 4)
    transcript.append_observation(seen("now <image>", picture))
    with watched(tiny().model) as work:
        answer([policy], [transcript])
    new = transcript.turns[-1].start - known
    assert work.passes == [(1, new)]
    assert work.patches == [picture.pixels // 14**2]


def test_a_turn_of_one_token_is_continued():
    policy = fresh()
    transcripts = [prompt(1, 9), prompt(0, 3)]
    for turn in range(3):
        answer([policy, fresh()], transcripts, replace(PARAMS, max_tokens=1))
        show(transcripts, turn)


def test_continuations_pass_in_small_chunks_too(monkeypatch):
    monkeypatch.setattr("agents.prefill.PREFILL_TOKENS", 150)
    policy, transcripts = fresh(), [prompt(*shape) for shape in [(0, 3), (1, 9), (2, 1), (0, 40)]]
    answer([policy], transcripts)
    show(transcripts, 1)
    with watched(tiny().model) as work:
        answer([policy, fresh()], transcripts)
    assert len(work.passes) > 2


def test_a_policy_is_not_blind_to_a_tool_image_behind_kept_keys_and_values():
    policy, transcripts = fresh(), [prompt(1, 9), prompt(1, 9)]
    answer([policy], transcripts, GREEDY)
    assert transcripts[0].input_ids.tolist() == transcripts[1].input_ids.tolist()
    for seed, transcript in enumerate(transcripts):
        transcript.append_observation(seen("now <image>", noise_image(seed, 4, 4)))
    one, other = policy.generate_all([transcript.to_request(0) for transcript in transcripts], GREEDY)
    assert abs(one.logprobs[0] - other.logprobs[0]) > 1e-3


def test_the_same_ids_over_another_picture_reuse_nothing():
    policy, transcript = fresh(), prompt(1, 9)
    answer([policy], [transcript])
    show([transcript], 0)
    request = transcript.to_request(0)
    other = replace(request, images=(noise_image(999, 2, 3), *request.images[1:]))
    assert other.images != request.images
    assert_same(policy.generate_all([other], GREEDY), fresh().generate_all([other], GREEDY))
    [one], [two] = policy.generate_all([request], GREEDY), policy.generate_all([other], GREEDY)
    assert abs(one.logprobs[0] - two.logprobs[0]) > 1e-3


@pytest.mark.parametrize("cache_bytes", [0, 150_000])
def test_eviction_changes_nothing(cache_bytes):
    policy = fresh(cache_bytes=cache_bytes)
    transcripts = [prompt(*shape) for shape in [(0, 3), (1, 9), (2, 1), (0, 40)]]
    for turn in range(3):
        answer([policy, fresh()], transcripts)
        show(transcripts, turn)
    assert policy._engine._kept.nbytes <= cache_bytes
    assert bool(len(policy._engine._kept)) == bool(cache_bytes)


# --- Groups ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [8, 2])
def test_a_group_runs_its_prompt_once_also_when_admitted_late(max_rows):
    request = prompt(1, 9).to_request(0)
    group = [replace(request, seed=seed) for seed in range(8)]
    policy = fresh(max_rows=max_rows)
    with watched(tiny().model) as work:
        samples = policy.generate_all(group, PARAMS)
    assert work.passes == [(1, len(request.input_ids))]
    assert len(work.patches) == 1
    assert_same(samples, [fresh().generate_all([one], PARAMS)[0] for one in group])


# --- Rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [1, 2, 5])
def test_few_rows_give_the_same_samples(max_rows):
    requests = [replace(request, seed=seed) for seed in range(3) for request in mixed()]
    params = SamplingParams(max_tokens=40, stop=("a", "e", "i"))
    expected = fresh().generate_all(requests, params)
    assert len({len(sample.token_ids) for sample in expected}) > 3
    assert_same(fresh(max_rows=max_rows).generate_all(requests, params), expected)


def engine(max_rows: int, model=None) -> DecodeEngine:
    model = tiny().model if model is None else model
    banned = banned_mask(vocabulary(), model.config.text_config.vocab_size)
    return DecodeEngine(model, vocabulary(), PixelCache(), banned, max_rows=max_rows, cache_bytes=2**20)


def never_ends(request: GenerationRequest, max_tokens: int) -> OpenTurn:
    """A turn that only the limit ends, together with `without_end_of_turn`."""
    return OpenTurn(request, SamplingParams(0.0, max_tokens, stop=()), vocabulary())


@contextmanager
def without_end_of_turn() -> Iterator[None]:
    def never_end(_module, _inputs, logits):
        logits[..., vocabulary().im_end] = -1e4
        return logits

    handle = tiny().model.lm_head.register_forward_hook(never_end)
    try:
        yield
    finally:
        handle.remove()


def test_no_rows_at_all_are_refused():
    with pytest.raises(ValueError, match="max_rows=0"):
        fresh(max_rows=0)


def test_a_long_turn_holds_nobody_up():
    busy = engine(max_rows=2)
    turns = [never_ends(request, 60 if n == 0 else 6) for n, request in enumerate(mixed())]
    for turn in turns:
        busy.submit(turn)
    ended: list[list[OpenTurn]] = []
    with without_end_of_turn():
        while not busy.idle:
            ended.append(busy.advance())
    order = [turn for step in ended for turn in step]
    assert order == [*turns[1:], turns[0]]
    # The first token comes with the prompt; admission and decoding share a step.
    assert len(ended) == 59


def test_turns_enter_together_rather_than_one_by_one():
    busy = engine(max_rows=4)
    turns = [
        never_ends(request, 20 + n if n < 4 else 5) for n, request in enumerate([*mixed(), *mixed()][:8])
    ]
    for turn in turns:
        busy.submit(turn)
    live = []
    with without_end_of_turn():
        while not busy.idle:
            busy.advance()
            live.append(len(busy._rows))
    # Rows that ended one after the other are filled in fewer passes than there were turns that waited.
    filled = sum(after > before for before, after in itertools.pairwise(live))
    assert 1 <= filled < 4


def test_a_turn_given_up_leaves_its_row_and_the_queue():
    busy = engine(max_rows=2)
    turns = [never_ends(request, 10) for request in mixed()]
    for turn in turns:
        busy.submit(turn)
    with without_end_of_turn():
        assert busy.advance() == []
        turns[0].given_up = turns[3].given_up = True
        assert set(busy.advance()) == {turns[0], turns[3]}
        ended = []
        while not busy.idle:
            ended += busy.advance()
    assert set(ended) == {turns[1], turns[2], turns[4], turns[5]}
    with without_end_of_turn():
        for turn in ended:
            [alone] = fresh().generate_all([turn.request], turn.params)
            assert_same([turn.sample()], [alone])


def test_rows_may_differ_in_how_they_sample():
    busy = engine(max_rows=8)
    params = [
        SamplingParams(temperature, tokens, stop=())
        for temperature, tokens in [(0.0, 5), (1.0, 9), (2.0, 7), (1.0, 3), (0.0, 2), (2.0, 1)]
    ]
    turns = [OpenTurn(request, own, vocabulary()) for request, own in zip(mixed(), params, strict=True)]
    for turn in turns:
        busy.submit(turn)
    while not busy.idle:
        busy.advance()
    for turn in turns:
        assert_same([turn.sample()], fresh().generate_all([turn.request], turn.params))


# --- Weights --------------------------------------------------------------------------------------------


def nudge(model) -> None:
    """A step of the optimiser that counts no versions."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def test_weights_changed_in_place_leave_nothing_stale():
    model = copy.deepcopy(tiny().model)
    policy, transcripts = fresh(model), [prompt(1, 9), prompt(0, 3)]
    answer([policy], transcripts)
    show(transcripts, 1)
    requests = [transcript.to_request(0) for transcript in transcripts]
    before = policy.generate_all(requests, PARAMS)
    nudge(model)
    after = policy.generate_all(requests, PARAMS)
    assert_same(after, fresh(model).generate_all(requests, PARAMS))
    for one, other in zip(before, after, strict=True):
        assert abs(one.logprobs[0] - other.logprobs[0]) > 1e-3


def test_a_turn_that_older_weights_began_is_not_kept():
    model = copy.deepcopy(tiny().model)
    busy = engine(max_rows=2, model=model)
    begun, other = (OpenTurn(request, GREEDY, vocabulary()) for request in mixed()[:2])
    busy.submit(begun)
    busy.advance()
    nudge(model)
    busy.submit(other)
    while not busy.idle:
        busy.advance()
    assert len(begun.sample().token_ids) > 2
    assert len(busy._kept) == 2


def test_forgetting_frees_everything_and_repeats_to_the_bit():
    policy = fresh()
    results = []
    for _ in range(2):
        policy.forget()
        assert len(policy._engine._kept) == 0
        assert policy._engine._cache._tensor.nbytes == 0
        transcripts = [prompt(*shape) for shape in [(0, 3), (1, 9), (1, 9), (2, 1)]]
        for turn in range(3):
            answer([policy], transcripts)
            show(transcripts, turn)
        assert len(policy._engine._kept) > 4
        results.append([finish(transcript).logprobs for transcript in transcripts])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_values_that_are_not_finite_do_not_outlive_the_weights_that_gave_them():
    model = copy.deepcopy(tiny().model)
    policy = fresh(model)
    weight = model.model.language_model.layers[0].self_attn.v_proj.weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    policy.generate_all(mixed(), GREEDY)
    with torch.no_grad():
        weight.copy_(before)
    assert_same(policy.generate_all(mixed(), PARAMS), fresh(model).generate_all(mixed(), PARAMS))
