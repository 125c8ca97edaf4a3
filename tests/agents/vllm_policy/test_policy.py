"""What holds for vLLM as a policy, in process and over HTTP, against the trainer's model."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from actors import lineages, make_env
from talk import SYSTEM, finish, noise_image, seen, tiny
from talking import (
    EXACT,
    MAX_LEN,
    MAX_PIXELS,
    all_logprobs,
    begin,
    changed_model,
    gap,
    model,
    play,
    vocabulary,
)

from agents.policy import Policy, SamplingParams
from agents.rollout import rollout
from agents.speaker import RolloutRequest
from agents.trajectory import check_trajectory
from agents.transcript import Transcript
from agents.vllm.requests import EngineMismatch
from deepeyes_env.outcome import Outcome

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1500)]

PARAMS = SamplingParams(max_tokens=24)
GREEDY = replace(PARAMS, temperature=0.0)


def together(*work):
    async def run():
        return await asyncio.gather(*work)

    return asyncio.run(run())


def test_is_a_policy(policy):
    assert isinstance(policy, Policy)


def test_logprobs_are_the_trainers_over_turns_and_images(policy):
    """Sampled and greedy turns in the same batches, prompts of all lengths, images of one token and more."""
    shapes = [(0, 3), (1, 9), (2, 1), (0, 40), (3, 4), (1, 300)]
    trajectories = together(
        *(
            play(policy, f"{images}-{words}-{params.temperature}", images=images, words=words, params=params)
            for images, words in shapes
            for params in (PARAMS, GREEDY)
        )
    )
    for trajectory in trajectories:
        check_trajectory(trajectory)
    found = gap(trajectories)
    print(f"\n{found}")
    assert found.tokens > 500
    assert found.max_abs < EXACT
    assert found.clipped == 0
    assert gap(trajectories, changed_model()).max_abs > 0.1


def test_episodes_of_the_environment_are_sampled_exactly(policy):
    """Only their first turns, which this model cannot make well-formed."""
    requests = [RolloutRequest(number, lineage=lineage) for number, lineage in enumerate(lineages(6))]
    with closing(make_env(4)) as env:
        trajectories = list(rollout(policy, env, requests, replace(PARAMS, stop=("a", "e", "o"))))
    assert {trajectory.outcome for trajectory in trajectories} == {Outcome.MALFORMED}
    assert all(trajectory.images and trajectory.token_exact for trajectory in trajectories)
    assert gap(trajectories).max_abs < EXACT


def test_greedy_is_the_trainers_best(policy):
    trajectory = asyncio.run(play(policy, "greedy", images=2, params=GREEDY))
    scores = all_logprobs(trajectory)
    chosen = torch.from_numpy(trajectory.input_ids[trajectory.loss_mask])
    assert chosen.tolist() == scores.argmax(dim=-1).tolist()


def test_banned_tokens_are_never_sampled(policy):
    """By this many tokens of nearly flat distributions, they would be: see the last line."""
    params = replace(PARAMS, max_tokens=250)
    trajectories = together(*(play(policy, f"long-{n}", words=n, turns=1, params=params) for n in range(8)))
    ids = np.concatenate([t.input_ids[t.loss_mask] for t in trajectories])
    assert len(ids) > 1000
    assert not set(ids.tolist()) & vocabulary().banned_ids
    assert ids.max() < vocabulary().size
    assert gap(trajectories).max_abs < EXACT
    banned = sorted(vocabulary().banned_ids) + list(range(vocabulary().size, model().lm_head.out_features))
    with torch.no_grad():
        logits = model()(input_ids=torch.from_numpy(trajectories[0].input_ids)[None]).logits
    assert logits.softmax(-1)[..., banned].sum(-1).mean() * len(ids) > 5


def test_the_end_of_a_turn_stays_in_the_ids(policy):
    params = SamplingParams(max_tokens=250, stop=())
    requests = [begin(f"end-{n}", words=n).to_request(n, f"end-{n}") for n in range(16)]
    samples = together(*(policy.generate(request, params) for request in requests))
    ended = [sample.token_ids[-1] == vocabulary().im_end for sample in samples]
    assert any(ended)
    for sample, end in zip(samples, ended, strict=True):
        assert vocabulary().im_end not in sample.token_ids[:-1]
        assert sample.finish_reason == ("stop" if end else "length")
        assert end or len(sample.token_ids) == 250
        assert "<|im_end|>" not in sample.text


def test_stop_strings_end_a_turn_and_stay_in_it(policy):
    """A string that the model does say, over the border of two tokens."""
    request = begin("stop", words=8).to_request(3, "stop")
    free = asyncio.run(policy.generate(request, replace(PARAMS, max_tokens=60, stop=())))
    pieces = [vocabulary().token_bytes[i] for i in free.token_ids]
    border = next(
        n
        for n in range(20, len(pieces))
        if (pieces[n - 1][-1:] + pieces[n][:1]).isalpha() and (pieces[n - 1] + pieces[n]).isascii()
    )
    stop = (pieces[border - 1][-1:] + pieces[border][:1]).decode()
    stopped = asyncio.run(policy.generate(request, replace(PARAMS, max_tokens=60, stop=("</code>", stop))))
    count = len(stopped.token_ids)
    assert count <= border + 1
    assert stopped.finish_reason == "stop"
    assert stopped.token_ids.tolist() == free.token_ids[:count].tolist()
    assert stopped.text.endswith(stop)
    assert stopped.text.count(stop) == 1
    assert stop.encode() not in b"".join(pieces[: count - 1])


def test_a_sample_does_not_depend_on_the_batch_and_the_seed_decides(policy):
    requests = [begin(f"batch-{n}", words=3 * n).to_request(n, f"batch-{n}") for n in range(10)]
    alone = [asyncio.run(policy.generate(request, PARAMS)) for request in requests[:3]]
    batch = together(*(policy.generate(request, PARAMS) for request in requests))
    for one, other in zip(alone, batch, strict=False):
        assert one.token_ids.tolist() == other.token_ids.tolist()
    reseeded = asyncio.run(policy.generate(replace(requests[0], seed=99), PARAMS))
    assert reseeded.token_ids.tolist() != alone[0].token_ids.tolist()


def test_a_cut_turn_says_so(policy):
    sample = asyncio.run(policy.generate(begin("cut").to_request(1), SamplingParams(max_tokens=3, stop=())))
    assert (len(sample.token_ids), sample.finish_reason) == (3, "length")


def test_a_later_turn_reads_its_beginning_from_the_prefix_cache(policy):
    before = policy.prompts.cached
    asyncio.run(play(policy, "cache", turns=2, words=350))
    assert policy.prompts.cached - before >= 1024


def test_the_policy_is_not_blind_even_where_the_prefix_cache_knows_the_tokens(policy):
    """The same tokens with another tool image, one after the other: what is kept must not be mixed up."""
    first = asyncio.run(play(policy, "eyes", turns=1, words=300))
    trajectories = []
    for seed in (1, 2):
        transcript = begin("eyes", words=300, first=len("eyes"))
        transcript.append_sample(asyncio.run(policy.generate(transcript.to_request(7, "eyes"), PARAMS)))
        transcript.append_observation(seen("result <image>" + "word " * 150, noise_image(seed, 4, 4)))
        transcript.append_sample(asyncio.run(policy.generate(transcript.to_request(7, "eyes"), PARAMS)))
        trajectories.append(finish(transcript))
    one, other = trajectories
    start = one.turns[1].start
    assert one.turns[0] == other.turns[0]
    assert one.input_ids[:start].tolist() == other.input_ids[:start].tolist()
    assert first.input_ids.tolist() == one.input_ids[: len(first.input_ids)].tolist()
    assert gap(trajectories).max_abs < EXACT
    swapped = [replace(one, images=other.images), replace(other, images=one.images)]
    assert gap(swapped).max_abs > 0.01


def test_pictures_that_the_engine_would_resize_are_refused(policy):
    transcript = Transcript(vocabulary(), name="large")
    transcript.start(SYSTEM, seen("<image>", noise_image(1, 17, 16)))
    assert MAX_PIXELS < 17 * 16 * 784
    with pytest.raises(EngineMismatch, match=r"conversation 'too large', .* are not ours"):
        asyncio.run(policy.generate(transcript.to_request(1, "too large"), PARAMS))


def test_a_temperature_whose_logprobs_would_be_others_is_refused(policy):
    with pytest.raises(ValueError, match=r"temperature 0\.7.*use temperature 0 or 1"):
        asyncio.run(policy.generate(begin("warm").to_request(1), replace(PARAMS, temperature=0.7)))


def test_a_prompt_that_is_too_long_is_refused_and_not_tried_again(policy):
    request = begin("long", words=MAX_LEN).to_request(1)
    with pytest.raises(EngineMismatch, match="2048"):
        asyncio.run(policy.generate(request, PARAMS))


def test_a_cancelled_turn_is_given_up(policy, request):
    async def cancel() -> None:
        params = SamplingParams(max_tokens=1900, stop=())
        task = asyncio.create_task(policy.generate(begin("cancelled").to_request(5), params))
        await asyncio.sleep(0.3)  # of some three seconds; a busy server is too slow to tell when it begins
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while running(policy, request) > 0:
            await asyncio.sleep(0.02)

    asyncio.run(cancel())
    assert asyncio.run(policy.generate(begin("next").to_request(1), PARAMS)).token_ids.size


def running(policy, request) -> float:
    """Turns that the engine works on."""
    if hasattr(policy, "_engine"):
        return policy._engine.output_processor.get_num_unfinished_requests()
    return request.getfixturevalue("servers")[0].metric("vllm:num_requests_running")


def test_new_weights_take_effect_and_nothing_of_the_old_ones_is_kept(policy):
    other = changed_model()

    async def run():
        before = await play(policy, "weights", words=300)
        await policy.update_weights(other)
        changed = await play(policy, "weights", words=300)
        await policy.update_weights(model())
        return before, changed, await play(policy, "weights", words=300)

    before, changed, after = asyncio.run(run())
    assert gap([changed], other).max_abs < EXACT
    assert gap([changed]).max_abs > 0.1
    assert after.input_ids.tolist() == before.input_ids.tolist()
    assert gap([before, after]).max_abs < EXACT


def test_turns_and_weights_do_not_mix(policy):
    """A turn that is under way is finished with the old weights; one that comes meanwhile gets new ones."""
    other = changed_model()

    async def run():
        params = replace(PARAMS, max_tokens=120)
        early = [asyncio.create_task(play(policy, f"e{n}", turns=1, params=params)) for n in range(3)]
        await asyncio.sleep(0.3)
        update = asyncio.create_task(policy.update_weights(other))
        await asyncio.sleep(0.2)
        late = [asyncio.create_task(play(policy, f"l{n}", turns=1)) for n in range(3)]
        await update
        return await asyncio.gather(*early, *late)

    try:
        for trajectory in asyncio.run(run()):
            assert min(gap([trajectory]).max_abs, gap([trajectory], other).max_abs) < EXACT
    finally:
        asyncio.run(policy.update_weights(model()))


def test_tied_weights_are_refused_where_vllm_would_not_renew_the_head(policy):
    with pytest.raises(EngineMismatch, match="tied"):
        asyncio.run(policy.update_weights(tiny().model))
    assert gap([asyncio.run(play(policy, "tied"))]).max_abs < EXACT


def test_a_sleeping_engine_answers_when_it_is_awake(policy):
    async def run():
        await policy.sleep()
        task = asyncio.create_task(play(policy, "asleep"))
        await asyncio.sleep(1)
        assert not task.done()
        await policy.wake()
        return await task

    assert gap([asyncio.run(run())]).max_abs < EXACT
