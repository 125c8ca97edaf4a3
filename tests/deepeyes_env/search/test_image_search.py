import io
import random
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from deepeyes_env.search.local import image as image_search
from deepeyes_env.search.local.image import MAX_DISTANCE, ImageIndex, _nearest_tiles


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
        assert INDEX.search(CHANGES[change](PICTURES[place]), 3)[0][0] == place


def test_colour_decides_where_shapes_agree() -> None:
    red, blue = Image.new("RGB", (64, 64), "white"), Image.new("RGB", (64, 64), "white")
    # Colours of equal luminance: the hash cannot tell them apart.
    ImageDraw.Draw(red).ellipse((8, 8, 40, 56), fill=(200, 60, 60))
    ImageDraw.Draw(blue).ellipse((8, 8, 40, 56), fill=(40, 118, 170))
    assert ImageIndex([red, blue]).search(squeezed(blue), 1)[0][0] == 1
    assert ImageIndex([blue, red]).search(squeezed(blue), 1)[0][0] == 0


def test_an_unrelated_picture_finds_nothing() -> None:
    noise = np.random.default_rng(5).integers(0, 255, (200, 240, 3), dtype=np.uint8)
    assert INDEX.search(Image.fromarray(noise), 5) == []


def test_flat_and_tiny_pictures_are_no_error() -> None:
    for image in (Image.new("RGB", (1, 1)), Image.new("RGB", (300, 20), "white"), Image.new("L", (9, 9))):
        assert len(INDEX.search(image, 5)) <= 5


def test_an_empty_index_finds_nothing() -> None:
    assert ImageIndex([]).search(PICTURES[0], 5) == []


def part(image: Image.Image, area: float, rng: random.Random) -> Image.Image:
    """A crop of that share of the area, resized, relit and re-encoded."""
    aspect = rng.uniform(0.85, 1.18)
    width, height = min(1.0, (area * aspect) ** 0.5), min(1.0, (area / aspect) ** 0.5)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    box = (left, top, left + width, top + height)
    crop = image.crop(tuple(round(edge * side) for edge, side in zip(box, image.size * 2, strict=True)))
    crop = crop.resize(
        (round(crop.width * rng.uniform(0.6, 1.6)), round(crop.height * rng.uniform(0.6, 1.6)))
    )
    return squeezed(ImageEnhance.Brightness(crop).enhance(rng.uniform(0.8, 1.15)))


@pytest.mark.parametrize(("area", "floor"), [(0.9, 1.0), (0.5, 0.95), (0.25, 0.9)])
def test_a_crop_finds_its_source(area: float, floor: float) -> None:
    rng = random.Random(f"crops/{area}")
    found = [INDEX.search(part(PICTURES[place], area, rng), 1) for place in range(40)]
    right = sum(bool(hits) and hits[0][0] == place for place, hits in enumerate(found))
    assert right / len(PICTURES) >= floor


@pytest.mark.parametrize("error", [-0.15, -0.07, 0.07, 0.15])
def test_a_picture_cut_out_of_a_scene_finds_its_page(error: float) -> None:
    rng = random.Random(f"scenes/{error}")
    right = 0
    for place, image in enumerate(PICTURES):
        noise = np.random.default_rng(place).integers(90, 160, (30, 36, 3), dtype=np.uint8)
        scene = Image.fromarray(noise).resize((360, 300), Image.Resampling.BICUBIC)
        scene.paste(image.resize((180, 150)), (90, 75))
        x, y = (side * error * rng.uniform(0.5, 1.0) for side in (180, 150))
        crop = scene.crop((round(90 - x), round(75 - y), round(270 + x), round(225 + y)))
        right += [place] == [found for found, _ in INDEX.search(squeezed(crop), 1)]
    assert right / len(PICTURES) >= 0.95


def test_distances_rise_from_zero_and_hold_the_limit() -> None:
    for image in PICTURES[:10]:
        distances = [distance for _, distance in INDEX.search(image, 40)]
        assert distances[0] < 0.01
        assert distances == sorted(distances)
        assert distances[-1] <= MAX_DISTANCE


def test_of_equal_pictures_the_first_comes_first() -> None:
    index = ImageIndex([PICTURES[1], PICTURES[0], PICTURES[2], PICTURES[0]])
    hits = index.search(part(PICTURES[0], 0.5, random.Random(3)), 2)
    assert [place for place, _ in hits] == [1, 3]
    assert hits[0][1] == hits[1][1]


def test_plain_queries_find_nothing() -> None:
    for colour in ("white", "black", "teal"):
        assert INDEX.search(Image.new("RGB", (90, 60), colour), 5) == []


PROGRAM = """
import sys
sys.path.insert(0, "tests/deepeyes_env/search")
from test_image_search import INDEX, PICTURES
print([INDEX.search(image.crop((60, 50, 180, 150)), 5) for image in PICTURES[:8]])
"""


def test_every_process_gives_the_same_list() -> None:
    ours = str([INDEX.search(image.crop((60, 50, 180, 150)), 5) for image in PICTURES[:8]])
    theirs = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert theirs.stdout.strip() == ours


def test_blocks_change_no_result_and_bound_the_memory_of_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 2**63, (500, 602), dtype=np.uint64)
    flat = rng.random(tiles.shape) < 0.9
    flat[7] = True
    apart = np.bitwise_count(tiles ^ tiles[3, 4])
    apart[flat] = image_search.FARTHEST
    monkeypatch.setattr(image_search, "BLOCK", 16)
    tracemalloc.start()
    nearest, windows = _nearest_tiles(tiles, flat, tiles[3, 4])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert nearest.tolist() == apart.min(axis=1).tolist()
    assert windows.tolist() == apart.argmin(axis=1).tolist()
    assert peak < tiles.nbytes / 10
