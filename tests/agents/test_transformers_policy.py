import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from talk import finish, mixed, noise_image, prompt, seen, tiny, vocabulary

from agents.batch import collate, token_logprobs, token_logprobs_and_entropy
from agents.kv_cache import SPARE_COLUMNS
from agents.pixels import PixelCache
from agents.policy import GenerationRequest, Policy, SamplingParams
from agents.positions import rope_positions
from agents.trajectory import check_trajectory
from agents.transcript import Transcript
from agents.transformers_policy import TransformersPolicy

PARAMS = SamplingParams(max_tokens=24)


@pytest.fixture(scope="module")
def policy() -> TransformersPolicy:
    return TransformersPolicy(tiny().model, tiny().tokenizer)


def by_hugging_face(request: GenerationRequest, count: int) -> list[int]:
    """Greedy decoding without cache and without anything of ours: banned ids aside, the plain model."""
    ids, chosen = list(request.input_ids), []
    pixels, grid = PixelCache()(request.images) if request.images else (None, None)
    for _ in range(count):
        input_ids = torch.tensor([ids])
        logits = (
            tiny()
            .model(
                input_ids=input_ids,
                attention_mask=torch.ones_like(input_ids),
                mm_token_type_ids=(input_ids == vocabulary().image_pad).long(),
                pixel_values=pixels,
                image_grid_thw=grid,
            )
            .logits[0, -1]
        )
        logits[sorted(vocabulary().banned_ids)] = float("-inf")
        chosen.append(int(logits[: vocabulary().size].argmax()))
        ids.append(chosen[-1])
    return chosen


def test_is_a_policy(policy):
    assert isinstance(policy, Policy)
    assert policy.generate_all([], PARAMS) == []


def test_greedy_equals_plain_hugging_face_with_mixed_lengths_and_images(policy):
    samples = policy.generate_all(mixed(), replace(PARAMS, temperature=0.0, max_tokens=8, stop=()))
    for request, sample in zip(mixed(), samples, strict=True):
        with torch.no_grad():
            assert sample.token_ids.tolist() == by_hugging_face(request, 8)[: len(sample.token_ids)]
        assert (sample.logprobs <= 0).all()


def test_a_sample_does_not_depend_on_the_batch(policy):
    together = policy.generate_all(mixed(), PARAMS)
    for request, sample in zip(mixed(), together, strict=True):
        [alone] = policy.generate_all([request], PARAMS)
        np.testing.assert_array_equal(alone.token_ids, sample.token_ids)
        np.testing.assert_allclose(alone.logprobs, sample.logprobs, atol=1e-4)


def test_the_seed_decides(policy):
    request = prompt(1, 2).to_request(7)
    first, again, other = policy.generate_all([request, request, replace(request, seed=8)], PARAMS)
    np.testing.assert_array_equal(first.token_ids, again.token_ids)
    assert first.token_ids.tolist() != other.token_ids.tolist()


def test_a_shorter_turn_is_the_beginning_of_a_longer_one(policy):
    request = prompt(1, 2).to_request(7)
    [long] = policy.generate_all([request], replace(PARAMS, max_tokens=20, stop=()))
    [short] = policy.generate_all([request], replace(PARAMS, max_tokens=5, stop=()))
    assert short.token_ids.tolist() == long.token_ids[:5].tolist()
    assert short.finish_reason == "length"
    assert short.text == vocabulary().decode(short.token_ids)


def played(policy, images: int, seed: int) -> Transcript:
    """An episode of three sampled turns, with as many images in every observation."""
    transcript = prompt(images, seed, first=seed)
    for turn in range(3):
        [sample] = policy.generate_all([transcript.to_request(seed)], PARAMS)
        transcript.append_sample(sample)
        if turn < 2:
            pictures = [noise_image(50 + 10 * seed + n, 3, 2 + turn) for n in range(images)]
            transcript.append_observation(seen("result " + "<image>" * images, *pictures))
    return transcript


def test_training_logprobs_equal_the_sampled_ones(policy):
    trajectories = [finish(played(policy, images, seed)) for seed, images in enumerate([0, 1, 2, 1])]
    for trajectory in trajectories:
        check_trajectory(trajectory)
    batch = collate(trajectories, vocabulary(), policy.pixels)
    scored = token_logprobs(tiny().model, batch, policy.banned)
    assert scored.shape == (4, batch.input_ids.shape[1] - 1)
    assert (scored - batch.logprobs[:, 1:]).abs().max() < 1e-4
    assert (scored[~batch.loss_mask[:, 1:]] == 0).all()
    assert scored[batch.loss_mask[:, 1:]].mean() < -0.1


def test_training_logprobs_have_gradients_after_sampling(policy):
    trajectory = finish(played(policy, 1, 0))
    batch = collate([trajectory], vocabulary(), policy.pixels)
    tiny().model.zero_grad()
    token_logprobs(tiny().model, batch, policy.banned).sum().backward()
    assert tiny().model.model.visual.patch_embed.proj.weight.grad.abs().sum() > 0
    tiny().model.zero_grad(set_to_none=True)


def test_entropy_is_that_of_the_distribution_without_banned_tokens(policy):
    batch = collate([finish(played(policy, 1, 0))], vocabulary(), policy.pixels)
    with torch.no_grad():
        _, entropy = token_logprobs_and_entropy(tiny().model, batch, policy.banned)
        logits = (
            tiny()
            .model(
                input_ids=batch.input_ids,
                pixel_values=batch.pixel_values,
                image_grid_thw=batch.image_grid_thw,
                mm_token_type_ids=batch.mm_token_type_ids,
                attention_mask=batch.attention_mask,
            )
            .logits
        )
    expected = torch.distributions.Categorical(logits=logits[..., ~policy.banned]).entropy()[:, :-1]
    wanted = batch.loss_mask[:, 1:]
    assert (entropy[wanted] - expected[wanted]).abs().max() < 1e-4
    assert (entropy[~wanted] == 0).all()


def test_the_policy_is_not_blind(policy):
    seeing = finish(played(policy, 1, 0))
    changed = replace(seeing, images=(*seeing.images[:-1], noise_image(999, 3, 3)))
    batch = collate([seeing, changed], vocabulary(), policy.pixels)
    with torch.no_grad():
        one, other = token_logprobs(tiny().model, batch, policy.banned)
    last = seeing.turns[-1]
    assert (one - other)[: last.start - 20].abs().max() < 1e-4
    assert (one - other)[last.start - 1 : last.end - 1].abs().max() > 1e-2


def test_generation_sees_the_images(policy):
    transcript, other = prompt(1, 2, first=0), prompt(1, 2, first=500)
    greedy = replace(PARAMS, temperature=0.0)
    one, two = policy.generate_all([transcript.to_request(0), other.to_request(0)], greedy)
    assert abs(one.logprobs[0] - two.logprobs[0]) > 1e-3


@pytest.mark.parametrize("temperature", [0.0, 1.0, 3.0])
def test_banned_tokens_are_never_sampled_even_when_forced(temperature):
    qwen = tiny()
    banned = sorted(vocabulary().banned_ids)
    policy = TransformersPolicy(qwen.model, qwen.tokenizer)

    def force(_module, _inputs, logits):
        logits[..., banned] = 1e4
        logits[..., vocabulary().size :] = 1e4
        return logits

    handle = qwen.model.lm_head.register_forward_hook(force)
    try:
        samples = policy.generate_all(mixed(), replace(PARAMS, temperature=temperature))
    finally:
        handle.remove()
    for sample in samples:
        assert not set(sample.token_ids.tolist()) & set(banned)
        assert sample.token_ids.max() < vocabulary().size
        assert np.isfinite(sample.logprobs).all()


def spell(text: str, ids: list[int] | None = None):
    """Make the model say `text`, whatever it sees: a hook that forces one token after the other."""
    wanted, said = (vocabulary().encode(text) if ids is None else ids), [0]

    def force(_module, _inputs, logits):
        forced = torch.full_like(logits, -1e4)
        forced[..., wanted[min(said[0], len(wanted) - 1)]] = 1e4
        said[0] += 1
        return forced

    return tiny().model.lm_head.register_forward_hook(force)


@pytest.mark.parametrize(
    ("said", "stop", "text", "reason"),
    [
        ("<think>七</think><code>x</code> more", ("</code>",), "<think>七</think><code>x</code>", "stop"),
        ("<answer>7</answer>\n\nmore", ("</code>", "</answer>"), "<answer>7</answer>", "stop"),
        ("ending 七 in a character", ("七",), "ending 七", "stop"),
        ("nothing to stop at, but a limit", ("</code>",), None, "length"),
    ],
)
def test_stop_strings_end_a_turn_and_stay_in_it(policy, said, stop, text, reason):
    handle = spell(said)
    try:
        [sample] = policy.generate_all([prompt(0, 1).to_request(0)], SamplingParams(1.0, 80, stop))
    finally:
        handle.remove()
    assert sample.finish_reason == reason
    if text is None:
        assert len(sample.token_ids) == 80
    else:
        assert sample.text == text
        assert text not in vocabulary().decode(sample.token_ids[:-1])


def test_the_end_of_turn_token_is_kept_in_the_ids_only(policy):
    handle = spell("", [*vocabulary().encode("done"), vocabulary().im_end])
    try:
        [sample] = policy.generate_all([prompt(0, 1).to_request(0)], PARAMS)
    finally:
        handle.remove()
    assert (sample.text, sample.finish_reason) == ("done", "stop")
    assert sample.token_ids[-1] == vocabulary().im_end


def test_rows_of_a_group_end_at_different_times(policy):
    request = prompt(1, 2).to_request(0)
    requests = [replace(request, seed=seed) for seed in range(12)] + [prompt(0, 60).to_request(9)]
    params = SamplingParams(1.0, 100, stop=("a", "e", "i"))
    samples = policy.generate_all(requests, params)
    assert len({len(sample.token_ids) for sample in samples}) > 2
    for request, sample in zip(requests, samples, strict=True):
        [alone] = policy.generate_all([request], params)
        np.testing.assert_array_equal(alone.token_ids, sample.token_ids)


def test_a_turn_longer_than_the_spare_columns_of_the_cache(policy):
    def never_end(_module, _inputs, logits):
        logits[..., vocabulary().im_end] = -1e4
        return logits

    requests = [prompt(1, 2).to_request(0), prompt(0, 60).to_request(9)]
    params = SamplingParams(0.0, 2 * SPARE_COLUMNS + 10, stop=())
    handle = tiny().model.lm_head.register_forward_hook(never_end)
    try:
        together = policy.generate_all(requests, params)
        [alone] = policy.generate_all(requests[1:], params)
    finally:
        handle.remove()
    np.testing.assert_array_equal(alone.token_ids, together[1].token_ids)
    whole = np.concatenate([requests[1].input_ids, alone.token_ids])
    with torch.no_grad():
        logits = tiny().model(input_ids=torch.from_numpy(whole)[None]).logits[0]
    logits[:, policy.banned] = logits[:, vocabulary().im_end] = -1e4
    begin = len(requests[1].input_ids) - 1
    np.testing.assert_array_equal(logits[begin:-1].argmax(dim=-1).numpy(), alone.token_ids)


def test_small_prefill_passes_give_the_same(policy, monkeypatch):
    expected = policy.generate_all(mixed(), PARAMS)
    monkeypatch.setattr("agents.prefill.PREFILL_TOKENS", 1)
    monkeypatch.setattr("agents.prefill.VISION_PATCHES", 1)
    for sample, other in zip(policy.generate_all(mixed(), PARAMS), expected, strict=True):
        np.testing.assert_array_equal(sample.token_ids, other.token_ids)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing:FutureWarning")
def test_training_mode_and_checkpointing_are_respected(policy):
    model = tiny().model
    expected = policy.generate_all(mixed()[:2], PARAMS)
    model.gradient_checkpointing_enable()
    model.train()
    try:
        samples = policy.generate_all(mixed()[:2], PARAMS)
        assert model.training
    finally:
        model.gradient_checkpointing_disable()
        model.eval()
    for sample, other in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(sample.token_ids, other.token_ids)


def test_stale_state_in_the_model_changes_nothing(policy):
    trajectory = finish(played(policy, 1, 0))
    batch = collate([trajectory], vocabulary(), policy.pixels)
    inner = tiny().model.model
    before = inner.rope_deltas
    expected = policy.generate_all(mixed(), PARAMS)
    try:
        inner.rope_deltas = torch.full((1, 1), 1000)
        samples = policy.generate_all(mixed(), PARAMS)
        with torch.no_grad():
            scored = token_logprobs(tiny().model, batch, policy.banned)
        assert inner.rope_deltas.item() == 1000
    finally:
        inner.rope_deltas = before
    for sample, other in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(sample.logprobs, other.logprobs)
    assert (scored - batch.logprobs[:, 1:]).abs().max() < 1e-4


def test_a_request_whose_images_and_placeholders_disagree_is_refused(policy):
    request = prompt(2, 1).to_request(0)
    with pytest.raises(ValueError, match=r"request 1: .*2 spans .* 1 images do not agree"):
        policy.generate_all([request, replace(request, images=request.images[:1])], PARAMS)


def test_another_attention_is_refused():
    from agents.tiny import TinyShape, build_tiny

    qwen = build_tiny(shape=TinyShape(hidden=32, layers=1, vision_layers=1))
    qwen.model.set_attn_implementation("eager")
    with pytest.raises(ValueError, match="attn_implementation='sdpa'"):
        TransformersPolicy(qwen.model, qwen.tokenizer)


def test_positions_equal_the_models_own():
    for request in mixed():
        own, following = rope_positions(len(request.input_ids), request.image_spans)
        ids = torch.from_numpy(request.input_ids)[None]
        grid = torch.tensor([span.grid for span in request.image_spans]) if request.images else None
        theirs, deltas = tiny().model.model.get_rope_index(
            ids, (ids == vocabulary().image_pad).long(), image_grid_thw=grid
        )
        np.testing.assert_array_equal(own, theirs[:, 0].numpy())
        assert following == len(request.input_ids) + deltas.item()


def test_bfloat16_samples_and_scores_agree_to_its_precision():
    model = copy.deepcopy(tiny().model).to(torch.bfloat16)
    policy = TransformersPolicy(model, tiny().tokenizer)
    trajectory = finish(played(policy, 1, 0))
    batch = collate([trajectory], vocabulary(), policy.pixels)
    with torch.no_grad():
        scored = token_logprobs(model, batch, policy.banned)
    assert scored.dtype == torch.float32
    assert (scored - batch.logprobs[:, 1:]).abs().mean() < 0.05


def test_the_pixel_cache_is_bounded_and_changes_nothing():
    images = [noise_image(seed) for seed in range(4)]
    fresh, grid = PixelCache(max_bytes=0)(images)
    size = fresh.nbytes // 4
    cache = PixelCache(max_bytes=2 * size)
    for _ in range(2):
        cached, again = cache([*images, images[0]])
        torch.testing.assert_close(cached[: len(fresh)], fresh, rtol=0, atol=0)
        torch.testing.assert_close(again[:4], grid)
        assert sum(patches.nbytes for patches, _ in cache._cache.values()) == cache._bytes <= 2 * size
