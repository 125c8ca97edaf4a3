"""Every time to wait that a configuration holds is one that can be waited for."""

import math
from dataclasses import fields
from typing import Any

import pytest

from agents.chat.config import ChatConfig
from deepeyes_env.adapters.ray.config import RayConfig
from deepeyes_env.config import JudgeConfig
from deepeyes_env.errors import MOST_SECONDS, ConfigError
from deepeyes_env.sandbox import (
    CellStatus,
    E2BSandboxConfig,
    HttpSandboxConfig,
    LocalSandbox,
    SandboxError,
    SandboxLimits,
    open_sandbox,
)
from deepeyes_env.search import open_search
from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.config import RateConfig, RetrieveSearchConfig, RetryConfig, SearchConfig
from deepeyes_env.search.live.config import DdgsConfig, LiteLLMSearchConfig, SerpApiConfig, SerperConfig

NOBODY = "http://127.0.0.1:9"
"""Where no server is."""

WAITS: dict[type[Any], dict[str, Any]] = {
    ChatConfig: {"model": "m"},
    DdgsConfig: {},
    E2BSandboxConfig: {},
    HttpSandboxConfig: {},
    JudgeConfig: {"base_url": NOBODY},
    LiteLLMSearchConfig: {},
    RateConfig: {},
    RayConfig: {},
    RetrieveSearchConfig: {},
    RetryConfig: {},
    SerpApiConfig: {},
    SerperConfig: {},
}
"""Configurations whose seconds are waited for, with what they cannot do without."""

NOT_WAITED_FOR = {"session_seconds"}

KEYS = [
    (config, item.name)
    for config in WAITS
    for item in fields(config)
    if item.name.endswith("_seconds") and item.name not in NOT_WAITED_FOR
]


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0, 2 * MOST_SECONDS, 1e300])
@pytest.mark.parametrize(("config", "key"), [*KEYS, (SandboxLimits, "cell_seconds")])
def test_a_wait_that_cannot_be_is_refused(config: type[Any], key: str, seconds: float) -> None:
    with pytest.raises(ConfigError, match=rf"{key} = \S+: must be .* 0 and (finite|at most 604800)"):
        config(**WAITS.get(config, {}), **{key: seconds})


def test_the_longest_waits_can_be_waited_for() -> None:
    engine = open_search(
        SearchConfig(
            RetrieveSearchConfig(f"{NOBODY}/retrieve", timeout_seconds=MOST_SECONDS),
            RetryConfig(attempts=1),
        )
    )
    assert engine.search_text("lamp").error is SearchErrorKind.UNAVAILABLE
    remote = open_sandbox(HttpSandboxConfig(NOBODY, patience_seconds=MOST_SECONDS, retry_seconds=0))
    with pytest.raises(SandboxError, match="cannot be reached"):
        remote.open([]).run("1")
    local = LocalSandbox(SandboxLimits(cell_seconds=MOST_SECONDS), ahead=0)
    assert local.open([]).run("1").status is CellStatus.OK
    local.close()
