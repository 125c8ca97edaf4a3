import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from deepeyes_env.search.local.image import ImageIndex


def picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (240, 200), tuple(int(v) for v in rng.integers(150, 255, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, w, h = (int(v) for v in rng.integers(0, 160, 4))
        draw.ellipse((x, y, x + w + 9, y + h + 9), fill=tuple(int(v) for v in rng.integers(0, 255, 3)))
    return image


PICTURES = [picture(seed) for seed in range(40)]
INDEX = ImageIndex(PICTURES)


def squeezed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=35)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "same": lambda image: image,
    "jpeg": squeezed,
    "half": lambda image: image.resize((120, 100)),
    "double": lambda image: image.resize((480, 400)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_finds_its_original(change: str) -> None:
    for place in (0, 7, 23, 39):
        assert INDEX.search(CHANGES[change](PICTURES[place]), 3)[0] == place


def test_colour_decides_where_shapes_agree() -> None:
    red, blue = Image.new("RGB", (64, 64), "white"), Image.new("RGB", (64, 64), "white")
    # Colours of equal luminance: the hash cannot tell them apart.
    ImageDraw.Draw(red).ellipse((8, 8, 40, 56), fill=(200, 60, 60))
    ImageDraw.Draw(blue).ellipse((8, 8, 40, 56), fill=(40, 118, 170))
    assert ImageIndex([red, blue]).search(squeezed(blue), 1) == [1]
    assert ImageIndex([blue, red]).search(squeezed(blue), 1) == [0]


def test_an_unrelated_picture_finds_nothing() -> None:
    noise = np.random.default_rng(5).integers(0, 255, (200, 240, 3), dtype=np.uint8)
    assert INDEX.search(Image.fromarray(noise), 5) == []


def test_flat_and_tiny_pictures_are_no_error() -> None:
    for image in (Image.new("RGB", (1, 1)), Image.new("RGB", (300, 20), "white"), Image.new("L", (9, 9))):
        assert len(INDEX.search(image, 5)) <= 5


def test_an_empty_index_finds_nothing() -> None:
    assert ImageIndex([]).search(PICTURES[0], 5) == []
