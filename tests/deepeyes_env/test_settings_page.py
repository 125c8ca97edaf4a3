"""`docs/` names every setting of the environment with its default, and every environment variable."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from deepeyes_env.config import EnvConfig, JudgeConfig
from deepeyes_env.search.config import RecordingConfig, SearchConfig

ROOT = Path(__file__).parents[2]


def rows(page: str, heading: str) -> dict[str, str]:
    """Key -> default of the first table under a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.split(f"# {heading}\n", 1)[1].split("\n#")[0]
    found: dict[str, str] = {}
    for keys, defaults in re.findall(r"^\| (`.*?) \| (.*?) \|", section, re.MULTILINE):
        names, values = re.findall("`(.*?)`", keys), re.findall("`(.*?)`", defaults)
        found |= dict(zip(names, values or [defaults] * len(names), strict=True))
    return found


def settings(config: type, prefix: str = "") -> Iterator[tuple[str, Field[Any]]]:
    """Names and fields, those of tables included."""
    for one in fields(config):
        made = one.default_factory
        if one.type == "RecordingConfig | None":
            yield from settings(RecordingConfig, f"{prefix}{one.name}.")
        elif config is SearchConfig and isinstance(made, type) and is_dataclass(made):
            yield from settings(made, f"{prefix}{one.name}.")
        else:
            yield prefix + one.name, one


@pytest.mark.parametrize(
    ("page", "heading", "config"),
    [
        ("settings.md", "Settings of the environment", EnvConfig),
        ("settings.md", "Judge", JudgeConfig),
        ("search.md", "Configuration", SearchConfig),
    ],
)
def test_a_page_has_every_setting_and_its_default(page: str, heading: str, config: type) -> None:
    told = rows(page, heading)
    expected = dict(settings(config))
    assert list(told) == list(expected)
    for name, one in expected.items():
        match one.default:
            case None:
                assert told[name] == "none"
            case str():
                assert told[name] == f'"{one.default}"'
            case default if default is not MISSING and not isinstance(default, frozenset):
                assert told[name] == str(default)


def test_the_page_has_every_environment_variable_of_ours() -> None:
    read = {
        name
        for package in ("deepeyes_env", "agents", "trainers", "benchmarks")
        for file in (ROOT / package).rglob("*.py")
        for name in re.findall(
            r'"(DEEPEYES_[A-Z_]+|[A-Z0-9]+_API_KEY|DDGS_PROXY)"', file.read_text(encoding="utf-8")
        )
    }
    table = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").split("# Environment variables\n")[1]
    assert read - {"DEEPEYES_SANDBOX_CHECK"} == set(re.findall("`([A-Z0-9_]+)`", table)) - {
        "PILLOW_BLOCKS_MAX"
    }
