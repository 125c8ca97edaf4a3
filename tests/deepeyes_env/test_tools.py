"""Image search by a part of a picture and by what the policy's code has made, in the real sandbox."""

from collections.abc import Iterator

import numpy as np
import pytest
from env_parts import BrokenSandbox, code, make_task
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env import DeepEyesEnv
from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox import LocalSandbox, Sandbox, SandboxLimits
from deepeyes_env.search.base import Hit, Region, SearchResponse
from deepeyes_env.tasks.worlds.oracles.turns import image_search
from deepeyes_env.testing import ListSource
from deepeyes_env.tools import _scaled

PHOTO = Image.fromarray(np.random.default_rng(2).integers(0, 255, (300, 400, 3), dtype=np.uint8))
SECOND = Image.new("RGB", (90, 60), "teal")


class Listener:
    """Remembers the parts of pictures that it was asked for."""

    def __init__(self) -> None:
        self.heard: list[Image.Image] = []

    def search_text(self, query: str, k: int = 5) -> SearchResponse:
        raise AssertionError("no text search is due")

    def search_image(self, image: Image.Image, k: int = 5, region: Region | None = None) -> SearchResponse:
        self.heard.append(image.crop(region) if region else image)
        return SearchResponse(
            (Hit(1, "Found", "https://e.example", thumbnail=EncodedImage.from_pil(SECOND)),)
        )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = LocalSandbox(SandboxLimits(pixels_per_image=100_000))
    yield made
    made.close()


def play(sandbox: Sandbox, *turns: str, **settings: object) -> tuple[list[Image.Image], str]:
    """What was searched for, and the last observation."""
    engine = Listener()
    task = make_task(0, images=(EncodedImage.from_pil(PHOTO), EncodedImage.from_pil(SECOND)))
    env = DeepEyesEnv(tasks=ListSource([task], engine), sandbox=sandbox, prompt="minimal", **settings)
    env.reset(options={"index": 0})
    text = ""
    for turn in turns:
        observation, _, terminated, truncated, info = env.step(turn)
        assert not terminated
        text = info["outcome"] if truncated else observation["text"]
    env.close()
    return engine.heard, text


def same(image: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(image), np.asarray(other))


def test_a_region_is_cut_from_the_original(sandbox: Sandbox) -> None:
    (found,), text = play(sandbox, image_search("a", (100, 50, 300, 200)), sandbox_pixels="original")
    assert same(found, PHOTO.crop((100, 50, 300, 200)))
    assert "found 1 results" in text


def test_a_region_is_scaled_from_the_pixels_that_the_sandbox_holds(sandbox: Sandbox) -> None:
    # 400 x 300 is observed as 196 x 140.
    (found,), _ = play(sandbox, image_search("a", (49, 35, 98, 70), "image_1"), max_pixels=30_000)
    assert same(found, PHOTO.crop((100, 75, 200, 150)))


def test_whole_pixels_stay_whole_when_they_are_scaled() -> None:
    # 98 * (106 / 196) is a little more than 53.
    assert _scaled((0, 0, 98, 70), (196, 140), (106, 300)) == (0, 0, 53, 150)


@given(
    width=st.integers(1, 4_000),
    full=st.integers(1, 20_000),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_scaled_region_holds_the_region_and_at_most_a_pixel_more(
    width: int, full: int, edges: tuple[float, float]
) -> None:
    left, right = sorted(round(edge * width) for edge in edges)
    region = _scaled((left, 0, right, 1), (width, 1), (full, 1))
    if left == right:
        assert region is None
    else:
        assert region is not None
        assert region[0] == left * full // width
        assert region[2] == -(-right * full // width)


def test_what_juts_out_of_the_picture_is_left_off(sandbox: Sandbox) -> None:
    call = image_search("a", (-40, 30, 1e300, 10**9), "image_2")
    (found,), _ = play(sandbox, call, sandbox_pixels="original")
    assert same(found, SECOND.crop((0, 30, 90, 60)))
    heard, text = play(sandbox, image_search("a", (400, 0, 500, 9)), sandbox_pixels="original")
    assert heard == []
    assert text.startswith("Error: Invalid tool call parameters for image search: {")


def test_names_of_question_images_are_the_originals_whatever_code_made_of_them(sandbox: Sandbox) -> None:
    (whole, second), _ = play(
        sandbox, code("image_2 = None"), image_search("a"), image_search("a", image="image_2")
    )
    assert same(whole, PHOTO)
    assert same(second, SECOND)


@pytest.mark.parametrize(
    "program",
    [
        "crop = image_1.crop((10, 20, 90, 80))",
        "import numpy as np; crop = np.asarray(image_1)[20:80, 10:90]",
        "image_3 = image_1.crop((10, 20, 90, 80)); crop = image_3",
        "crop = image_1.crop((10, 20, 90, 80)).convert('RGBA')",
    ],
)
def test_a_variable_of_the_session_is_searched_for(sandbox: Sandbox, program: str) -> None:
    calls = image_search("a", image="crop"), image_search("a", (5, 0, 40, 30), "crop")
    (found, part), text = play(sandbox, code(program), *calls, sandbox_pixels="original")
    assert same(found, PHOTO.crop((10, 20, 90, 80)))
    assert same(part, PHOTO.crop((15, 20, 50, 50)))
    assert "found 1 results" in text


def test_a_variable_above_the_sandboxs_limit_is_smaller_and_so_is_its_region(sandbox: Sandbox) -> None:
    program = "big = image_1.crop((0, 0, 200, 200)).resize((800, 800))"
    (found, part), _ = play(
        sandbox,
        code(program),
        image_search("a", image="big"),
        image_search("a", (400, 0, 800, 400), "big"),
        sandbox_pixels="original",
    )
    assert found.width * found.height <= 100_000
    assert same(part, found.crop((found.width // 2, 0, found.width, (found.height + 1) // 2)))


@pytest.mark.parametrize(
    "program",
    ["x = 1", "crop = 'image_1'", "crop = [1, 2]", "crop = image_1.crop((5, 5, 5, 5))", "def crop(): 1 / 0"],
)
def test_a_name_without_a_picture_is_told(sandbox: Sandbox, program: str) -> None:
    heard, text = play(sandbox, code(program), image_search("a", image="crop"))
    assert heard == []
    assert text.startswith("Error: there is no image variable named 'crop' in Python")


def test_without_a_cell_there_is_no_variable_and_no_session() -> None:
    for settings in ({}, {"tools": {"search", "image_search"}}):
        heard, text = play(BrokenSandbox(), image_search("a", image="crop"), **settings)
        assert heard == []
        assert text.startswith("Error: there is no image variable named 'crop'")


def test_a_session_that_was_reopened_says_so(sandbox: Sandbox) -> None:
    turns = (
        code("crop = image_1\nimport os\nos._exit(3)"),
        image_search("a", image="crop"),
    )
    heard, text = play(sandbox, *turns)
    assert heard == []
    assert "[new process: the variables of earlier cells are gone" in text


def test_a_sandbox_that_fails_is_no_fault_of_the_policy(sandbox: Sandbox) -> None:
    own = LocalSandbox()
    engine = Listener()
    env = DeepEyesEnv(tasks=ListSource([make_task(0)], engine), sandbox=own, prompt="minimal")
    env.reset(options={"index": 0})
    env.step(code("crop = image_1"))
    own.close()
    *_, truncated, info = env.step(image_search("a", image="crop"))
    assert (truncated, info["outcome"]) == (True, "infra_failed")
    env.close()


def test_the_papers_grammar_takes_the_whole_first_image_only(sandbox: Sandbox) -> None:
    (found,), text = play(
        sandbox, image_search("a"), image_search("a", (0, 0, 9, 9)), image_search="original"
    )
    assert same(found, PHOTO)
    assert text.startswith("Error: Invalid tool call parameters for image search: {")
