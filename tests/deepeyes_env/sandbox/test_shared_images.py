"""Images go in without a copy, and what a session writes reaches nobody."""

import fcntl
import gc
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepeyes_env.images import EncodedImage, freeze
from deepeyes_env.sandbox import LocalSandbox, SandboxError
from deepeyes_env.sandbox.local import pixels

NOISE = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)

WRITES = {
    "putpixel": "image_1.putpixel((0, 0), (1, 2, 3))",
    "load": "pixels = image_1.load()\npixels[0, 0] = (1, 2, 3)\npixels[1, 1] = pixels[0, 0]",
    "paste": "image_1.paste((1, 2, 3), (0, 0, 1, 1))",
    "draw": "from PIL import ImageDraw\nImageDraw.Draw(image_1).point((0, 0), (1, 2, 3))",
    "thumbnail": "image_1.thumbnail((9, 9))\nimage_1.putpixel((0, 0), (1, 2, 3))",
    "flood": "from PIL import ImageDraw\nImageDraw.floodfill(image_1, (0, 0), (1, 2, 3))",
    "frombytes": "image_1.frombytes(bytes([1, 2, 3]) * (image_1.width * image_1.height))",
    "two accesses": "one, two = image_1.load(), image_1.load()\none[5, 5] = 9, 9, 9\ntwo[0, 0] = 1, 2, 3",
    "load, then draw": """
from PIL import ImageDraw
pixels = image_1.load()
ImageDraw.Draw(image_1).point((0, 0), (1, 2, 3))
assert pixels[0, 0] == (1, 2, 3)
pixels[1, 1] = 4, 5, 6
assert image_1.getpixel((1, 1)) == (4, 5, 6)""",
    "memory": """
import ctypes, sys
for mapped in sys.modules['guest.mapped']._Pixels._kept:
    address = mapped._buffers[1]
    libc = ctypes.CDLL(None)
    assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4 * mapped._array.length), 3) == 0
    ctypes.memset(address, 1, 12)
image_1.load()""",
}


@pytest.fixture
def photo() -> Image.Image:
    return freeze(Image.fromarray(NOISE))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_a_session_writes_reaches_no_other(
    sandbox: LocalSandbox, photo: Image.Image, write: str
) -> None:
    one, two = sandbox.open([photo]), sandbox.open([photo])
    result = one.run(f"{write}\nprint(image_1.getpixel((0, 0)))")
    assert result.ok, result.stderr
    assert result.stdout in ("(1, 2, 3)\n", "(1, 1, 1)\n")
    late = sandbox.open([photo])
    for session in (two, late):
        (image,) = session.run("image_1").images
        assert np.array_equal(np.asarray(image), NOISE)
    assert np.array_equal(np.asarray(photo), NOISE)
    for session in (one, two, late):
        session.close()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_mode_arrives_as_rgb(sandbox: LocalSandbox, mode: str) -> None:
    image = Image.fromarray(NOISE).convert("L" if mode == "I;16" else mode)
    image = image.convert("I;16") if mode == "I;16" else image
    session = sandbox.open([image])
    (shown,) = session.run("print(image_1.mode)\nimage_1").images
    assert np.array_equal(np.asarray(shown), np.asarray(image.convert("RGB")))
    session.close()


@pytest.mark.parametrize("size", [(1, 1), (1, 5_000), (5_000, 1), (1_031, 517)])
def test_every_size_arrives_whole(sandbox: LocalSandbox, size: tuple[int, int]) -> None:
    array = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    session = sandbox.open([Image.fromarray(array)])
    (shown,) = session.run("image_1").images
    assert np.array_equal(np.asarray(shown), array)
    session.close()


def test_read_only_images_are_copied_once_and_others_each_time(photo: Image.Image) -> None:
    assert pixels.share(photo) is not None
    first = pixels.share(photo)
    assert pixels.share(photo) is first
    photo.putpixel((0, 0), (9, 9, 9))  # its own pixels now
    changed = pixels.share(photo)
    assert changed is not first
    assert pixels.share(photo) is not changed
    assert pixels.share(freeze(photo)) is not first
    assert os.pread(pixels.share(photo).handle, 3, 0) == b"\x09\x09\x09"


def test_nobody_can_change_the_file(photo: Image.Image) -> None:
    shared = pixels.share(photo)
    seals = fcntl.fcntl(shared.handle, fcntl.F_GET_SEALS)
    assert seals == fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    with pytest.raises(PermissionError):
        os.write(shared.handle, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(shared.handle, 0)


def test_descriptors_go_with_the_sessions(sandbox: LocalSandbox, photo: Image.Image) -> None:
    sandbox.open([photo]).close()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    sessions = [sandbox.open([photo]) for _ in range(5)]
    assert len(os.listdir("/proc/self/fd")) == before + 2 * 5 + 1
    for session in sessions:
        session.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_group_decodes_its_picture_once(tmp_path: Path) -> None:
    encoded = EncodedImage.from_pil(Image.fromarray(NOISE))
    again = EncodedImage.from_bytes(encoded.data)
    image = encoded.decode_shared()
    assert again.decode_shared().im is image.im
    assert image.readonly
    assert np.array_equal(np.asarray(image), NOISE)
    del image
    assert again.decode_shared() is not None


def test_an_image_without_area_is_one_too(sandbox: LocalSandbox) -> None:
    session = sandbox.open([Image.new("RGB", (0, 7)), Image.new("RGB", (2, 2))])
    assert session.run("print(image_1.size, image_2.size)").stdout == "(0, 7) (2, 2)\n"
    session.close()


def test_too_many_images_are_refused(sandbox: LocalSandbox) -> None:
    tiny = Image.new("RGB", (2, 2))
    with pytest.raises(SandboxError, match="51 images: a session takes at most 50"):
        sandbox.open([tiny] * 51)
    session = sandbox.open([tiny] * 50)
    assert session.run("print(image_50.size)").stdout == "(2, 2)\n"
    session.close()
    huge = freeze(Image.new("RGB", (30_000, 1_000)))
    with pytest.raises(SandboxError, match="shrink them"):
        sandbox.open([huge] * 20)


def test_images_take_no_memory_of_the_session(small: LocalSandbox) -> None:
    # 256 MiB are the limit, and these have four times as much.
    large = freeze(Image.new("RGB", (8_000, 8_000), "red"))
    session = small.open([large] * 4)
    code = "print(image_4.crop((0, 0, 9, 9)).getpixel((3, 3)), len(bytes(200 << 20)) >> 20)"
    assert session.run(code).stdout == "(255, 0, 0) 200\n"
    session.close()
