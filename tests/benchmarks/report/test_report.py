"""What a report says of an evaluation, from generated results and from real folders."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from evaluations import card, evaluations, in_suite, policy_with, result, write_run
from hypothesis import given, settings
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from benchmarks.report.accuracy import accuracy
from benchmarks.report.agreement import agreement
from benchmarks.report.behaviour import behaviour
from benchmarks.report.command import NAMES, main, write_report
from benchmarks.report.document import report_of, to_json
from benchmarks.report.markdown import to_markdown
from benchmarks.report.official import OFFICIAL, headline
from benchmarks.report.rate import rate
from benchmarks.report.refusals import refusals
from benchmarks.report.tool_effect import tool_effects
from benchmarks.report.twins import twins
from benchmarks.run_folder import Run, read_run
from benchmarks.statistics.unpaired import two_proportions
from deepeyes_env.tasks.dataset_error import DatasetError

HOSTILE = "</script><img src=x onerror=alert(1)>"
REALX = {"title": "RealX-Bench", "items": 194, "size": 194, "revision": "abc"}


def run_of(results, about=None, spent=None) -> Run:
    return Run(Path("nowhere"), about or card(), tuple(results), spent or {})


# --- Accuracy ----------------------------------------------------------------------------------


def test_what_has_no_verdict_is_neither_right_nor_wrong():
    failed = {"correct": None, "rule": "unscored", "answer": None}
    results = [
        result("vstar/0"),
        result("vstar/1", correct=False),
        result("vstar/2", outcome="infra_failed", **failed),
        result("vstar/3", judge_failed=True, **failed),
    ]
    found, happened = accuracy(results), behaviour(results)
    assert (found.ours.value, found.ours.n) == (0.5, 2)
    assert (happened.draws, happened.infra_failed, happened.judge_failed, happened.unscored) == (4, 1, 1, 2)


def test_an_item_counts_for_every_skill_and_all_three_are_integration():
    results = [
        result("vstar/0", skills=("perception", "reasoning", "search")),
        result("vstar/1", skills=("perception",), correct=False),
        result("vstar/2", skills=(), category="colour"),
    ]
    found = accuracy(results)
    assert {skill: (one.value, one.n) for skill, one in found.by_skill.items()} == {
        "perception": (0.5, 2),
        "reasoning": (1.0, 1),
        "search": (1.0, 1),
        "integration": (1.0, 1),
    }
    assert list(found.by_skill)[-1] == "integration"
    assert list(found.by_category) == ["colour"]


def test_the_official_metric_stands_beside_ours():
    results = [result("vstar/0", correct=False, official=0.5), result("vstar/1", official=None)]
    assert (accuracy(results).ours.value, accuracy(results).official.value) == (0.5, 0.5)
    assert accuracy(results).official.n == 1


def test_several_draws_of_an_item_give_pass_at_k_and_one_cluster():
    verdicts = {"vstar/0": (True, True), "vstar/1": (True, False)}
    results = [
        result(item, sample=sample, seed=sample, correct=right)
        for item, some in verdicts.items()
        for sample, right in enumerate(some)
    ]
    found = accuracy(results)
    assert found.ours.clusters == 2
    assert found.repeats is not None
    told = found.repeats.pass_1, found.repeats.pass_at_k, found.repeats.pass_all_k
    assert [(one.value, one.clusters) for one in told] == [(0.75, 2), (1.0, 2), (0.5, 2)]
    assert {seed: one.value for seed, one in found.repeats.by_seed.items()} == {"0": 1.0, "1": 0.5}
    assert accuracy([result()]).repeats is None


# --- Tools -------------------------------------------------------------------------------------


def test_gain_and_harm_are_counted_on_the_same_draws():
    results = [
        *(result(f"vstar/{n}", "off", correct=n in (0, 1, 2)) for n in range(8)),
        *(result(f"vstar/{n}", "all", correct=n in (2, 3, 4, 5, 6)) for n in range(7)),
        result("vstar/7", "all", correct=None, outcome="infra_failed"),
        result("vstar/99", "all"),
    ]
    (found,) = tool_effects(results)["vstar"]
    assert (found.mode, found.both_right, found.gain, found.harm, found.both_wrong) == ("all", 1, 4, 2, 0)
    assert found.net.pairs == 7
    assert found.net.difference == pytest.approx(2 / 7)
    assert found.net.test == "mcnemar"
    assert (found.solved_without.count, found.solved_without.of) == (1, 5)
    assert found.p_holm == found.net.p_value
    assert tool_effects([one for one in results if one.mode != "off"]) == {}


def test_p_values_of_tools_are_corrected_over_all_suites_and_modes():
    """As in a comparison: of twenty tests one is below 5 % by chance."""
    first = policy_with({"all": 0.8, "code": 0.5, "search": 0.5, "off": 0.5}, 60, 1)
    results = [*first, *in_suite(policy_with({"all": 0.6, "off": 0.5}, 40, 2), "mmsearch")]
    suites = {"vstar": {"title": "V*"}, "mmsearch": {"title": "MMSearch"}}
    report = report_of(run_of(results, card(suites=suites)))
    found = [one for suite in report.suites for one in suite.tools]
    assert [one.mode for one in found] == ["all", "code", "search", "all"]
    p_values = [one.net.p_value for one in found]
    assert [one.p_holm for one in found] == pytest.approx(multipletests(p_values, method="holm")[1])
    best = min(found, key=lambda one: one.net.p_value)
    assert best.p_holm == pytest.approx(4 * best.net.p_value)
    assert f"| {best.net.p_value:.2g} | {best.p_holm:.2g} |" in to_markdown(report)


def test_rates_are_of_what_ran():
    results = [
        result(
            "vstar/0", calls={"code": 3, "search": 1}, code_errors=1, placeholders=1, search_misses=1, turns=5
        ),
        result("vstar/1", calls={"image_search": 1}, turns=3, outcome="truncated", correct=False),
        result("vstar/2", calls={"code": 7}, code_errors=7, outcome="infra_failed", correct=None),
    ]
    found = behaviour(results)
    assert {kind: one.value for kind, one in found.calls.items()} == {
        "code": 1.5,
        "image_search": 0.5,
        "search": 0.5,
    }
    assert (found.code_errors.count, found.code_errors.of) == (1, 3)
    assert found.placeholders.value == pytest.approx(1 / 3)
    assert (found.search_misses.value, found.truncated.value, found.turns.value) == (0.5, 0.5, 4.0)
    assert found.with_tool.value == 1.0
    assert behaviour([result()]).code_errors.value is None


def test_calls_to_tools_that_are_off_are_no_cells_and_no_searches():
    calls = {"code": 2, "search": 3, "image_search": 1}
    found = {
        mode: behaviour([result(f"vstar/{n}", mode, calls=calls, search_misses=0) for n in range(2)])
        for mode in ("all", "code", "search", "off")
    }
    assert {mode: one.code_errors.of for mode, one in found.items()} == {
        "all": 4,
        "code": 4,
        "search": 0,
        "off": 0,
    }
    assert {mode: one.search_misses.of for mode, one in found.items()} == {
        "all": 8,
        "code": 0,
        "search": 8,
        "off": 0,
    }
    assert {mode: one.refused_calls.value for mode, one in found.items()} == {
        "all": 0.0,
        "code": 4.0,
        "search": 2.0,
        "off": 6.0,
    }
    assert {mode: sorted(one.calls) for mode, one in found.items()} == {
        "all": ["code", "image_search", "search"],
        "code": ["code"],
        "search": ["image_search", "search"],
        "off": [],
    }
    assert [found[mode].with_tool.value for mode in ("all", "off")] == [1.0, 0.0]


def test_rates_and_means_have_intervals_over_items_and_not_over_calls():
    """Each item's cells all fail or all run, so that twenty items say less than their eighty cells."""

    def asked(items: int, cells: int) -> list:
        return [
            result(f"vstar/{n}", calls={"code": cells}, code_errors=cells * (n % 4 == 0), turns=1 + n % 2)
            for n in range(items)
        ]

    one_cell, four_cells = (behaviour(asked(20, cells)) for cells in (1, 4))
    alone, together = one_cell.code_errors, four_cells.code_errors
    assert (alone.low, alone.high) == pytest.approx(proportion_confint(5, 20, method="wilson"))
    assert (together.count, together.of, together.clusters) == (20, 80, 20)
    naive = proportion_confint(20, 80, method="wilson")
    assert together.low < naive[0] < 0.25 < naive[1] < together.high
    assert together.high - together.low > 0.95 * (alone.high - alone.low)
    assert one_cell.turns.value == 1.5
    assert (one_cell.turns.low, one_cell.turns.high) == pytest.approx(
        DescrStatsW([1, 2] * 10).tconfint_mean()
    )
    assert (one_cell.calls["code"].value, one_cell.calls["code"].low) == (1.0, None)
    assert behaviour([result()]).code_errors.clusters == 0
    with pytest.raises(ValueError, match="2 of 1"):
        rate([(2, 1, "a")])


def test_every_rate_is_told_with_its_interval(tmp_path):
    """In JSON, on the page and in Markdown."""
    run = write_run(tmp_path, policy_with({"all": 0.8, "search": 0.7, "off": 0.5}, 40))
    write_report(run)
    happened = json.loads((run / "report.json").read_text())["suites"][0]["modes"][0]["behaviour"]
    for name in ("code_errors", "placeholders", "search_misses", "truncated", "turns", "sampled_tokens"):
        assert {"value", "low", "high", "clusters"} <= happened[name].keys(), name
    assert 0 < happened["search_misses"]["low"] < 0.2 < happened["search_misses"]["high"]
    assert {"value", "low", "high"} <= happened["calls"]["code"].keys()
    for name in ("report.html", "report.md"):
        text = (run / name).read_text().replace("\\", "")
        assert "15.0 [7.1, 29.1] % (6/40)" in text, "cells in error"
        assert "20.0 [10.5, 34.8] % (8/40)" in text, "searches without a hit"
        assert "direct_attributes" in text, "accuracy by category"
        assert re.search(r"truncated.{1,9}0\.0 \[0\.0, 8\.8\] % \(0/40\)", text)


# --- Judge, refusals, twins --------------------------------------------------------------------


def test_the_judge_is_compared_where_rules_decided():
    table = {(True, True): 4, (True, False): 1, (False, True): 2, (False, False): 3}
    pairs = [pair for pair, count in table.items() for _ in range(count)]
    results = [
        result(f"vstar/{n}", correct=rules, judged=judge) for n, (rules, judge) in enumerate(pairs)
    ] + [result("vstar/98", rule="judge"), result("vstar/99", rule="exact")]
    found = agreement(results)
    assert (found.both_right, found.only_rules, found.only_judge, found.both_wrong) == (4, 1, 2, 3)
    assert (found.agreement.value, found.agreement.n) == (0.7, 10)
    # By hand: chance agrees in .5 * .6 + .5 * .4 of the cases.
    assert found.kappa == pytest.approx((0.7 - 0.5) / 0.5)
    assert found.decided == {"choice": 10, "exact": 1, "judge": 1}
    assert agreement(results[:4]).kappa is None


def test_refusals_have_precision_and_recall():
    results = [
        *(result(f"vstar/{n}", unanswerable=True, refused=n < 3) for n in range(4)),
        *(result(f"vstar/{n}", refused=n == 9) for n in range(4, 10)),
        result("vstar/10", unanswerable=True, outcome="infra_failed", correct=None),
    ]
    found = refusals(results)
    assert found is not None
    assert (found.precision.value, found.recall.value) == (0.75, 0.75)
    assert found.false_alarms.value == pytest.approx(1 / 6)
    assert refusals([result()]) is None


def test_twins_are_right_together_or_answered_alike():
    def both(n: int, first: bool, second: bool, answers: tuple[str | None, str | None]):
        return [
            result(f"vstar/{n}", cluster=f"c{n}", correct=first, answer=answers[0]),
            result(f"vstar/{n}t", cluster=f"c{n}", correct=second, answer=answers[1], twin=f"vstar/{n}"),
        ]

    results = [
        *both(0, True, True, ("red", "blue")),
        *both(1, True, False, ("Red", "red.")),
        *both(2, False, False, (None, "red")),
        result("vstar/5t", twin="vstar/5"),
    ]
    found = twins(results)
    assert found is not None
    assert found.pairs == 3
    assert [round(one.value or 0, 3) for one in (found.both_right, found.one_right)] == [0.333, 0.333]
    assert (found.unchanged.value, found.unchanged.n) == (0.5, 2)
    assert twins([result()]) is None


# --- Documents ---------------------------------------------------------------------------------


@settings(max_examples=12)
@given(evaluations())
def test_any_evaluation_can_be_reported(results):
    report = report_of(run_of(results))
    document = json.loads(to_json(report))
    for suite in document["suites"]:
        for mode in suite["modes"]:
            ours, happened = mode["accuracy"]["ours"], mode["behaviour"]
            assert ours["n"] + happened["unscored"] == happened["draws"]
            assert ours["value"] is None or 0 <= ours["low"] <= ours["value"] <= ours["high"] <= 1
            assert sum(happened["outcomes"].values()) == happened["draws"]
        for effect in suite["tools"]:
            told = [effect[name] for name in ("both_right", "gain", "harm", "both_wrong")]
            assert sum(told) == effect["net"]["pairs"]


def test_the_same_results_in_another_order_give_the_same_bytes_but_for_what_was_spent(tmp_path):
    results = policy_with({"all": 0.8, "off": 0.5}, 24)
    first = write_run(tmp_path / "a", results, spent={"seconds": 1.0})
    second = write_run(tmp_path / "b", reversed(results), spent={"seconds": 99.0})
    for run in (first, second):
        write_report(run)
    one, other = (json.loads((run / "report.json").read_text()) for run in (first, second))
    assert (one.pop("spent"), other.pop("spent")) == ({"seconds": 1.0}, {"seconds": 99.0})
    assert json.dumps(one) == json.dumps(other)
    pages = [(run / "report.html").read_text() for run in (first, second)]
    assert pages[0].replace("seconds 1", "") == pages[1].replace("seconds 99", "")
    assert (first / "report.md").read_bytes() == (second / "report.md").read_bytes()


def test_a_known_policy_is_recovered(tmp_path):
    run = write_run(tmp_path, policy_with({"all": 0.7}, 300))
    (mode,) = report_of(read_run(run)).suites[0].modes
    assert mode.accuracy.ours.low <= 0.7 <= mode.accuracy.ours.high


def test_the_command_writes_three_files_and_shows_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run = write_run(tmp_path / "run", policy_with({"all": 0.8, "off": 0.5}, 12))
    (run / OFFICIAL).write_text(json.dumps({"vstar": {"all": {"strict": 0.625}}}), encoding="utf-8")
    assert main([str(run)]) == 0
    shown = capsys.readouterr().out
    assert all((run / name).is_file() for name in NAMES)
    assert "strict 62.5" in shown
    assert "tools there: crop" in shown
    with pytest.raises(DatasetError):
        main([str(tmp_path / "none")])


def test_the_page_loads_nothing_and_takes_no_markup(tmp_path):
    about = card(policy=HOSTILE, settings={"prompt": HOSTILE}, versions={HOSTILE: HOSTILE})
    results = [replace(one, category=HOSTILE) for one in policy_with({"all": 0.8, "off": 0.5}, 8)]
    run = write_run(tmp_path, results, about)
    write_report(run)
    page = (run / "report.html").read_text()
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;img src=x" in page
    loaded = re.findall(r"""(?:src|href)=["']([^"'#]+)""", page)
    assert loaded == []
    assert not re.search(r"url\((?!#)", page)
    # Plots: a drawing per suite, and no tag left open.
    assert page.count("<svg") == page.count("</svg>") == 1
    for tag in ("table", "tr", "td", "th", "div", "ul", "li", "details", "h2", "h3", "p"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag


def test_markdown_cells_hold_no_markup(tmp_path):
    run = write_run(tmp_path, [result(category="a|b")], card(policy="[x](y) | *z*"))
    write_report(run)
    text = (run / "report.md").read_text()
    assert "\\[x](y) \\| \\*z\\*" in text
    columns = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in text.split("##")[0].splitlines()
        if line.startswith("|")
    }
    assert columns == {11}


def test_an_empty_run_is_reported_as_one(tmp_path):
    run = write_run(tmp_path, [])
    write_report(run)
    assert "No results yet" in (run / "report.html").read_text()
    assert "unfinished: 0 of 191 items" in (run / "report.md").read_text()


def test_several_suites_have_a_mean_in_which_each_counts_the_same():
    suites = {"vstar": {"title": "V*"}, "mmsearch": {"title": "MMSearch"}}
    big, small = policy_with({"all": 1.0}, 40), in_suite(policy_with({"all": 0.0}, 10), "mmsearch")
    mean = report_of(run_of([*big, *small], card(suites=suites))).means["all"]
    assert (mean.suites, mean.value) == (2, 0.5)


# --- Caveats -----------------------------------------------------------------------------------


def said(results, **fields) -> str:
    return "\n".join(report_of(run_of(results, card(**fields))).caveats)


def test_realxbench_is_never_silently_compared_with_the_papers_300():
    results = in_suite(policy_with({"all": 0.3}, 194), "realx")
    report = report_of(run_of(results, card(suites={"realx": REALX})))
    (warning,) = [one for one in report.caveats if "300" in one]
    assert warning.startswith("RealX-Bench: 194 items here, 300 in DeepEyesV2")
    assert warning.endswith("Table 1: not the same benchmark.")
    published = [one for one in report.suites[0].published if one.figure.table == "table_01"]
    assert published
    assert all(any("items there" in phrase for phrase in one.differs) for one in published)
    assert all(any(phrase.startswith("judge there") for phrase in one.protocol) for one in published)
    by_model = {one.figure.model: one for one in published if not one.figure.subset}
    ours = by_model["DeepEyesV2-7B"]
    assert ours.mode == "all"
    assert ours.less is not None
    assert ours.less.low < ours.less.difference < ours.less.high


def test_published_verdicts_of_judges_stand_beside_our_verdict():
    """FVQA's own metric is exact match, its published figures are not (its card's traps)."""
    results = [result(f"fvqa/{n}", official=0.0) for n in range(5)]
    found = report_of(run_of(results, card(suites={"fvqa": {"title": "FVQA"}}))).suites[0].published
    assert found
    assert {(one.ours, one.metric) for one in found if not one.figure.subset} == {(1.0, "ours")}


def test_items_that_hang_together_are_one_case_on_either_side():
    """800 rows of HR-Bench are 200 questions, theirs too."""
    results = [
        result(f"hrbench-4k/{n}", cluster=f"q{n // 4}", correct=n < 560, official=float(n < 560))
        for n in range(800)
    ]
    about = {"hrbench-4k": {"title": "HR-Bench 4K", "items": 800, "size": 800}}
    published = report_of(run_of(results, card(suites=about))).suites[0].published
    found = [one for one in published if one.figure.value == 77.9 and not one.figure.subset]
    assert found
    for one in found:
        assert one.less == two_proportions(0.7, 200, 0.779, 200)


def test_the_official_figure_says_what_it_is_over_where_that_is_less():
    results = [result("simplevqa/0"), result("simplevqa/1", correct=False, official=None)]
    about = card(suites={"simplevqa": {"title": "SimpleVQA"}})
    assert "(1 of 2)" in to_markdown(report_of(run_of(results, about)))
    assert "(2 of 2)" not in to_markdown(report_of(run_of([result(), result("vstar/1")])))


@pytest.mark.parametrize(
    ("suite", "figures", "shown"),
    [
        ("ocrbench", {"accuracy": 0.8, "points": 801.0}, "points 801.0"),
        ("ocrbench", {"accuracy": 0.8}, "accuracy 80.0"),
        ("wemath", {"accuracy": 0.8, "loose": 0.6, "strict": 0.4}, "strict 40.0"),
        ("vstar", {"accuracy/direct": 0.5, "accuracy": 0.25}, "accuracy 25.0"),
        ("vstar", {}, ""),
    ],
)
def test_the_figure_that_is_quoted_is_shown(suite, figures, shown):
    assert headline(suite, figures) == shown


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"items": 180}, "this copy has 180 items, the public release 191."),
        ({"asked": 50}, "a part was asked: 50 of 191 items."),
        ({}, "unfinished: 20 of 191 items"),
        ({"revision": None}, "the revision of the data is unknown."),
        ({"warnings": ["md5 differs"]}, "V*: md5 differs"),
        ({"revision": None, "source": {"md5": {}}}, "the revision of the data is unknown."),
    ],
)
def test_whatever_is_not_the_whole_release_is_said(about, words):
    base = card().suites["vstar"]
    assert words in said(policy_with({"all": 0.5}, 20), suites={"vstar": {**base, **about}})


def test_a_copy_that_is_named_by_its_sums_is_known():
    about = {**card().suites["vstar"], "revision": None, "source": {"md5": {"VStarBench.tsv": "b18854"}}}
    assert said(policy_with({"all": 0.5}, 191), suites={"vstar": about}) == ""


def test_a_whole_greedy_run_has_nothing_to_say():
    assert said(policy_with({"all": 0.5}, 191)) == ""


def test_seeds_judges_and_gaps_are_said():
    results = policy_with({"all": 0.5}, 191)
    hot = {"respondent": {"sampling": {"temperature": 1.0}}}
    assert "Sampled with 1 seed(s)" in said(results, settings=hot)
    takes_none = {"respondent": {"temperature": 0.0, "sampling": False}}
    assert "Sampled with 1 seed(s)" in said(results, settings=takes_none)
    undecided = [replace(one, rule="none", correct=False) for one in results]
    assert "No judge: 191 answers" in said(undecided)
    assert "No judge" not in said(undecided, judge={"model": "m"})
    assert "other versions (torch 2.12; 2.13)" in said(
        results, versions={"torch": "2.12; 2.13", "numpy": "2"}
    )
    gap = [replace(results[0], correct=None, judge_failed=True), *results[1:]]
    assert "1 draws have no verdict (1 for the judge, 0 for the infrastructure)" in said(gap)
    uneven = [*results, replace(results[0], mode="off")]
    assert "different numbers of draws (all 191, off 1)" in said(uneven)
