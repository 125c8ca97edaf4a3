"""The lock of resolved commits: what is kept, what is taken from it, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.protocol.revisions import LOCK, keep_commits, kept_commit
from benchmarks.suites import find_suite
from deepeyes_env.tasks.dataset_error import DatasetError

ONE, OTHER = "a" * 40, "b" * 40
SIMPLEVQA = "037cf89" + "c" * 33


class Opened:
    """A suite as it was opened from somewhere."""

    def __init__(self, name: str, source: Mapping[str, Any]) -> None:
        self.suite = find_suite(name)
        self._source = source

    def describe(self) -> Mapping[str, Any]:
        return {"source": self._source}


def from_hub(name: str, commit: str) -> Any:
    return Opened(name, {"hub": find_suite(name).card.releases[0].hub, "revision": commit})


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept() -> Any:
    return json.loads(LOCK.read_text())


def test_only_what_had_to_be_resolved_is_kept() -> None:
    pinned = find_suite("vstar").card.releases[0].revision
    assert pinned is not None
    suites = [
        from_hub("realx", ONE),
        from_hub("simplevqa", SIMPLEVQA),
        from_hub("vstar", pinned),
        Opened("logicvista", {"md5": {"LogicVista.tsv": "0"}}),
        Opened("worldbench", {"generated": "worldbench-4", "seed": 0}),
    ]
    assert len(keep_commits(suites)) == 2  # type: ignore[arg-type]
    assert kept() == {"glowol/RealXBench": ONE, "m-a-p/SimpleVQA": SIMPLEVQA}
    assert [kept_commit(name) for name in ("realx", "simplevqa", "vstar", "logicvista", "worldbench")] == [
        ONE,
        SIMPLEVQA,
        None,
        None,
        None,
    ]


def test_what_is_kept_stays_and_others_come_beside_it() -> None:
    keep_commits([from_hub("realx", ONE)])
    (said,) = keep_commits([from_hub("realx", OTHER)])
    assert f"is at commit {OTHER}; new runs take {ONE}" in said
    keep_commits([from_hub("logicvista", OTHER)])
    assert kept() == {"glowol/RealXBench": ONE, "lscpku/LogicVista": OTHER}


def test_a_pin_in_the_suites_own_file_counts_before_the_lock() -> None:
    LOCK.write_text(json.dumps({"m-a-p/SimpleVQA": ONE, "craigwu/vstar_bench": ONE}))
    assert kept_commit("simplevqa") is None
    assert kept_commit("vstar") is None
    keep_commits([from_hub("simplevqa", SIMPLEVQA), from_hub("vstar", OTHER)])
    assert kept() == {"m-a-p/SimpleVQA": SIMPLEVQA, "craigwu/vstar_bench": ONE}


def test_nothing_is_written_where_nothing_was_resolved() -> None:
    assert keep_commits([]) == ()
    assert not LOCK.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"a/b": "main"}', '{"a/b": null}', f'{{"a/b": {"1" * 40}}}'])
def test_a_damaged_lock_is_refused(content: str) -> None:
    LOCK.write_text(content)
    with pytest.raises(DatasetError, match=r"deepeyes-lock\.json"):
        kept_commit("realx")


def test_a_damaged_lock_does_not_stop_who_needs_none() -> None:
    LOCK.write_text("{")
    assert keep_commits([Opened("logicvista", {"md5": {"LogicVista.tsv": "0"}})]) == ()  # type: ignore[list-item]


def test_runs_at_once_keep_the_commits_of_all() -> None:
    def run(number: int) -> tuple[str, ...]:
        name = "realx" if number % 2 else "logicvista"
        return keep_commits([from_hub(name, f"{number:040x}")])

    with ThreadPoolExecutor(8) as pool:
        said = [one for sentences in pool.map(run, range(40)) for one in sentences]
    assert sum("as deepeyes-lock.json has it" in one for one in said) == 2
    assert set(kept()) == {"glowol/RealXBench", "lscpku/LogicVista"}


def test_a_lock_that_cannot_be_written_is_said_and_stops_nothing() -> None:
    LOCK.with_name(f"{LOCK.name}.new").mkdir()
    said = keep_commits([from_hub("realx", ONE)])
    assert "cannot be written" in said[0]
    assert len(said) == 1
