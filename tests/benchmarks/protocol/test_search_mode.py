"""The mode in which only searches answer: what it needs, what it is told, and what it cannot do."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.store import read_trajectories
from benchmarks.protocol import evaluate as evaluating
from benchmarks.protocol.command import main
from benchmarks.protocol.presets import PRESETS, in_mode
from benchmarks.run_folder import read_run
from benchmarks.suites import open_suite
from benchmarks.suites.suite import Item
from deepeyes_env.config import EnvConfig
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.tasks.worlds import family

SEARCHES = frozenset({"search", "image_search"})


class OnlySearches:
    """The items of WorldBench small whose oracle needs searches and nothing else."""

    def __init__(self) -> None:
        self._items = open_suite("worldbench-small")
        self.suite = self._items.suite
        needed = [family(self._items.item(number).task.family).tools for number in range(24)]
        self._numbers = [number for number, tools in enumerate(needed) if tools and tools <= SEARCHES]

    def __len__(self) -> int:
        return len(self._numbers)

    def item(self, index: int) -> Item:
        return self._items.item(self._numbers[index])

    def describe(self) -> Mapping[str, Any]:
        return {**self._items.describe(), "items": len(self)}

    def search_engine(self) -> Any:
        return self._items.search_engine()


def test_an_oracle_of_searches_is_right_with_searches_and_wrong_with_no_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = OnlySearches()
    monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: items)
    out = tmp_path / "run"
    assert main(["--policy", "oracle", "--modes", "search,off", "--num-envs", "4", "--out", str(out)]) == 0
    results = read_run(out).results
    by_mode = {mode: [one for one in results if one.mode == mode] for mode in ("search", "off")}
    assert len(by_mode["search"]) == len(by_mode["off"]) == len(items) >= 6
    assert all(one.correct for one in by_mode["search"])
    assert {kind for one in by_mode["search"] for kind in one.calls} == SEARCHES
    assert not any(one.correct for one in by_mode["off"])
    told = {mode: {one.trajectory for one in some} for mode, some in by_mode.items()}
    for number, episode in enumerate(read_trajectories(out / "trajectories")):
        assert not re.search(r"\bpython\b|\bcode\b", episode.system_prompt.lower())
        assert ("image_search" in episode.system_prompt) == (number in told["search"])


@pytest.mark.parametrize("preset", ["by_mode", "paper"])
@pytest.mark.parametrize(
    ("mode", "named", "unnamed"),
    [
        ("all", ("<code>", "<tool_call>"), ()),
        ("code", ("<code>",), ("search", "<tool_call>")),
        ("search", ("<tool_call>", "image_search"), ("python", "<code>")),
        ("off", (), ("python", "<code>", "search", "<tool_call>")),
    ],
)
def test_the_presets_of_the_paper_name_the_tools_that_answer_and_no_others(
    preset: str, mode: Any, named: tuple[str, ...], unnamed: tuple[str, ...]
) -> None:
    config = in_mode(EnvConfig(), PRESETS[preset], mode)
    said = f"{system_prompt(config)}\n{user_prompt('Why?', (), config)}".lower()
    assert [word for word in named if word not in said] == []
    assert [word for word in unnamed if word in said] == []
