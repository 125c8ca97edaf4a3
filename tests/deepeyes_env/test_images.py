import contextlib
import dataclasses
import gc
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from deepeyes_env import images
from deepeyes_env.images import (
    MAX_PIXELS,
    MIN_PIXELS,
    PATCH_FACTOR,
    EncodedImage,
    ImageError,
    decode_rgb,
    freeze,
    smart_resize,
    to_rgb,
)


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    channels = len(mode)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels.squeeze(), mode)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_encoding_is_lossless_and_named_by_its_bytes():
    image = noise(40, 30)
    encoded = EncodedImage.from_pil(image)
    assert (encoded.width, encoded.height, encoded.pixels) == (40, 30, 1200)
    assert np.array_equal(np.asarray(encoded.decode()), np.asarray(image))
    assert EncodedImage.from_bytes(encoded.data) == encoded
    assert EncodedImage.from_pil(image).sha256 == encoded.sha256
    assert EncodedImage.from_pil(noise(40, 30, seed=1)).sha256 != encoded.sha256


def test_equal_bytes_are_one_object_while_anybody_has_it():
    one = EncodedImage.from_bytes(EncodedImage.from_pil(noise(40, 30, seed=7)).data)
    assert EncodedImage.from_bytes(bytes(bytearray(one.data))) is one
    assert EncodedImage(bytes(bytearray(one.data)), 40, 30, one.sha256).shared() is one
    assert pickle.loads(pickle.dumps(one)) == one
    liar = EncodedImage(one.data, 30, 40, one.sha256)
    assert liar.shared() is liar
    assert one.shared() is one
    name = one.sha256
    del one, liar
    assert name not in images._SHARED


def test_equal_pictures_are_encoded_once_and_their_bytes_kept_once_while_anybody_has_one(monkeypatch):
    saved = _saves(monkeypatch)
    one, twin, third = (EncodedImage.from_pil(noise(40, 30, seed=7)) for _ in range(3))
    assert one.data is twin.data
    del one
    assert third.data is twin.data
    assert EncodedImage.from_bytes(bytes(bytearray(third.data))).data is third.data
    assert third.shared() == third
    assert saved == [1]
    name, key = twin.sha256, twin.key
    del twin, third
    assert name not in images._SHARED
    assert key not in images._ENCODED


def test_threads_that_ask_at_once_get_the_same_bytes(monkeypatch):
    saved = _saves(monkeypatch)
    pictures = [EncodedImage.from_pil(noise(300, 200, seed=5)) for _ in range(4)] * 4
    with ThreadPoolExecutor(16) as pool:
        data = list(pool.map(lambda image: (image.key, image.data, image.sha256), pictures))
    assert len(set(data)) == 1
    assert saved == [1]


def _saves(monkeypatch):
    saved = []
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *a, **k: (saved.append(1), save(*a, **k))[1])
    return saved


def test_a_painted_picture_is_hashed_when_its_key_is_asked_for(monkeypatch):
    hashed = []
    pixel_hash = images.pixel_hash
    monkeypatch.setattr(images, "pixel_hash", lambda image: (hashed.append(1), pixel_hash(image))[1])
    one = EncodedImage.from_pil(noise(20, 10))
    one.decode(), one.decode_shared()
    assert one == one
    assert hashed == []
    assert one.key == one.key
    assert hashed == [1]


def test_a_picture_is_resized_when_its_pixels_or_their_hash_are_asked_for(monkeypatch):
    resized = []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda *a, **k: (resized.append(1), resize(*a, **k))[1])
    expected = EncodedImage.from_pil(resize(noise(20, 10), (28, 56), Image.Resampling.BICUBIC))
    asked = ("decode", "decode_shared", "encode", "key", "sha256", "data")
    for name in asked:
        image = EncodedImage.owning(noise(20, 10), (28, 56))
        assert (image.width, image.height, resized) == (28, 56, [])
        got = getattr(image, name)
        if callable(got):
            got()
        assert image == expected
        assert (image.key, image.data, image.sha256) == (expected.key, expected.data, expected.sha256)
        assert image.decode().tobytes() == image.decode_shared().tobytes() == expected.decode().tobytes()
        assert resized == [1]
        resized.clear()
    assert pickle.loads(pickle.dumps(EncodedImage.owning(noise(20, 10), (28, 56)))) == expected


def test_threads_that_ask_at_once_wait_for_one_to_resize(monkeypatch):
    resized = []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda *a, **k: (resized.append(1), resize(*a, **k))[1])
    image = EncodedImage.owning(noise(400, 400), (420, 420))
    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(lambda _: (image.decode_shared().tobytes(), image.key, image.data), range(16)))
    assert len(set(seen)) == 1
    assert resized == [1]


def test_a_frozen_picture_is_not_copied_and_does_not_change_either():
    picture = freeze(noise(20, 10))
    image = EncodedImage.from_pil(picture)
    assert image.decode_shared().im is picture.im
    picture.paste(0, (0, 0, 20, 10))
    assert image.decode().tobytes() == noise(20, 10).tobytes()


def test_a_file_can_be_frozen_before_it_is_read():
    buffer = io.BytesIO()
    noise(20, 10).save(buffer, "PNG")
    image = EncodedImage.from_pil(freeze(Image.open(buffer)))
    assert image.decode().tobytes() == noise(20, 10).tobytes()


def test_an_image_in_its_size_waits_for_no_other():
    """The locks are few, and another image may be resized under the same one."""
    image = EncodedImage.owning(noise(20, 10), (28, 56))
    image.decode_shared()
    with contextlib.ExitStack() as stack:
        for lock in images._RESIZING._locks:
            stack.enter_context(lock)
        assert image.key
        assert image.data


def test_a_file_that_is_not_read_yet_is_read_and_not_taken_for_frozen():
    buffer = io.BytesIO()
    noise(20, 10).save(buffer, "PNG")
    file = Image.open(buffer)
    assert file.readonly
    image = EncodedImage.from_pil(file)
    file.paste(0, (0, 0, 20, 10))
    assert image.decode().tobytes() == noise(20, 10).tobytes()


def test_who_paints_over_a_shared_picture_has_it_for_himself():
    painted = EncodedImage.from_pil(noise(20, 10))
    encoded = EncodedImage.from_bytes(EncodedImage.from_pil(noise(20, 10)).data)
    for image in (painted, encoded):
        mine, other = image.decode_shared(), image.decode_shared()
        mine.paste((0, 0, 255), (0, 0, 20, 10))
        for seen in (other, image.decode_shared(), image.decode()):
            assert np.array_equal(np.asarray(seen), np.asarray(noise(20, 10)))
    assert EncodedImage.from_bytes(painted.data).decode().tobytes() == noise(20, 10).tobytes()


def test_a_painted_picture_is_shared_by_its_bytes_at_once():
    one, other = (EncodedImage.from_pil(noise(20, 10, seed=5)) for _ in range(2))
    assert one.shared() == other.shared() == one


def test_the_bytes_of_a_picture_are_those_of_its_pixels():
    plain, profiled, transparent = (noise(20, 10, seed=6) for _ in range(3))
    profiled.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    expected = EncodedImage.from_pil(plain).data
    gc.collect()
    assert EncodedImage.from_pil(profiled).data == expected
    transparent.info["transparency"] = transparent.getpixel((0, 0))
    shown = EncodedImage.from_pil(transparent)
    assert shown.decode().getpixel((0, 0)) == (255, 255, 255)
    assert "transparency" not in Image.open(io.BytesIO(shown.data)).info


def test_of_16_bits_the_upper_8_are_kept():
    ramp = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    shown = np.asarray(EncodedImage.from_bytes(buffer.getvalue()).decode())
    assert np.array_equal(shown[..., 0], ramp >> 8)


def test_a_painted_picture_is_encoded_when_its_bytes_or_their_hash_are_asked_for(monkeypatch):
    saved = _saves(monkeypatch)
    one, other = (EncodedImage.from_pil(noise(20, 10, seed=seed)) for seed in (8, 9))
    assert one.key != other.key
    assert one != other
    assert one == EncodedImage.from_pil(noise(20, 10, seed=8))
    assert np.array_equal(np.asarray(one.decode()), np.asarray(one.decode_shared()))
    assert (one.width, one.height, repr(one)) == (
        20,
        10,
        f"EncodedImage(width=20, height=10, key='{one.key}')",
    )
    assert saved == []
    key = one.key
    assert one.sha256 == hashlib.sha256(one.data).hexdigest()
    assert saved == [1]
    assert one.key == key
    assert np.array_equal(np.asarray(one.decode()), np.asarray(noise(20, 10, seed=8)))
    assert one.decode_shared().im is one.decode_shared().im
    assert one == EncodedImage(one.data, 20, 10, one.sha256)
    assert EncodedImage(one.data, 20, 10, one.sha256) == one
    assert hash(one) == hash(EncodedImage(one.data, 20, 10, one.sha256))
    other = dataclasses.replace(one, data=b"other")
    assert (other.data, other.sha256) == (b"other", one.sha256)
    assert other != one


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_what_is_painted_over_a_picture_later_does_not_change_the_image(mode):
    picture = noise(20, 10, mode)
    before = np.asarray(to_rgb(picture)).copy()
    encoded = EncodedImage.from_pil(picture)
    encoded.decode().paste(0, (0, 0, 20, 10))
    picture.paste(0, (0, 0, 20, 10))
    picture.putpixel((3, 3), 1)
    assert np.array_equal(np.asarray(encoded.decode()), before)
    assert np.array_equal(np.asarray(decode_rgb(encoded.data)), before)


def test_bytes_of_a_file_are_kept_unchanged():
    buffer = io.BytesIO()
    noise(64, 48).save(buffer, format="JPEG")
    assert EncodedImage.from_bytes(buffer.getvalue()).data == buffer.getvalue()


def test_exif_orientation_is_applied_to_size_and_pixels():
    image = noise(60, 20)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", exif=exif)
    encoded = EncodedImage.from_bytes(buffer.getvalue())
    assert (encoded.width, encoded.height) == encoded.decode().size == (20, 60)


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_undecodable_bytes_are_refused_with_the_formats_named(data):
    with pytest.raises(ImageError, match=r"does not decode.*PNG, JPEG"):
        EncodedImage.from_bytes(data)


def test_a_truncated_file_is_refused():
    data = EncodedImage.from_pil(noise(200, 200)).data
    with pytest.raises(ImageError, match="does not decode"):
        EncodedImage.from_bytes(data[: len(data) // 2])


def test_the_area_can_be_limited_further():
    data = EncodedImage.from_pil(noise(20, 10)).data
    assert decode_rgb(data, 200).size == (20, 10)
    with pytest.raises(ImageError, match="20x10 pixels exceeds the limit of 199 pixels"):
        decode_rgb(data, 199)


@given(
    st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_broken_files_raise_nothing_but_image_errors(name, changes, end):
    buffer = io.BytesIO()
    noise(12, 9).save(buffer, format=name)
    data = bytearray(buffer.getvalue())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    with contextlib.suppress(ImageError):
        decode_rgb(bytes(data[: max(1, int(end * len(data)))]), 10_000)


@pytest.mark.parametrize("side", [20_000, 100_000])
def test_a_decompression_bomb_is_refused_before_decoding(side):
    with pytest.raises(ImageError, match=r"exceeds|bomb"):
        EncodedImage.from_bytes(png_claiming(side, side))


def test_transparency_is_laid_over_white():
    assert to_rgb(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("RGBA", (1, 1), (9, 8, 7, 255))).getpixel((0, 0)) == (9, 8, 7)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_common_mode_becomes_rgb(mode):
    assert to_rgb(Image.new(mode, (3, 2))).mode == "RGB"


sides = st.integers(1, 5000)


@given(sides, sides)
def test_smart_resize_is_inside_the_budget_and_idempotent(height, width):
    if max(height, width) / min(height, width) > 200:
        with pytest.raises(ImageError, match="aspect ratio"):
            smart_resize(height, width)
        return
    new = smart_resize(height, width)
    assert all(side % PATCH_FACTOR == 0 and side > 0 for side in new)
    assert MIN_PIXELS <= new[0] * new[1] <= MAX_PIXELS
    if max(new) / min(new) <= 200:
        assert smart_resize(*new) == new


@given(sides, sides, st.sampled_from([(3136, 12544), (3136, 262144), (12544, 1_003_520)]))
def test_smart_resize_equals_the_model_processors_rule(height, width, budget):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as upstream

    low, high = budget
    if max(height, width) / min(height, width) > 200:
        return
    expected = upstream(height, width, factor=PATCH_FACTOR, min_pixels=low, max_pixels=high)
    assert smart_resize(height, width, min_pixels=low, max_pixels=high) == tuple(expected)


def test_an_image_without_area_is_refused():
    with pytest.raises(ImageError, match="no area"):
        smart_resize(0, 5)


@pytest.mark.parametrize(("given", "kept"), [({}, images.KEPT_BLOCKS), ({"PILLOW_BLOCKS_MAX": "3"}, 3)])
def test_pillow_keeps_some_memory_unless_its_user_says_how_much(given, kept):
    code = "from deepeyes_env import images; print(images.Image.core.get_blocks_max())"
    others = {name: value for name, value in os.environ.items() if name != "PILLOW_BLOCKS_MAX"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=others | given, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) == kept
