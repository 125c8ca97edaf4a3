import json
import re
from typing import Any

import pytest
from env_parts import picture

from deepeyes_env.config import EnvConfig
from deepeyes_env.prompts import PROMPTS, system_prompt, user_prompt
from deepeyes_env.protocol import SearchImage, SearchText, parse_turn
from deepeyes_env.sandbox.base import SandboxLimits


@pytest.mark.parametrize("name", PROMPTS)
def test_every_variant_states_the_shapes_of_a_turn(name: str) -> None:
    config = EnvConfig(prompt=name)  # type: ignore[arg-type]
    text = system_prompt(config) + user_prompt("Why?", [picture()], config)
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert tag in text
    for tag in ("<code>", "</code>", "```python"):
        assert (tag in text) == (name not in ("search_only", "direct"))
    assert ("<tool_call>" in text) == (name in ("full", "search_only", "minimal"))
    assert "{" not in text.replace('{"', "").replace("{}", "") or name in ("full", "search_only")


CODE = ("code", "python", "jupyter", "pil", "matplotlib", "plt", "kernel", "stdout", "variable")
SEARCH = ("search", "internet", "tool_call", "google", "query")


@pytest.mark.parametrize(
    ("name", "unnamed"), [("code_only", SEARCH), ("search_only", CODE), ("direct", CODE + SEARCH)]
)
@pytest.mark.parametrize("image_search", ["crop", "original"])
@pytest.mark.parametrize("pixels", ["observed", "original"])
def test_a_variant_names_no_tool_that_it_lacks(
    name: Any, unnamed: tuple[str, ...], image_search: Any, pixels: Any
) -> None:
    config = EnvConfig(prompt=name, image_search=image_search, sandbox_pixels=pixels)
    said = f"{system_prompt(config)} {user_prompt('Why?', [picture()], config)}".lower()
    # `user's query` is the question, in all variants.
    words = set(re.findall(r"[a-z_]+", said.replace("user's query", "")))
    assert not words & set(unnamed)


@pytest.mark.parametrize("name", ["full", "search_only"])
def test_the_search_signatures_and_examples_are_json(name: Any) -> None:
    names = {}
    for kind in ("crop", "original"):
        config = EnvConfig(image_search=kind, prompt=name)  # type: ignore[arg-type]
        lines = system_prompt(config).splitlines()
        names[kind] = [json.loads(line)["name"] for line in lines if line.startswith("{")]
    assert names["original"] == ["image_search", "search", "image_search", "search"]
    assert names["crop"] == ["image_search", "search", "image_search", "image_search", "search"]


def test_the_prompt_of_the_paper_knows_no_part_of_an_image() -> None:
    crop, original = (
        system_prompt(EnvConfig(image_search=kind))  # type: ignore[arg-type]
        for kind in ("crop", "original")
    )
    assert '"region"' in crop
    assert '"region"' not in original
    assert ("only once" in crop, original.count("only once")) == (False, 2)
    assert '"parameters": null' in original


def test_the_examples_parse_as_the_calls_that_they_show() -> None:
    blocks = re.findall(r"<tool_call>.*?</tool_call>", system_prompt(EnvConfig()), re.DOTALL)
    assert [type(parse_turn(block)) for block in blocks if "name" in block] == [
        SearchImage,
        SearchImage,
        SearchText,
    ]


def test_limits_in_the_prompt_are_the_configured_ones() -> None:
    text = system_prompt(EnvConfig(limits=SandboxLimits(cell_seconds=7.5), search_hits=3))
    assert "timed out after 7.5 seconds" in text
    assert "top 3 results" in text


def test_the_minimal_variant_is_tiny() -> None:
    config = EnvConfig(prompt="minimal")
    assert len(system_prompt(config)) < 130
    assert user_prompt("Why?", [picture(), picture()], config) == "<image><image>\nWhy?"


def test_upstreams_doubled_think_tag_is_mended() -> None:
    for prompt in PROMPTS.values():
        assert "<think> <think>" not in prompt.instructions
