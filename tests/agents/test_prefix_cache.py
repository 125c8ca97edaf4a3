import numpy as np
import torch
from talk import noise_image

from agents.prefix_cache import Prefix, PrefixCache, prefix_key
from agents.trajectory import ImageSpan

IDS = np.arange(20, dtype=np.int64)
SPANS = (ImageSpan(2, 4, (1, 4, 4)), ImageSpan(12, 4, (1, 4, 4)))


def prefix(tokens: int, *, whole: bool = False) -> Prefix:
    return Prefix(torch.zeros(1, 2, 1, tokens, 2), torch.zeros(3) if whole else None)


def test_the_name_tells_ids_and_the_images_inside():
    images = (noise_image(0), noise_image(1))
    name = prefix_key(IDS[:10], SPANS, images)
    assert name == prefix_key(IDS[:10].copy(), SPANS[:1], images[:1])
    assert name == prefix_key(IDS[:10], SPANS, (images[0], noise_image(7)))
    assert name != prefix_key(IDS[:10], SPANS, (noise_image(7), images[1]))
    assert name != prefix_key(IDS[:9], SPANS, images)
    assert name != prefix_key(IDS[:10] + 1, SPANS, images)
    assert name != prefix_key(IDS[:10], (), ())


def test_the_oldest_go_first_and_the_bound_holds():
    cache = PrefixCache(max_bytes=3 * prefix(4).nbytes)
    for name in (b"a", b"b", b"c"):
        cache.put(name, prefix(4))
    assert cache.nbytes == cache.max_bytes
    cache.put(b"d", prefix(4))
    assert [name in cache for name in (b"a", b"b", b"c", b"d")] == [False, True, True, True]
    cache.put(b"e", prefix(8))
    assert [name in cache for name in (b"b", b"c", b"d", b"e")] == [False, False, True, True]
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


def test_a_prompt_stays_and_a_continued_turn_is_the_next_to_go():
    cache = PrefixCache(max_bytes=4 * prefix(4).nbytes)
    for name in (b"prompt", b"one", b"two"):
        cache.put(name, prefix(4, whole=name == b"prompt"))
    assert cache.prompt(b"prompt") is not None
    assert cache.past(b"two") is not None
    cache.put(b"three", prefix(4))
    cache.put(b"four", prefix(4))
    assert b"two" not in cache
    assert b"prompt" in cache
    assert cache.past(b"nothing") is cache.prompt(b"nothing") is cache.prompt(b"one") is None
