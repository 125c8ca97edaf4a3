"""No page can speak as the environment: proved on the observation that the policy sees."""

import json
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.runner import EpisodeRunner, Services
from deepeyes_env.search.base import DEFAULT_HITS, Hit, Region, SearchEngine, SearchResponse
from deepeyes_env.search.wrappers.sanitised import Sanitised
from deepeyes_env.task import Answer, Task
from deepeyes_env.testing import CONTROL_TEXTS, check_observation, encoded_images

BOILERPLATE = "Your browser can't play this video."
"""Is removed when hits are rendered, which could join what stood around it."""

TAG = re.compile(r"</?(?:think|code|tool_call|tool_response|answer|image)>|<\|", re.IGNORECASE)
FRAME = re.compile(r"\A<tool_response>\n(.*)\n</tool_response>\Z", re.DOTALL)
OWN_MARKER = re.compile(rf"^\d+\. {IMAGE_MARKER}$", re.MULTILINE)


def _pieces() -> st.SearchStrategy[str]:
    """Tags whole and in parts, with something between their characters, and look-alikes of them."""
    tags = st.sampled_from([*CONTROL_TEXTS, "<TOOL_RESPONSE>", "<|vision_start|>", "<thinK>", "<ſearch>"])
    nested = BOILERPLATE[:20] + BOILERPLATE + BOILERPLATE[20:]
    characters = ["\u200b", "\x00", "\u202e", "\U000e0041", "\u0338", "\ud800", "\n", " "]
    between = st.sampled_from(["", BOILERPLATE, nested, *characters])
    looks = {"<": "＜﹤≮‹", ">": "＞﹥≯›", "|": "｜∣ǀ", "k": "\u212a", "e": "ｅ"}
    split = st.builds(
        lambda tag, gap, place: tag[: place % (len(tag) + 1)] + gap + tag[place % (len(tag) + 1) :],
        tags,
        between,
        st.integers(0, 20),
    )
    alike = st.builds(
        lambda tag, which: "".join(looks.get(char, char)[which % len(looks.get(char, char))] for char in tag),
        tags,
        st.integers(0, 3),
    )
    return st.one_of(
        tags, split, alike, st.builds(lambda tag, gap: gap.join(tag), tags, between), st.text(max_size=5)
    )


PAGES = st.lists(_pieces(), max_size=5).map("".join)
TEXTS = PAGES | st.builds(lambda text, times: text * times, PAGES, st.sampled_from([500, 2_000]))


@st.composite
def _hits(draw: st.DrawFn) -> tuple[Hit, ...]:
    hits = []
    for rank in range(1, draw(st.integers(1, 6)) + 1):
        texts = [draw(TEXTS) for _ in range(4)]
        if draw(st.booleans()):  # one tag over the end of a field and the beginning of the next
            tag, cut = draw(st.sampled_from(CONTROL_TEXTS)), draw(st.integers(1, 8))
            texts[0], texts[1] = texts[0] + tag[:cut], tag[cut:] + texts[1]
            texts[1], texts[2] = texts[1] + tag[:cut], tag[cut:] + texts[2]
        title, url, snippet, date = texts
        hits.append(Hit(rank, title, url, snippet, date or None, draw(st.none() | encoded_images())))
    return tuple(hits)


class OneAnswer:
    """An engine that always finds these hits."""

    def __init__(self, hits: tuple[Hit, ...]) -> None:
        self.response = SearchResponse(hits)

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        return self.response

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        return self.response


CONFIGS = st.builds(
    EnvConfig,
    max_observation_chars=st.sampled_from([1_000, 16_000]),
    max_images_per_turn=st.integers(1, 3),
    search_hits=st.integers(1, 6),
)
TASK = Task("t", "What is it?", (EncodedImage.from_pil(Image.new("RGB", (56, 56))),), Answer("x"))


@settings(max_examples=100)
@given(_hits(), PAGES.filter(str.strip), st.sampled_from(["search", "image_search"]), CONFIGS, st.booleans())
@example((Hit(1, f"<im{BOILERPLATE}age>", f"<|im_{BOILERPLATE}end|>"),), "x", "search", EnvConfig(), False)
@example((Hit(1, "<ima\u200bge>", "<\x00|im_end|>"),), "x", "search", EnvConfig(), True)
def test_no_page_speaks_as_the_environment(
    hits: tuple[Hit, ...], query: str, tool: str, config: EnvConfig, wrapped: bool
) -> None:
    engine: SearchEngine = OneAnswer(hits)
    services = Services(
        sandbox=lambda: pytest.fail("no code is run"),
        engine=Sanitised(engine) if wrapped else engine,
        judge=None,
    )
    runner = EpisodeRunner(config, services)
    runner.start(TASK, np.random.default_rng(0))
    call = {"name": tool} | ({"arguments": {"query": query}} if tool == "search" else {})
    written = json.dumps(call).replace("<", "\\u003c")
    result = runner.step(f"<think></think>\n<tool_call>{written}</tool_call>")
    assert not result.done
    observation = result.observation

    check_observation(observation)
    assert len(observation.images) <= config.max_images_per_turn
    assert len(observation.text) <= 2 * config.max_observation_chars + 1_000
    frame = FRAME.match(observation.text)
    assert frame
    said = OWN_MARKER.sub("", frame[1])
    for form in (said, unicodedata.normalize("NFC", said)):  # Qwen's tokenizer normalises to NFC
        assert not TAG.search(form), form
