from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest

from deepeyes_env.config import ConfigError, EnvConfig, JudgeConfig, load_config, with_overrides
from deepeyes_env.sandbox.base import SandboxLimits
from deepeyes_env.sandbox.config import HttpSandboxConfig, LocalSandboxConfig
from deepeyes_env.tasks import WorldConfig


def test_toml_round(tmp_path: Path) -> None:
    path = tmp_path / "env.toml"
    path.write_text(
        'tools = ["code"]\nmax_turns = 5\nprompt = "minimal"\n'
        '[source]\nkind = "fictional"\nseed = 7\n[limits]\ncell_seconds = 2\n'
    )
    config = load_config(EnvConfig, path, max_turns=4)
    assert config == EnvConfig(
        source=WorldConfig(seed=7),
        tools=frozenset({"code"}),
        max_turns=4,
        prompt="minimal",
        limits=SandboxLimits(cell_seconds=2.0),
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_turn": 3}, "unknown key 'max_turn': did you mean 'max_turns'?"),
        ({"source": {"kind": "fictional", "sead": 1}}, "'source.fictional.sead': did you mean 'seed'?"),
        ({"source": {"kind": "fictoinal"}}, "source.kind = 'fictoinal': did you mean 'fictional'?"),
        ({"limits": {"cell_second": 1}}, "unknown key 'limits.cell_second': did you mean 'cell_seconds'?"),
        ({"reward": "papr"}, "reward = 'papr': did you mean 'paper'?"),
        ({"tools": ["cod"]}, "tools.0 = 'cod': did you mean 'code'?"),
        ({"max_turns": 0}, "max_turns = 0: must be at least 1"),
        ({"max_episode_pixels": 0}, "max_episode_pixels = 0: must be at least 1, or None"),
        ({"max_turns": "many"}, "max_turns = 'many': Input should be a valid integer"),
        ({"min_pixels": 10_000_000_000}, "min_pixels = 10000000000: must be at most max_pixels"),
        ({"judge": {"base_url": "localhost"}}, "base_url = 'localhost': must be an http(s) URL"),
        ({"zzz": 1}, "unknown key 'zzz': expected one of"),
        ({"source": {"sead": 1}}, "'source.fictional.sead': did you mean 'seed'?"),
        (
            {"source": {"train": "own.jsonl"}},
            "'source.fictional.train': did you mean 'twins'?",
        ),
        ({"limits": {"cell_seconds": -1}}, "limits.cell_seconds = -1.0: must be above 0 and finite"),
        ({"limits": {"cell_seconds": float("inf")}}, "limits.cell_seconds = inf: must be above 0 and finite"),
        ({"sandbox_backend": {"kind": "htp"}}, "sandbox_backend.kind = 'htp': did you mean 'http'?"),
        (
            {"sandbox_backend": {"kind": "http", "dialct": "run_jupyter"}},
            "'sandbox_backend.http.dialct': did you mean 'dialect'?",
        ),
        ({"sandbox_backend": {"kind": "http", "url": "localhost:1"}}, "must be an http(s) URL"),
        ({"sandbox_backend": {"kind": "http", "url": "http://a:b@c"}}, "no credentials in it"),
        (
            {"sandbox_backend": {"kind": "http", "token": "s3cret"}},
            "unknown key 'sandbox_backend.http.token'",
        ),
        (
            {"sandbox_backend": {"kind": "e2b", "session_seconds": 0}},
            "session_seconds = 0: must be at least 1",
        ),
        ({"sandbox_backend": {"extras": ["torch"]}}, "extras = 'torch': must be one of opencv"),
        ({"limits": {"tmp_bytes": 0}}, "limits.tmp_bytes = 0: must be above 0 and finite"),
    ],
)
def test_mistakes_are_named_with_the_nearest_right_thing(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(EnvConfig, values)
    assert message in str(caught.value)


def test_a_source_without_a_kind_is_the_generated_world() -> None:
    assert load_config(EnvConfig, {"source": {"seed": 7}}).source == WorldConfig(seed=7)


def test_a_sandbox_is_chosen_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "env.toml"
    path.write_text('[sandbox_backend]\nkind = "http"\nurl = "http://node:1"\ndialect = "run_jupyter"\n')
    chosen = load_config(EnvConfig, path).sandbox_backend
    assert chosen == HttpSandboxConfig(url="http://node:1", dialect="run_jupyter")
    assert load_config(EnvConfig, {"sandbox_backend": {"extras": ["scipy"]}}).sandbox_backend == (
        LocalSandboxConfig(extras=("scipy",))
    )
    assert EnvConfig().sandbox_backend == LocalSandboxConfig()


def test_direct_construction_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="did you mean 'required'"):
        EnvConfig(think="requird")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="timeout_seconds"):
        JudgeConfig("http://localhost/v1", timeout_seconds=0)


@pytest.mark.parametrize("text", [b"max_turns = ", b"\xff\xfe"])
def test_an_unreadable_file_is_named(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(text)
    for bad in (path, tmp_path / "absent.toml"):
        with pytest.raises(ConfigError, match=bad.name):
            load_config(EnvConfig, bad)


def test_overrides_keep_the_rest_and_the_original() -> None:
    config = EnvConfig(max_turns=3, prompt="minimal")
    changed = with_overrides(config, max_turns=4, source={"kind": "fictional", "seed": 1})
    assert (config.max_turns, changed.max_turns, changed.prompt) == (3, 4, "minimal")
    assert changed.source == WorldConfig(seed=1)
    with pytest.raises(FrozenInstanceError):
        config.max_turns = 9  # type: ignore[misc]
    assert hash(config) != hash(changed)


def test_any_dataclass_can_be_loaded() -> None:
    @dataclass(frozen=True)
    class Own:
        steps: int = 1

        def __post_init__(self) -> None:
            if self.steps < 0:
                raise ValueError("steps: must not be negative")

    assert load_config(Own, {"steps": 2}) == Own(2)
    with pytest.raises(ConfigError, match="must not be negative"):
        load_config(Own, steps=-1)
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        load_config(Own, step=1)


def test_more_hits_than_a_response_holds_are_refused() -> None:
    with pytest.raises(ConfigError, match="search_hits = 11: must be at most 10 where `search` is set"):
        load_config(EnvConfig, {"search": {}, "search_hits": 11})
    assert load_config(EnvConfig, {"search_hits": 11}).search_hits == 11


@pytest.mark.parametrize("limit", ["cell_seconds", "session_seconds", "output_chars", "tmp_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_are_possible_ones_wherever_they_come_from(limit: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"limits.{limit} = {value}: must be above 0 and finite"):
        SandboxLimits(**{limit: value})
