"""`docs/settings.md` names every setting with its default."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from deepeyes_env.config import EnvConfig, JudgeConfig

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def rows(heading: str) -> dict[str, str]:
    """Key -> default of the first table under a heading."""
    section = PAGE.read_text(encoding="utf-8").split(f"# {heading}\n", 1)[1].split("\n#")[0]
    found: dict[str, str] = {}
    for keys, defaults in re.findall(r"^\| (`.*?) \| (.*?) \|", section, re.MULTILINE):
        names, values = re.findall("`(.*?)`", keys), re.findall("`(.*?)`", defaults)
        found |= dict(zip(names, values or [defaults] * len(names), strict=True))
    return found


@pytest.mark.parametrize(
    ("heading", "config"), [("Settings of the environment", EnvConfig), ("Judge", JudgeConfig)]
)
def test_the_page_has_every_setting_and_its_default(heading: str, config: type) -> None:
    told = rows(heading)
    assert list(told) == [one.name for one in fields(config)]
    for one in fields(config):
        match one.default:
            case None:
                assert told[one.name] == "none"
            case str():
                assert told[one.name] == f'"{one.default}"'
            case default if default is not MISSING and not isinstance(default, frozenset):
                assert told[one.name] == str(default)
