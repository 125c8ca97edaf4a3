"""The rules for a user's own pictures, which bring nothing to search in."""

from typing import Any

import pytest

from agents.own_pictures import own_rules
from deepeyes_env.config import EnvConfig


@pytest.mark.parametrize(
    ("asked", "told"),
    [("full", "code_only"), ("search_only", "code_only"), ("direct", "direct"), ("minimal", "minimal")],
)
def test_without_an_engine_no_prompt_promises_searches(asked: Any, told: str) -> None:
    config = own_rules(EnvConfig(prompt=asked), 1, 10_000)
    assert (config.prompt, config.tools) == (told, {"code"})
