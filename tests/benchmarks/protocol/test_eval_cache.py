"""Episodes of other runs are taken over where all that decides them is the same, and nowhere else."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_suites import ChoiceItems, always, opening

from agents.store import read_trajectories
from benchmarks.protocol import evaluate as evaluating
from benchmarks.protocol.ask import index_pages
from benchmarks.protocol.cache import FROM
from benchmarks.protocol.evaluate import evaluate
from benchmarks.protocol.options import EvalOptions
from benchmarks.run_folder import read_run
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.search.config import LocalSearchConfig, SearchConfig
from deepeyes_env.search.corpora import Document
from deepeyes_env.search.local.writer import update_index
from deepeyes_env.tasks.dataset_error import DatasetError


class Runs:
    """Runs of one policy in one folder; `asked` are the items of the last one, `said` what it printed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def ask(self, name: str, cached: bool = True, **options: Any) -> list[str]:
        self.asked: list[str] = []

        def counted(task: Any, lineage: Any) -> Any:
            self.asked.append(task.id)
            yield from always("A")(task, lineage)

        said = io.StringIO()
        cache = {"cache": self.root} if cached else {}
        wanted = EvalOptions(
            policy="script", suite="choices", modes="off", out=self.root / name, **cache, **options
        )
        evaluate(wanted, Console(file=said, width=500), opening(counted))
        self.said = said.getvalue()
        return sorted(self.asked)

    def taken(self, name: str) -> float:
        return read_run(self.root / name).spent.get("episodes_taken_over", 0)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: ChoiceItems(3))
    found = Runs(tmp_path)
    assert found.ask("first") == ["choices/0", "choices/1", "choices/2"]
    return found


def test_what_another_run_has_asked_is_taken_over_whole(runs: Runs) -> None:
    assert runs.ask("second", samples=2) == ["choices/0", "choices/1", "choices/2"], "the second samples"
    assert runs.ask("third", samples=2) == []
    assert (runs.taken("first"), runs.taken("second"), runs.taken("third")) == (0, 3, 6)
    assert runs.ask("third", samples=2) == [], "its own are no cache"
    assert runs.taken("third") == 6
    first, third = (read_run(runs.root / name).results for name in ("first", "third"))
    assert [one.item for one in third if one.sample == 0] == [one.item for one in first]
    assert [one.correct for one in third] == [True] * 6
    episodes = list(read_trajectories(runs.root / "third" / "trajectories"))
    assert {one.versions[FROM] for one in episodes} == {"first", "second"}
    assert all(image.data for one in episodes for image in one.images)


def test_another_judge_asks_the_policy_nothing(runs: Runs) -> None:
    judge = {"judge": "http://127.0.0.1:9/v1", "judge_model": "m"}
    assert runs.ask("judged", cached=False, cache=runs.root / "first", **judge) == []
    assert runs.taken("judged") == 3


def test_without_a_cache_everything_is_asked(runs: Runs) -> None:
    assert len(runs.ask("second", cached=False)) == 3


def test_other_settings_seeds_and_items_are_asked(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    env = runs.root / "env.toml"
    env.write_text("max_turns = 3\n")
    assert len(runs.ask("settings", env=env)) == 3
    assert len(runs.ask("seed", seeds="1")) == 3
    changed = ChoiceItems(3, questions=["Which number comes after 0?", "another", "yet another"])
    monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: changed)
    assert runs.ask("items") == ["choices/1", "choices/2"]


def test_runs_of_other_versions_and_damaged_ones_are_named_and_not_used(runs: Runs) -> None:
    card = runs.root / "first" / "run.json"
    written = json.loads(card.read_text())
    written["versions"]["numpy"] = "0.1"
    card.write_text(json.dumps(written))
    (runs.root / "broken").mkdir()
    (runs.root / "broken" / "run.json").write_text("{}")
    assert len(runs.ask("second")) == 3
    assert "first is not used as a cache: other versions of numpy" in runs.said
    assert "broken is not used as a cache" in runs.said


def test_a_cache_must_be_there(tmp_path: Path, runs: Runs) -> None:
    wanted = EvalOptions(
        policy="script", suite="choices", modes="off", out=tmp_path / "x", cache=tmp_path / "none"
    )
    with pytest.raises(ConfigError, match="no folder; give the one that holds runs"):
        evaluate(wanted, Console(file=io.StringIO()), opening(always("A")))


def test_other_pages_in_the_same_index_are_another_question(tmp_path: Path) -> None:
    config = EnvConfig(search=SearchConfig(engine=LocalSearchConfig(index=str(tmp_path))))
    with pytest.raises(DatasetError):
        index_pages(config)
    seen = set()
    for texts in (["A bridge."], ["A bridge."], ["A bridge.", "A tower."]):
        update_index(tmp_path, [Document(str(n), text, f"d:{n}", text) for n, text in enumerate(texts)])
        seen.add(index_pages(config)["index_pages"])
    assert len(seen) == 2
    assert index_pages(EnvConfig()) == {}


def test_a_guess_is_not_taken_over_from_a_guesser_that_knew_other_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size, asked in ((2, 2), (3, 3), (3, 0)):
        monkeypatch.setattr(
            evaluating, "open_suite", lambda name, path, revision, size=size: ChoiceItems(size)
        )
        number = len(list(tmp_path.iterdir()))
        wanted = EvalOptions(
            policy="guesser", suite="choices", modes="off", out=tmp_path / str(number), cache=tmp_path
        )
        evaluate(wanted, Console(file=io.StringIO()))
        taken = read_run(tmp_path / str(number)).spent.get("episodes_taken_over", 0)
        assert size - taken == asked
