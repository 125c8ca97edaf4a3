"""Which live engine a configuration opens, and what it refuses before anything is sent."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import TypeAdapter

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.search.live import (
    DdgsConfig,
    LiteLLMSearchConfig,
    LiveConfig,
    SerpApiConfig,
    SerperConfig,
    open_live,
)

CONFIGS = [DdgsConfig(), LiteLLMSearchConfig(provider="searxng"), SerperConfig(), SerpApiConfig()]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_each_configuration_opens_its_engine(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERPER_API_KEY", "key")
    monkeypatch.setenv("SERPAPI_API_KEY", "key")
    engine = open_live(config)
    assert isinstance(engine, SearchEngine)
    assert type(engine).__name__.lower().startswith(config.kind)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_each_configuration_is_data(config: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(LiveConfig)
    assert adapter.validate_python(adapter.dump_python(config)) == config


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (DdgsConfig, {"timeout_seconds": 0}),
        (DdgsConfig, {"max_results": 0}),
        (DdgsConfig, {"region": "english"}),
        (LiteLLMSearchConfig, {"timeout_seconds": -1}),
        (LiteLLMSearchConfig, {"base_url": "service.example"}),
        (LiteLLMSearchConfig, {"base_url": "https://user:word@service.example"}),
        (SerperConfig, {"dollars_per_credit": -1}),
        (SerpApiConfig, {"dollars_per_search": -1}),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(kind: Any, setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        kind(**setting)


def test_configurations_need_no_extra() -> None:
    code = (
        "import sys; import deepeyes_env.search.live;"
        "assert not {'httpx', 'httpcore', 'ddgs', 'litellm'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from deepeyes_env.errors import ConfigError
from deepeyes_env.search.live import *
kinds = {"ddgs": DdgsConfig, "litellm": LiteLLMSearchConfig, "httpx": SerperConfig, "httpcore": SerpApiConfig}
try:
    open_live(kinds[sys.argv[1]]())
except ConfigError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("library", "extra"), [("ddgs", "web"), ("litellm", "litellm"), ("httpx", "web"), ("httpcore", "web")]
)
def test_a_missing_library_names_the_extra_to_install(library: str, extra: str) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, library], capture_output=True, text=True)
    assert f"pip install 'deepeyes-gym[{extra}]'" in done.stdout, done.stderr
