"""What a resumed run and stored rollouts must share, and what may change beneath them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from agents.rollout import NO_LIMITS, RolloutLimits
from deepeyes_env.config import EnvConfig, JudgeConfig, load_config
from deepeyes_env.sandbox.config import E2BSandboxConfig, HttpSandboxConfig, LocalSandboxConfig
from deepeyes_env.search.config import RecordingConfig, RetrieveSearchConfig, SearchConfig
from deepeyes_env.search.live.config import DdgsConfig, LiteLLMSearchConfig, SerpApiConfig, SerperConfig
from trainers.config import DapoConfig, fixed_settings
from trainers.curation.rollouts import Effort, Rollouts
from trainers.curation.voices import Voice
from trainers.env_settings import ADDRESSES, CAPACITY, PATIENCE, deciding

HERE: dict[str, Any] = {
    "judge": {"base_url": "http://here/v1", "model": "judge"},
    "sandbox_backend": {"kind": "http", "url": "http://here"},
    "search": {"engine": {"kind": "live", "providers": [{"kind": "serper"}]}},
}
THERE: dict[str, Any] = {
    "judge": {"base_url": "http://there/v1", "model": "judge", "timeout_seconds": 9.0, "attempts": 8},
    "sandbox_backend": {"kind": "http", "url": "http://there", "patience_seconds": 9.0},
    "search": {
        "engine": {
            "kind": "live",
            "providers": [{"kind": "serper", "base_url": "http://there", "timeout_seconds": 9.0}],
        },
        "retry": {"attempts": 9},
        "rate": {"per_second": 2.0},
        "budget": {"queries": 9},
    },
}


def key(config: EnvConfig, limits: RolloutLimits = NO_LIMITS) -> str:
    def never() -> Any:
        raise AssertionError

    return Rollouts(Path("out"), Voice({}, {}, never), config, Effort(limits)).key


def test_addresses_timeouts_and_capacities_decide_nothing() -> None:
    here, there = load_config(EnvConfig, HERE), load_config(EnvConfig, THERE)
    assert here != there
    assert deciding(here) == deciding(there)
    assert key(here) == key(there) == key(here, RolloutLimits(tool_seconds=9.0))


@pytest.mark.parametrize(
    "other",
    [
        {"max_turns": 3},
        {"limits": {"cell_seconds": 9.0}},
        {"judge": {"base_url": "http://here/v1", "model": "another"}},
        {"sandbox_backend": {"kind": "local"}},
        {"search": {"engine": {"kind": "live", "providers": [{"kind": "serper", "country": "de"}]}}},
        {"search": None},
    ],
)
def test_the_rest_decides(other: dict[str, Any]) -> None:
    here, changed = load_config(EnvConfig, HERE), load_config(EnvConfig, HERE | other)
    assert deciding(here) != deciding(changed)
    assert key(here) != key(changed)


def test_limits_that_end_an_episode_decide() -> None:
    config = EnvConfig()
    keys = {
        key(config),
        key(config, RolloutLimits(max_tokens=9)),
        key(config, RolloutLimits(episode_seconds=9)),
    }
    assert len(keys) == 3


def test_every_name_is_that_of_a_setting() -> None:
    """A setting that gets another name must not slip back among those that decide."""
    services = (JudgeConfig, LocalSandboxConfig, HttpSandboxConfig, E2BSandboxConfig, SearchConfig)
    engines = (RetrieveSearchConfig, DdgsConfig, LiteLLMSearchConfig, SerperConfig, SerpApiConfig)
    known = {item.name for kind in (*services, *engines, RecordingConfig) for item in fields(kind)}
    assert known >= ADDRESSES | PATIENCE | CAPACITY


def test_retries_and_the_time_for_tools_are_free_and_the_limit_of_prompts_is_not() -> None:
    config = DapoConfig(lockstep=False)
    more = replace(config, infra_retries=9, tool_seconds=9.0)
    assert fixed_settings(more) == fixed_settings(config)
    assert fixed_settings(replace(config, max_prompt_tokens=9)) != fixed_settings(config)
