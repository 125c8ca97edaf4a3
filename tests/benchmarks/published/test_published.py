"""The published tables: typed, complete where that can be counted, as printed where it is odd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.published import known_suites, published_for, read_table, tables
from benchmarks.published.beside import Measured, figure_differs, protocol_differs
from benchmarks.published.reader import FOLDER
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.reproduction import paper

SIZES = {
    "table_01": 145,
    "table_02_07": 73,
    "table_03_08": 55,
    "table_04": 26,
    "table_05": 30,
    "table_06": 40,
    "table_09_10": 6,
}
"""Numbers printed in each table (the dashes are none)."""

CURRENT = Measured("all", 194, None, "deepeyesv2", True)


@pytest.mark.parametrize("name", SIZES)
def test_every_printed_number_is_there(name):
    assert len(tables()[name]) == SIZES[name]


def on_grid(value: float, items: int) -> bool:
    return any(f"{100 * right / items + 1e-9:.1f}" == f"{value:.1f}" for right in range(items + 1))


def test_table_1_is_on_the_grid_of_whole_items_but_for_six_cells_that_say_so():
    accuracies = [one for one in tables()["table_01"] if one.unit == "percent"]
    off = [one for one in accuracies if not on_grid(one.value, one.items)]
    assert (len(accuracies), len(off)) == (140, 6)
    assert all("as printed, but no k/" in one.note for one in off)
    assert [one for one in accuracies if "no k/" in one.note] == off


def test_a_misprinted_difference_stands_as_printed():
    rows = {(one.model, one.tools, one.subset): one for one in tables()["table_01"]}
    search = ("image_search", "text_search")
    printed = rows["DeepEyesV2-7B less Qwen2.5-VL-7B", search, "search"]
    ours = rows["DeepEyesV2-7B", ("code", *search), "search"]
    assert printed.value == 10.0
    assert round(ours.value - rows["Qwen2.5-VL-7B", search, "search"].value, 1) == 9.0
    assert "9.0" in printed.note
    assert printed.share is None


@pytest.mark.parametrize(
    ("table", "excerpt", "rows"),
    [
        ("table_05", paper.SFT_BY_DATA, {
            "none": "Qwen2.5-VL-7B, tool prompt",
            "perception": "SFT: perception",
            "reasoning": "SFT: reasoning",
            "perception + reasoning + long CoT": "SFT: perception, reasoning, long CoT",
        }),
        ("table_06", paper.RL_BY_DATA, {
            "SFT only": "SFT only",
            "perception": "RL: perception",
            "reasoning": "RL: reasoning",
            "perception + reasoning": "RL: perception, reasoning",
            "perception + reasoning + search": "RL: perception, reasoning, search",
        }),
    ],
)  # fmt: skip
def test_the_excerpts_of_deepeyes_reproduce_agree(table, excerpt, rows):
    columns = {
        "V*": ("vstar", ""),
        "CharXiv-r": ("charxiv-reasoning", ""),
        "MathVerse": ("mathverse", ""),
        "MMSearch": ("mmsearch", ""),
    }
    values = {(one.model, one.suite, one.subset): one.value for one in tables()[table]}
    for name, row in rows.items():
        for column, value in excerpt[name].items():
            assert values[(row, *columns[column])] == value


def test_a_models_number_is_the_same_in_overlapping_tables():
    """The last rows of Tables 5 and 6 are the SFT model and DeepEyesV2 of Tables 2, 3 and 4."""

    def row(table: str, model: str) -> dict:
        return {(one.suite, one.subset): one.value for one in tables()[table] if one.model == model}

    final = row("table_06", "RL: perception, reasoning, search")
    everywhere = {
        key: value
        for table in ("table_02_07", "table_03_08", "table_04")
        for key, value in row(table, "DeepEyesV2-7B").items()
    }
    assert final.items() <= everywhere.items()
    assert (
        row("table_05", "SFT: perception, reasoning, long CoT").items() <= row("table_06", "SFT only").items()
    )


def test_every_number_has_a_source_and_is_plausible():
    for figures in tables().values():
        for one in figures:
            assert one.source
            assert one.checked
            assert one.share is None or 0 < one.share < 1
            assert re.fullmatch("[a-z0-9_-]+", one.suite)


def test_openvlharness_counts_on_the_public_part():
    rerun = [one for one in published_for("realx") if one.table == "rerun_openvlharness"]
    assert len(rerun) == 12
    assert [one.value for one in rerun if not on_grid(one.value, 194)] == [34.7, 51.6]
    assert all(("no k/194" in one.note) is not on_grid(one.value, 194) for one in rerun)


ELSEWHERE = {
    "agentic_mme",
    "browsecomp_v3",
    "browsecomp_vl",
    "mean_of_10",
    "mean_of_13",
    "mean_of_23",
    "mmbrowsecomp",
    "mmsearch_plus",
    "tool_overlap",
    "vdrbench",
    "visbrowse",
}
"""What others report on and that is no suite of ours."""


def test_our_suites_have_the_names_of_the_command_line():
    assert set(known_suites()) - ELSEWHERE == {
        "chartqa",
        "charxiv-descriptive",
        "charxiv-reasoning",
        "dynamath",
        "fvqa",
        "hr-mmsearch",
        "hrbench-4k",
        "hrbench-8k",
        "infoseek",
        "logicvista",
        "mathverse",
        "mathvision",
        "mathvista",
        "mme-realworld-lite",
        "mmsearch",
        "ocrbench",
        "realx",
        "seedbench2-plus",
        "simplevqa",
        "tirbench",
        "treebench",
        "visualprobe-hard",
        "vstar",
        "wemath",
    }


def test_unknown_suites_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'vstar'"):
        published_for("vstarr")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("values = [16.0", "values = [16.0, 3.0"), "has 3 values"),
        (('tools = ["crop"]', 'tools = ["telescope"]'), "telescope"),
        (('"–"]', '"n/a"]'), "n/a"),
        (("items = 1215", "size = 1215"), "size"),
        (
            ('model = "DeepEyesV2-7B with a rotate function"\nnote', 'model = "Nobody"\nnote'),
            "about no number",
        ),
        (("[protocol]", "[procedure]"), "no table"),
        (('subset = "ocr"', 'subset = "ocr"\nunit = "miles"'), "miles"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, change: tuple[str, str], said: str):
    text = (FOLDER / "table_09_10.toml").read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(DatasetError, match=said) as caught:
        read_table(path)
    assert "wrong.toml" in str(caught.value)


def test_realxbench_of_the_paper_is_never_compared_silently():
    paper_rows = [one for one in published_for("realx") if one.table == "table_01" and not one.subset]
    assert all("300 items there; 194 here" in figure_differs(one, CURRENT) for one in paper_rows)
    rerun = next(one for one in published_for("realx") if one.table == "rerun_openvlharness")
    said = figure_differs(rerun, CURRENT)
    assert not any("items" in one for one in said)
    assert any(one.startswith("tools there: none; here: code") for one in said)


def test_judge_prompt_and_decoding_are_set_side_by_side():
    protocol = published_for("vstar")[-1].protocol
    said = " ".join(protocol_differs(protocol, CURRENT))
    assert "judge there: an LLM, unnamed" in said
    assert "here: none, rules alone" in said
    assert "decoding" not in said
    sampled = Measured("all", 194, "judge", "", greedy=False)
    assert "decoding there: greedy; here: sampled" in " ".join(protocol_differs(protocol, sampled))
