import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from talk import vocabulary

from agents.sampling import banned_mask, draw, policy_logprobs, uniforms

BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


def test_ids_that_the_tokenizer_does_not_know_are_banned():
    mask = banned_mask(vocabulary(), vocabulary().size + 3)
    assert set(mask.nonzero().squeeze(1).tolist()) == {
        *vocabulary().banned_ids,
        *range(vocabulary().size, vocabulary().size + 3),
    }
    assert not mask[vocabulary().im_end]


def test_logprobs_are_those_of_the_softmax_without_banned_tokens():
    logits = torch.tensor([[2.0, 1.0, 50.0, 0.0]], dtype=torch.bfloat16)
    logprobs = policy_logprobs(logits, torch.tensor([False, False, True, False]))
    kept = torch.log_softmax(torch.tensor([2.0, 1.0, 0.0]), dim=0)
    torch.testing.assert_close(logprobs[0, [0, 1, 3]], kept)
    assert logprobs[0, 2] == float("-inf")


def test_drawing_follows_the_distribution_and_the_temperature():
    logits = torch.tensor([0.0, 1.0, 2.0, 9.0])
    logprobs = policy_logprobs(logits, torch.tensor([False, False, False, True])).expand(20_000, -1)
    noise = torch.from_numpy(uniforms(0, 0, 20_000))
    for temperature in (0.5, 1.0, 2.0):
        drawn = draw(logprobs, temperature, noise)
        found = torch.bincount(drawn, minlength=4) / len(drawn)
        expected = torch.softmax(logits[:3] / temperature, dim=0)
        assert (found[:3] - expected).abs().max() < 0.015
        assert found[3] == 0
    assert (draw(logprobs[:5], 0.0, noise[:5]) == 2).all()


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=40),
    st.floats(0, BELOW_ONE, width=32) | st.sampled_from([0.0, BELOW_ONE]),
    st.data(),
)
def test_a_banned_token_is_never_drawn(logits, uniform, data):
    allowed = data.draw(st.integers(0, len(logits) - 1))
    banned = torch.tensor([data.draw(st.booleans()) and i != allowed for i in range(len(logits))])
    logprobs = policy_logprobs(torch.tensor([logits]), banned)
    for temperature in (0.0, 0.3, 1.0, 1.7):
        token = draw(logprobs, temperature, torch.tensor([uniform], dtype=torch.float32))
        assert not banned[token]


def test_uniform_numbers_depend_on_seed_and_position_only():
    numbers = uniforms(5, 10, 100)
    assert numbers.dtype == np.float32
    assert ((numbers >= 0) & (numbers < 1)).all()
    np.testing.assert_array_equal(uniforms(5, 10, 1000)[:100], numbers)
    assert (uniforms(6, 10, 100) != numbers).any()
    assert (uniforms(5, 11, 100) != numbers).any()
    assert uniforms(2**70, 0, 1).shape == (1,)
