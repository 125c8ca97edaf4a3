import numpy as np
import pytest
from PIL import Image

from deepeyes_env.search.local.tiles import (
    LATTICE,
    MOST_OBLONG,
    SIDE,
    WHOLE,
    WINDOWS,
    cosines,
    hashes,
    planes,
    spectra,
    tile_hashes,
)

NOISE = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE)).astype(np.float32)


def test_windows_cover_every_picture() -> None:
    assert WINDOWS[0] == (WHOLE, WHOLE)
    assert len(set(WINDOWS)) == len(WINDOWS)
    for (top, bottom), (left, right) in WINDOWS:
        assert 0 <= top < bottom <= LATTICE
        assert 0 <= left < right <= LATTICE
        assert 1 / MOST_OBLONG <= (bottom - top) / (right - left) <= MOST_OBLONG


@pytest.mark.parametrize("span", [(0, 48), (12, 36), (7, 27)])
def test_the_cosines_are_orthonormal_on_their_span(span: tuple[int, int]) -> None:
    basis = cosines((span,), 8)[0]
    inside = basis.sum(axis=0)
    outside = [column for column in range(SIDE) if not span[0] <= column * LATTICE / SIDE <= span[1]]
    assert not inside[[column for column in outside if column * LATTICE / SIDE < span[0] - 1]].any()
    gram = basis @ basis.T * SIDE * (span[1] - span[0]) / LATTICE
    assert np.allclose(gram, np.eye(8), atol=0.12)


def test_the_first_frequency_is_the_mean_of_the_window() -> None:
    basis = cosines(((0, 24), (24, 48)), 4)
    means = spectra(NOISE, basis, basis)[..., 0, 0]
    half = SIDE // 2
    assert np.allclose(means, NOISE.reshape(2, half, 2, half).mean(axis=(1, 3)), rtol=1e-4)


def test_a_window_is_hashed_as_the_picture_of_it() -> None:
    bits, shown = tile_hashes(NOISE)
    place = WINDOWS.index(((12, 36), (12, 36)))
    quarter = np.kron(NOISE[16:48, 16:48], np.ones((2, 2), dtype=np.float32))
    basis = cosines((WHOLE,), 8)
    ((alone,), _) = hashes(spectra(quarter, basis, basis)[0])
    assert shown.all()
    assert int(bits[place] ^ alone).bit_count() == 0


def test_light_does_not_change_a_hash() -> None:
    bits, _ = tile_hashes(NOISE)
    other, _ = tile_hashes(NOISE * 0.6 + 30)
    assert np.bitwise_count(bits ^ other).mean() < 0.5


def test_plain_windows_show_nothing() -> None:
    pixels = planes(Image.new("L", (3, 500), 77))
    assert pixels.shape == (3, SIDE, SIDE)
    bits, shown = tile_hashes(pixels[0].astype(np.float32))
    assert not shown.any()
    assert not bits.any()
