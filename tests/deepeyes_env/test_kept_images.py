"""Images that a client keeps: by hash, under a limit of bytes, the least recently used forgotten first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.kept_images import KeptImages

IMAGES = [EncodedImage.from_pil(Image.new("RGB", (28, 28 + n), (n, 0, 0))) for n in range(8)]
SIZES = [len(image.data) for image in IMAGES]


@given(st.lists(st.tuples(st.sampled_from(range(8)), st.booleans())), st.integers(0, 6))
def test_it_keeps_what_was_used_last(uses: list[tuple[int, bool]], room: int) -> None:
    limit = room * max(SIZES)
    kept = KeptImages(limit)
    order: list[int] = []  # the last used one last
    for number, asked in uses:
        if asked:
            assert kept.get(IMAGES[number].sha256) is (IMAGES[number] if number in order else None)
        else:
            kept.add(IMAGES[number])
        if number in order or not asked:
            order = [other for other in order if other != number] + [number]
        while sum(SIZES[other] for other in order) > limit:
            order.pop(0)
    assert list(kept.newest(8)) == [IMAGES[number].sha256 for number in reversed(order)]
    assert list(kept.newest(2)) == list(kept.newest(8))[:2]
    kept.clear()
    assert kept.newest(8) == {}
