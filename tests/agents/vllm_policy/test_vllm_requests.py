"""What is asked of vLLM and how its answers are read; needs no vLLM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from talk import noise_image, seen, tiny
from talking import begin, model, vocabulary, width

from agents.policy import PolicyError, SamplingParams
from agents.sampling import banned_mask
from agents.vllm.requests import BAN, Answer, Dialect, EngineMismatch, EngineSettings

PARAMS = SamplingParams(stop=("</code>", "</answer>"))


def dialect() -> Dialect:
    return Dialect(vocabulary(), width())


def answer(request, text: str, finish_reason: str = "stop", **changes) -> Answer:
    ids = vocabulary().encode(text)
    made = Answer(
        prompt_ids=request.input_ids.tolist(),
        token_ids=ids,
        logprobs=[-0.5 - n for n in range(len(ids))],
        finish_reason=finish_reason,
        cached_tokens=0,
        weight_versions=frozenset({"default"}),
    )
    return replace(made, **changes)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=5), st.integers(0, 3))
def test_an_image_becomes_one_placeholder_and_comes_back(sizes, words):
    transcript = begin("prompt", images=0, words=words)
    transcript.append_text("hm<answer>7</answer>")
    pictures = [noise_image(n, *size) for n, size in enumerate(sizes)]
    transcript.append_observation(seen("see <image>" * len(sizes) + "word " * words, *pictures))
    request = transcript.to_request(1)
    short, pad = dialect().prompt(request), vocabulary().image_pad
    lengths = iter(span.length for span in request.image_spans)
    expanded = [i for token in short for i in ([pad] * next(lengths) if token == pad else [token])]
    assert short.count(pad) == len(sizes)
    assert expanded == request.input_ids.tolist()


def test_every_banned_id_is_banned():
    bias = dialect().sampling(begin("t").to_request(1), PARAMS)["logit_bias"]
    assert sorted(bias) == banned_mask(vocabulary(), width()).nonzero().flatten().tolist()
    assert len(bias) > len(vocabulary().banned_ids)
    assert set(bias.values()) == {BAN}
    assert np.exp(np.float32(BAN)) == 0


def test_turns_that_share_a_seed_draw_different_numbers():
    one, other = begin("t").to_request(1), begin("t", words=6).to_request(1)
    seeds = [dialect().sampling(r, PARAMS)["seed"] for r in (one, one, other, replace(one, seed=2))]
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("said", "finish_reason", "text", "reason"),
    [
        ("look<code>x</code>", "stop", "look<code>x</code>", "stop"),
        ("look<code>x</code> and more", "length", "look<code>x</code>", "stop"),
        ("no end", "length", "no end", "length"),
    ],
)
def test_an_answer_becomes_a_sample(said, finish_reason, text, reason):
    """Also one that goes on beyond the stop string, as engines do that decode several tokens at a time."""
    request = begin("t").to_request(1)
    sample = dialect().sample(request, PARAMS, answer(request, said, finish_reason))
    assert sample.text == text
    assert sample.finish_reason == reason
    assert vocabulary().decode(sample.token_ids).startswith(text)
    assert vocabulary().encode(said)[: len(sample.token_ids)] == sample.token_ids.tolist()
    assert sample.logprobs.tolist() == [-0.5 - n for n in range(len(sample.token_ids))]
    assert (sample.token_ids.dtype, sample.logprobs.dtype) == (np.int64, np.float32)


def test_another_prompt_than_ours_is_refused_by_the_name_of_the_conversation():
    request = begin("t").to_request(1, "episode-7")
    seen_ids = request.input_ids.tolist()
    for other in (seen_ids[:-1], [*seen_ids[:-1], seen_ids[-1] + 1], [*seen_ids, 5]):
        with pytest.raises(EngineMismatch, match="episode-7"):
            dialect().sample(request, PARAMS, answer(request, "x", prompt_ids=other))


def test_a_broken_off_turn_is_the_infrastructures_fault():
    request = begin("t").to_request(1, "episode-7")
    for broken in (answer(request, "x", "abort"), answer(request, "", "stop", token_ids=[], logprobs=[])):
        with pytest.raises(PolicyError, match="episode-7"):
            dialect().sample(request, PARAMS, broken)


@pytest.mark.parametrize("nothing", [float("nan"), float("-inf"), -9999.0])
def test_a_log_probability_that_is_no_number_is_refused(nothing):
    request = begin("t").to_request(1)
    for logprobs in ([nothing, -1.0], [-1.0, nothing]):
        with pytest.raises(EngineMismatch, match="no number"):
            dialect().sample(request, PARAMS, answer(request, "x", token_ids=[1, 2], logprobs=logprobs))


def test_cached_prompt_tokens_are_counted():
    request, said = begin("t").to_request(1), dialect()
    said.sample(request, PARAMS, answer(request, "x", cached_tokens=3))
    said.sample(request, PARAMS, answer(request, "x"))
    assert (said.count.tokens, said.count.cached) == (2 * len(request.input_ids), 3)


def test_an_engine_that_could_not_free_its_device_does_not_go_to_sleep():
    EngineSettings("cuda", can_sleep=True).check_sleep()
    EngineSettings("cpu", can_sleep=False).check_sleep()
    with pytest.raises(EngineMismatch, match="--enable-sleep-mode"):
        EngineSettings("cuda", can_sleep=False).check_sleep()


def test_a_tied_head_is_refused_only_where_it_would_not_be_renewed():
    EngineSettings("cuda", can_sleep=False).check_model(tiny().model)
    EngineSettings("cpu", can_sleep=False).check_model(model())
    with pytest.raises(EngineMismatch, match="tied"):
        EngineSettings("cpu", can_sleep=False).check_model(tiny().model)
