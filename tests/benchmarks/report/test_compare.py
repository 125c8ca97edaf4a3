"""`deepeyes eval compare`: the same draws, honest tests, and what happened where verdicts flipped."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from evaluations import card, evaluations, in_suite, policy_with, result, write_run
from hypothesis import given, settings

from agents.store import TrajectoryWriter
from benchmarks.report.compare_command import main, to_json
from benchmarks.report.comparison import RunComparison, compare_runs
from benchmarks.report.document import report_of
from benchmarks.report.episodes import MOST_CHARACTERS
from benchmarks.report.pairing import Metric
from benchmarks.run_folder import TRAJECTORIES, Run
from deepeyes_env.errors import ConfigError

# The helpers of the viewer's tests: trajectories that can be stored.
sys.path.insert(0, str(Path(__file__).parents[2] / "agents"))
from viewed_runs import storable

HOSTILE = "</pre><img src=x onerror=alert(1)>"


def run_of(results, **fields) -> Run:
    return Run(Path("run"), card(**fields), tuple(results), {})


def compared(first: Run, second: Run, metric: Metric = "correct") -> RunComparison:
    (found,) = compare_runs(first, [second], metric)
    return found


def test_only_draws_that_both_have_scored_are_compared():
    first = [result(f"vstar/{n}", correct=False) for n in range(6)]
    second = [
        result("vstar/0"),
        result("vstar/1", correct=None, judge_failed=True),
        result("vstar/2", seed=1),
        result("vstar/3", "off"),
        result("vstar/4", correct=False),
    ]
    found = compared(run_of(first), run_of(second), "correct")
    (suite,) = found.suites
    assert (suite.result.pairs, suite.result.gained, suite.result.lost) == (2, 1, 0)
    assert [flip.item for flip in suite.flips] == ["vstar/0"]
    told = " ".join(found.warnings)
    assert "3 draws are left out that only the first run made" in told
    assert "2 draws are left out that only the second run made" in told
    assert "1 draws are left out that lack a score" in told


def test_nothing_in_common_is_refused_and_says_what_each_has():
    first, second = run_of([result()]), run_of([result("mmsearch/0", "off")])
    with pytest.raises(ConfigError, match=r"nothing in common.*\['vstar'\].*\['mmsearch'\].*same suites"):
        compared(first, second, "correct")


@settings(max_examples=8)
@given(evaluations(), evaluations())
def test_comparing_the_other_way_round_changes_the_signs_alone(first, second):
    try:
        there = compared(run_of(first), run_of(second), "correct")
    except ConfigError:
        return
    back = compared(run_of(second), run_of(first), "correct")
    json.loads(to_json([there]))
    for one, other in zip(there.suites, back.suites, strict=True):
        assert one.result.difference == pytest.approx(-other.result.difference)
        assert (one.result.gained, one.result.lost) == (other.result.lost, other.result.gained)
        assert one.result.detectable == other.result.detectable
        if one.result.test == other.result.test == "mcnemar":
            assert one.result.p_value == other.result.p_value
        assert len(one.flips) == one.result.gained + one.result.lost


def test_a_run_does_not_differ_from_itself():
    run = run_of(policy_with({"all": 0.6, "off": 0.4}, 30))
    found = compared(run, run, "correct")
    assert found.warnings == ()
    assert all(one.result.p_value == one.p_holm == 1.0 and not one.flips for one in found.suites)


def test_p_values_are_corrected_over_all_suites_and_modes():
    parts = [policy_with({"all": share, "off": 0.5}, 60, seed) for seed, share in ((1, 0.4), (2, 0.8))]
    first, second = ([*part, *in_suite(part, "mmsearch")] for part in parts)
    found = compared(run_of(first), run_of(second), "correct")
    assert [(one.suite, one.mode) for one in found.suites] == [
        ("mmsearch", "all"),
        ("mmsearch", "off"),
        ("vstar", "all"),
        ("vstar", "off"),
    ]
    best = min(found.suites, key=lambda one: one.result.p_value)
    assert best.p_holm == pytest.approx(4 * best.result.p_value)
    assert found.means["all"].suites == 2


def test_p_values_are_corrected_over_all_runs_that_are_compared_at_once():
    first, *others = [
        run_of(policy_with({"all": share}, 60, seed)) for seed, share in enumerate((0.4, 0.8, 0.5))
    ]
    found = [one.suites[0] for one in compare_runs(first, others, "correct")]
    assert found[0].p_holm == pytest.approx(2 * found[0].result.p_value)
    alone = compared(first, others[0]).suites[0]
    assert alone.p_holm == alone.result.p_value == found[0].result.p_value


def test_in_means_over_suites_an_items_orders_of_options_are_one_draw():
    """Of two items the one with four orders got worse: by draws it would be four fifths."""

    def ordered(suite: str, right: bool) -> list:
        order = {"A": "A"}
        orders = [result(f"{suite}/1", sample=n, draw=0, correct=right, option_order=order) for n in range(4)]
        return [result(f"{suite}/0"), *orders]

    first, second = (
        run_of([one for suite in ("vstar", "mmsearch") for one in ordered(suite, right)])
        for right in (True, False)
    )
    assert compared(first, second).means["all"].value == -0.5
    assert report_of(second).means["all"].value == 0.5


def test_cycles_of_a_question_are_permuted_together():
    def cycles(right: bool) -> list:
        return [
            result(f"hrbench-4k/{n}", cluster=f"q{n // 4}", correct=right if n < 24 else True)
            for n in range(40)
        ]

    (suite,) = compared(run_of(cycles(False)), run_of(cycles(True)), "correct").suites
    assert (suite.result.test, suite.result.clusters) == ("permutation", 10)
    assert suite.result.p_value == pytest.approx(2 / 2**6)


def test_the_official_metric_can_be_compared():
    first = [result(f"vstar/{n}", official=0.5) for n in range(8)]
    second = [result(f"vstar/{n}", official=0.75 if n < 6 else 0.5) for n in range(8)]
    (ours,) = compared(run_of(first), run_of(second), "correct").suites
    (official,) = compared(run_of(first), run_of(second), "official").suites
    assert (ours.result.gained, official.result.gained) == (0, 6)
    assert official.result.difference == pytest.approx(0.1875)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"settings": {"prompt": "paper"}}, "settings: prompt by_mode / paper"),
        ({"judge": {"model": "m2"}}, "judge: "),
        ({"judge": {"model": "m", "model_sha256": "b0"}}, "model_sha256 – / b0"),
        ({"versions": {"numpy": "2.1"}}, "versions: numpy 2.0 / 2.1"),
        (
            {"suites": {"vstar": {"source": {"revision": "other"}}}},
            "copy of the data: vstar.revision abc123 / other",
        ),
        (
            {"suites": {"vstar": {"source": {"md5": {"v.tsv": "aa"}}}}},
            "copy of the data: vstar.md5.v.tsv – / aa; vstar.revision abc123 / –",
        ),
    ],
)
def test_another_protocol_is_a_warning(fields, words):
    found = compared(run_of([result()]), run_of([result()], **fields), "correct")
    assert any(words in warning for warning in found.warnings)


def test_other_policies_are_what_is_compared_and_no_warning():
    settings_of = [{"respondent": {"weights": name, "temperature": 0.0}} for name in ("a", "b")]
    runs = [
        run_of([result()], policy=name, settings=some) for name, some in zip("ab", settings_of, strict=True)
    ]
    assert compared(*runs, "correct").warnings == ()
    hot = run_of([result()], settings={"respondent": {"temperature": 1.0}})
    assert "respondent.temperature 0.0 / 1.0" in " ".join(compared(runs[0], hot, "correct").warnings)


def stored(path: Path, results: list, question: str, page: bool) -> Path:
    """A run that kept its trajectories, with or without the viewer's page."""
    write_run(path, [replace(one, trajectory=number) for number, one in enumerate(results)])
    with TrajectoryWriter(path / TRAJECTORIES) as writer:
        for one in results:
            writer.append(storable("code", "answer", question=question, answer=one.answer))
    if page:
        (path / TRAJECTORIES / "trajectories.html").write_text("", encoding="utf-8")
    return path


def test_flipped_draws_are_shown_with_what_happened_and_linked(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    first = [result(f"vstar/{n}", correct=False, answer=HOSTILE) for n in range(3)]
    second = [result("vstar/0"), result("vstar/1"), result("vstar/2", correct=False)]
    a = stored(tmp_path / "a", first, HOSTILE, page=True)
    b = stored(tmp_path / "b", second, HOSTILE + "x" * 2 * MOST_CHARACTERS, page=False)
    assert main([str(a), str(b), "--out", str(tmp_path / "out")]) == 0
    assert "0.5" in capsys.readouterr().out
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "<img" not in page
    assert page.count("<details>") == page.count("</details>") == 2
    assert 'href="../a/trajectories/trajectories.html#t=1&amp;pane=detail"' in page
    assert "../b/trajectories" not in page
    assert "The sign is small: I crop it." in page
    document = json.loads((tmp_path / "out" / "compare.json").read_text())
    (suite,) = document["comparisons"][0]["suites"]
    assert [flip["first_trajectory"] for flip in suite["flips"]] == [0, 1]


def test_several_runs_are_compared_with_the_first(tmp_path, capsys):
    runs = [
        write_run(tmp_path / name, policy_with({"all": 0.5}, 20, seed)) for seed, name in enumerate("abc")
    ]
    main([*map(str, runs), "--out", str(tmp_path / "out")])
    document = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [one["second"].rpartition(" ")[2] for one in document["comparisons"]] == ["(b)", "(c)"]
    assert "trajectory was not kept" in (tmp_path / "out" / "compare.html").read_text()
    capsys.readouterr()
    with pytest.raises(ConfigError, match="two folders or more"):
        main([str(runs[0])])


def test_the_folder_of_a_comparison_is_looked_at_first(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"out = .*file is no folder"):
        main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "file")])
