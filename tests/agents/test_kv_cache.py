import torch
from talk import tiny

from agents.kv_cache import SPARE_COLUMNS, KVCache


def empty(max_rows: int = 8) -> KVCache:
    return KVCache(tiny().model.config.text_config, max_rows, torch.float32, torch.device("cpu"))


def layer(rows: int, tokens: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, rows, 2, tokens, 32, generator=generator)
    return keys, values


def test_what_was_written_is_read_back_after_growing():
    cache = empty()
    cache.reserve(2, 5)
    keys, values = layer(2, 5, seed=0)
    cache.prompts(slice(0, 2)).update(keys, values, 1)
    cache.reserve(7, SPARE_COLUMNS + 1)
    for row in range(2):
        beginning = cache.read(row, 4)
        assert beginning.shape == (2, 2, 2, 4, 32)
        torch.testing.assert_close(beginning[1, 0], keys[row, :, :4], rtol=0, atol=0)
        torch.testing.assert_close(beginning[1, 1], values[row, :, :4], rtol=0, atol=0)


def test_rows_begin_with_what_is_written_or_copied():
    cache = empty()
    cache.reserve(6, 5)
    cache.prompts(slice(1, 2)).update(*layer(1, 5, seed=0), 0)
    beginning = cache.read(1, 3)
    cache.copy(1, slice(3, 6), 3)
    cache.write(slice(0, 1), beginning)
    for row in (0, 3, 4, 5):
        torch.testing.assert_close(cache.read(row, 3), beginning, rtol=0, atol=0)
        assert not cache.read(row, 5)[..., 3:, :].any()


def test_tokens_and_continuations_stand_behind_what_is_there():
    cache = empty()
    cache.reserve(2, 9)
    prompt, token, more = layer(2, 4, seed=0), layer(2, 1, seed=1), layer(2, 3, seed=2)
    cache.prompts(slice(0, 2)).update(*prompt, 0)
    lengths = torch.tensor([4, 2])
    keys, values = cache.tokens(lengths, 5).update(*token, 0)
    assert keys.shape == values.shape == (2, 2, 5, 32)
    fresh = torch.tensor([1, 3])
    keys, values = cache.continuations(slice(0, 2), lengths + 1, fresh).update(*more, 0)
    assert keys.shape == (2, 2, 6, 32)
    for part, before, one, new in zip((keys, values), prompt, token, more, strict=True):
        for row in range(2):
            whole = torch.cat([before[row, :, : lengths[row]], one[row], new[row, :, : fresh[row]]], dim=1)
            torch.testing.assert_close(part[row, :, : whole.shape[1]], whole, rtol=0, atol=0)


def test_memory_grows_in_steps_up_to_the_bound_of_rows():
    cache = empty(max_rows=5)
    cache.reserve(3, 1)
    cache.reserve(4, 1)
    assert cache._tensor.shape[2:5] == (5, 2, SPARE_COLUMNS)
    assert cache.token_bytes == cache._tensor[:, :, 0, :, 0].nbytes
