"""`deepeyes eval` end to end: real environment, sandbox and search."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro
from rich.console import Console
from small_suites import ChoiceItems, always, opening, right_with_probability

from agents.scripted import Program
from agents.store import read_trajectories
from benchmarks.protocol import command, folder
from benchmarks.protocol import evaluate as evaluating
from benchmarks.protocol.command import PARTS, main
from benchmarks.protocol.evaluate import Evaluated, evaluate
from benchmarks.protocol.options import EvalOptions
from benchmarks.report.accuracy import ours
from benchmarks.report.command import write_report
from benchmarks.run_folder import read_run
from benchmarks.suites.suite import Item
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.evaluation import proportion


def run(tmp_path: Path, program: Program, **options: Any) -> Evaluated:
    asked = EvalOptions(policy="script", out=tmp_path / "run", num_envs=4, **options)
    return evaluate(asked, Console(file=io.StringIO()), opening(program))


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> ChoiceItems:
    """The suite `choices` in place of the registry."""
    items = ChoiceItems(12)
    monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: items)
    return items


def test_the_oracle_is_right_with_its_tools_and_wrong_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert (
        main(["--policy", "oracle", "--n", "8", "--modes", "all,off", "--num-envs", "4", "--out", str(out)])
        == 0
    )
    shown = capsys.readouterr().out
    assert "worldbench-small" in shown
    assert "so that only the judge is asked" in " ".join(shown.split())
    run = read_run(out)
    right = {mode: [one.correct for one in run.results if one.mode == mode] for mode in ("all", "off")}
    assert len(right["all"]) == len(right["off"]) == 8
    assert all(right["all"])
    assert not all(right["off"])
    assert run.card.policy == "oracle"
    assert run.card.suites["worldbench-small"]["asked"] == 8
    assert run.spent["seconds"] > 0
    used = [one for one in run.results if one.calls and one.mode == "all"]
    assert {kind for one in used for kind in one.calls} == {"code", "search", "image_search"}
    refused = [one for one in run.results if one.mode == "off" and one.calls.get("code")]
    assert refused, "the oracle tries"
    assert all(one.code_errors == one.placeholders == 0 for one in refused), "no cell has run"
    stored = list(read_trajectories(out / "trajectories"))
    for one in run.results:
        assert one.trajectory is not None
        assert stored[one.trajectory].task_id == one.item
        assert stored[one.trajectory].answer == one.answer
    official = json.loads((out / "official.json").read_text())["worldbench-small"]
    assert official["all"]["accuracy"] == official["all"]["twin_consistency"] == 1.0


def test_the_oracle_is_right_about_all_of_the_small_worldbench(tmp_path: Path) -> None:
    assert main(["--policy", "oracle", "--modes", "all", "--out", str(tmp_path / "oracle")]) == 0
    assert [one.correct for one in read_run(tmp_path / "oracle").results] == [True] * 60


def test_what_searches_cost_is_noted(tmp_path: Path) -> None:
    env = tmp_path / "env.toml"
    env.write_text("[search.budget]\nqueries = 1000\n")
    out = tmp_path / "run"
    asked = ["--policy", "oracle", "--n", "8", "--modes", "all", "--env", str(env), "--out", str(out)]
    assert main(asked) == 0
    run = read_run(out)
    searches = sum(
        count
        for one in run.results
        for kind, count in one.calls.items()
        if kind in ("search", "image_search")
    )
    assert run.spent["search_requests"] == searches > 0
    assert run.spent["search_dollars"] == 0.0
    assert "judge_requests" not in run.spent


def test_on_worldbench_the_guesser_is_near_chance(tmp_path: Path) -> None:
    assert main(["--policy", "guesser", "--modes", "off", "--out", str(tmp_path / "guesser")]) == 0
    guessed = [bool(one.correct) for one in read_run(tmp_path / "guesser").results]
    assert len(guessed) == 60
    assert proportion(guessed).high < 0.2


def test_on_worldbench_intervals_hold_a_policys_accuracy(tmp_path: Path) -> None:
    """A 95 % interval misses one time in twenty: three of eight miss in 0.6 % of all runs."""
    found = run(tmp_path, right_with_probability(0.7), modes="off", samples=8)
    samples = [ours(one for one in found.results if one.sample == number) for number in range(8)]
    assert [one.n for one in samples] == [60] * 8
    assert sum(one.low <= 0.7 <= one.high for one in samples) >= 6


@pytest.mark.usefixtures("choices")
def test_the_guesser_knows_the_letters_and_nothing_else(tmp_path: Path) -> None:
    for order, expected in (("release", 1.0), ("averaged", 0.25)):
        out = str(tmp_path / order)
        arguments = ["--policy", "guesser", "--suite", "choices", "--modes", "off", "--out", out]
        assert main([*arguments, "--option-order", order]) == 0
        found = [one.correct for one in read_run(out).results]
        assert sum(map(bool, found)) / len(found) == expected


@pytest.mark.usefixtures("choices")
def test_a_policy_that_is_right_with_probability_p_is_found_so(tmp_path: Path) -> None:
    found = run(tmp_path, right_with_probability(0.7), suite="choices", modes="off", seeds="0,1", samples=6)
    verdicts = [bool(one.correct) for one in found.results]
    interval = proportion(verdicts)
    assert len(verdicts) == 144
    assert interval.low < 0.7 < interval.high
    assert interval.high - interval.low < 0.2
    by_seed = [[one.correct for one in found.results if one.seed == seed] for seed in (0, 1)]
    assert by_seed[0] != by_seed[1]


@pytest.mark.usefixtures("choices")
def test_a_stubborn_letter_is_right_as_often_as_it_is_the_right_one(tmp_path: Path) -> None:
    found = run(tmp_path, always("B"), suite="choices", modes="off", option_order="averaged")
    assert len(found.results) == 48
    assert sum(map(bool, (one.correct for one in found.results))) == 12
    right = [one for one in found.results if one.correct]
    assert all(one.option_order["B"] == "A" for one in right)
    assert all(one.official == float(bool(one.correct)) for one in found.results)
    assert found.official["choices"]["off"]["accuracy"] == 0.25


def test_out_must_be_a_folder_and_a_policy_may_be_called_a_model(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["--model", "guesser", "--modes", "off", "--n", "2", "--out", str(tmp_path / "file")]
    with pytest.raises(ConfigError, match="is no folder"):
        main(arguments)


@pytest.mark.usefixtures("choices")
def test_a_run_of_other_settings_is_refused_with_what_differs(tmp_path: Path) -> None:
    run(tmp_path, always("A"), suite="choices", modes="off", n=2)
    with pytest.raises(ConfigError, match=r"settings\.plan\.samples was 1, is 2"):
        run(tmp_path, always("A"), suite="choices", modes="off", n=2, samples=2)
    env = tmp_path / "env.toml"
    env.write_text("max_turns = 3\n")
    with pytest.raises(ConfigError, match=r"settings\.env\.off\.max_turns was 9, is 3"):
        run(tmp_path, always("A"), suite="choices", modes="off", n=2, env=env)
    with pytest.raises(ConfigError, match=r"policy was \"stubborn\", is \"noisy\""):
        run(tmp_path, right_with_probability(0.5), suite="choices", modes="off", n=2)


def test_other_modes_and_seeds_are_named_and_not_all_that_an_environment_is_made_of(tmp_path: Path) -> None:
    asked = ["--policy", "guesser", "--n", "2", "--out", str(tmp_path / "run")]
    assert main([*asked, "--modes", "off,code"]) == 0
    with pytest.raises(ConfigError) as refused:
        main([*asked, "--modes", "off,search", "--seeds", "1"])
    assert "(settings.plan.modes was [" in str(refused.value)
    assert "; settings.plan.seeds was [0], is [1])" in str(refused.value)


@pytest.mark.usefixtures("choices")
def test_options_are_named_before_the_settings_of_an_environment_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "SHOWN", 2)
    run(tmp_path, always("A"), suite="choices", modes="off", n=2)
    env = tmp_path / "env.toml"
    env.write_text("max_turns = 3\nmax_pixels = 12544\n")
    with pytest.raises(
        ConfigError, match=r"\(settings\.plan\.samples was 1, is 2; settings\.[^;]+; 1 more\)"
    ):
        run(tmp_path, always("A"), suite="choices", modes="off", n=2, samples=2, env=env)


@pytest.mark.usefixtures("choices")
def test_a_run_goes_on_with_the_judge_that_it_had_and_with_no_other(tmp_path: Path) -> None:
    asked = {"suite": "choices", "modes": "off", "n": 2}

    def judged(**options: Any) -> Evaluated:
        return run(tmp_path, always("A"), **asked, **options)

    judged(judge="http://127.0.0.1:9/v1", judge_model="m")
    about = read_run(tmp_path / "run").card.judge
    assert about is not None
    assert (about["model"], about["address"]) == ("m", "http://127.0.0.1")
    write_report(tmp_path / "run")
    for told in ("report.json", "report.html"):
        text = (tmp_path / "run" / told).read_text()
        assert str(about["model_sha256"]) in text
        assert str(about["prompt_sha256"]) in text
    # Another port of the same machine is where the same judge was started again.
    judged(judge="http://127.0.0.1:10/v1", judge_model="m")
    with pytest.raises(
        ConfigError, match=r'judge\.model was "m", is "n"; judge\.model_sha256 was.*another --out'
    ):
        judged(judge="http://127.0.0.1:9/v1", judge_model="n")
    with pytest.raises(ConfigError, match=r'judge\.address was "http://127\.0\.0\.1", is "https://j"'):
        judged(judge="https://j:9/v1", judge_model="m")
    with pytest.raises(ConfigError, match=r'judge\.model was "m", is null'):
        judged()


@pytest.mark.usefixtures("choices")
def test_a_judge_whose_files_have_changed_is_another(tmp_path: Path) -> None:
    weights = tmp_path / "judge" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"before")
    judge = {"judge": "http://127.0.0.1:9/v1", "judge_model": str(weights.parent)}
    run(tmp_path, always("A"), suite="choices", modes="off", n=2, **judge)
    weights.write_bytes(b"after")
    with pytest.raises(ConfigError, match=r"\(judge\.model_sha256 was [^;]+\); choose another --out"):
        run(tmp_path, always("A"), suite="choices", modes="off", n=2, **judge)


@pytest.mark.usefixtures("choices")
def test_searches_without_pages_are_not_measured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'choices' brings no pages.*all, search.*--modes code,off"):
        run(tmp_path, always("A"), suite="choices")


def test_an_item_that_changed_is_asked_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(task: Any, lineage: Any) -> Any:
        asked.append(task.id)
        yield from always("A")(task, lineage)

    def with_questions(*questions: str) -> Sequence[Any]:
        items = ChoiceItems(len(questions), questions=questions)
        monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: items)
        asked.clear()
        results = run(tmp_path, counted, suite="choices", modes="off").results
        assert len(results) == len(read_run(tmp_path / "run").results) == len(questions)
        return list(asked)

    assert sorted(with_questions("Q0", "Q1", "Q2")) == ["choices/0", "choices/1", "choices/2"]
    assert with_questions("Q0", "Q1", "Q2") == []
    assert with_questions("Q0", "other", "Q2") == ["choices/1"]
    assert with_questions("Q0", "other") == []


def test_a_seed_that_is_written_in_two_ways_is_one() -> None:
    assert EvalOptions(policy="oracle", seeds="0, 00,1,0").seed_numbers == (0, 1)


def test_options_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    for options, message in (
        ({"modes": "all,serch"}, "serch.*search"),
        ({"seeds": "0,x"}, "'x'.*whole numbers"),
        ({"prompt": "papr"}, "paper"),
        ({"judge_sample": 1.5}, "from 0 to 1"),
        ({"copy": ("vstar=x",)}, "not one of the suites"),
        ({"suite": ","}, "at least one of each"),
    ):
        with pytest.raises(ConfigError, match=message):
            EvalOptions(policy="oracle", **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown part 'comprae': did you mean 'compare'"):
        main(["comprae", "A", "B"])
    with pytest.raises(ConfigError, match="--judge"):
        assert EvalOptions(policy="oracle", judge_sample=0.5).judge_config
    with pytest.raises(SystemExit, match=r"deepeyes eval: .*nothing-here"):
        main(["--policy", str(tmp_path / "nothing-here"), "--out", str(tmp_path / "run")])


@pytest.mark.usefixtures("choices")
def test_what_failed_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = replace(run(tmp_path, always("A"), suite="choices", modes="off", n=1), failures=["[/x] is gone"])
    monkeypatch.setattr(command, "evaluate", lambda options, console: found)
    main(["--policy", "script", "--out", str(tmp_path / "run")])
    assert "[/x] is gone" in capsys.readouterr().out


def test_the_help_names_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert [part for part in PARTS if part not in shown] == []


class WithBadItem(ChoiceItems):
    """Its fourth item cannot be read, until it is mended."""

    bad = True

    def item(self, index: int) -> Item:
        if index == 3 and self.bad:
            raise DatasetError("choices.tsv", "no picture", "mend it", row=3)
        return super().item(index)


def test_an_error_in_the_midst_mixes_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended before it belongs to its own items, though an older one still runs."""
    items = WithBadItem(6)
    monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: items)

    def slow_first(task: Any, lineage: Any) -> Any:
        if task.id == "choices/0":
            yield "<think>.</think><code>\n```python\nimport time; time.sleep(1)\n```\n</code>"
        yield f"<think>.</think><answer>{'A' if task.id == 'choices/0' else task.id}</answer>"

    with pytest.raises(DatasetError, match="no picture"):
        run(tmp_path, slow_first, suite="choices", modes="code")
    items.bad = False
    found = run(tmp_path, slow_first, suite="choices", modes="code")
    assert {one.item: one.answer for one in found.results} == {
        "choices/0": "A",
        **{f"choices/{number}": f"choices/{number}" for number in range(1, 6)},
    }
    stored = list(read_trajectories(tmp_path / "run" / "trajectories"))
    assert all(stored[one.trajectory or 0].task_id == one.item for one in found.results)


def test_two_items_of_one_id_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(ChoiceItems):
        def item(self, index: int) -> Item:
            return super().item(index % 2)

    monkeypatch.setattr(evaluating, "open_suite", lambda name, path, revision: Doubled(3))
    with pytest.raises(DatasetError, match="items 0 and 2 have the same id choices/0"):
        run(tmp_path, always("A"), suite="choices", modes="off")


def test_every_suite_may_have_a_copy_and_no_more(tmp_path: Path) -> None:
    options = tyro.cli(
        EvalOptions,
        args=["--policy", "m", "--suite", "vstar,hrbench-4k", "--copy", "vstar=a", "--copy", "hrbench-4k=b"],
    )
    assert options.copies == {"vstar": Path("a"), "hrbench-4k": Path("b")}
    with pytest.raises(ConfigError, match="a suite has one copy"):
        EvalOptions(policy="m", suite="vstar", copy=("vstar=a", "vstar=b"))


def test_infrastructure_that_fails_is_left_unscored_and_asked_again(
    tmp_path: Path, choices: ChoiceItems, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents.policy import PolicyError

    broken = True

    def failing(task: Any, lineage: Any) -> Any:
        if broken and task.id == "choices/1":
            raise PolicyError("the server is gone")
        yield from always("A")(task, lineage)

    first = run(tmp_path, failing, suite="choices", modes="off", n=3)
    assert {one.item: one.correct for one in first.results} == {
        "choices/0": True,
        "choices/1": None,
        "choices/2": True,
    }
    assert any("the server is gone" in failure for failure in first.failures)
    broken = False
    second = run(tmp_path, failing, suite="choices", modes="off", n=3)
    assert [one.correct for one in second.results] == [True] * 3
    assert [one.correct for one in read_run(tmp_path / "run").results] == [True] * 3
