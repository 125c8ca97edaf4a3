"""Logged samples have lmms-eval's fields, and its own loader reads their scores."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.interchange.command import ExportOptions, export, main
from benchmarks.interchange.exported import UNJUDGED, UNSCORED
from benchmarks.run_folder import RESULTS


def lines(file: Path):
    return [json.loads(line) for line in file.read_text().splitlines()]


def exported_to(run: Path, out: Path) -> dict[str, Path]:
    export(ExportOptions(run, "lmms-eval", out))
    return {path.parent.name: path for path in out.rglob("*_samples_fictional-0.jsonl")}


def test_samples_have_the_fields_of_lmms_eval(run, conversations, tmp_path):
    files = exported_to(run, tmp_path / "out")
    assert set(files) == {"org__tiny_model-all-seed0", "org__tiny_model-off-seed0"}
    first, second, third, _ = conversations
    samples = {one["doc_id"]: one for one in lines(files["org__tiny_model-all-seed0"])}
    assert set(samples) == {one.task_id.removeprefix("fictional-0/") for one in (first, second, third)}
    one = samples[first.task_id.removeprefix("fictional-0/")]
    assert one["target"] == first.reference
    assert one["input"] == first.prompt
    assert one["resps"] == [first.turns[-1].text]
    assert one["filtered_resps"] == first.answer
    assert one["token_counts"] == [{"input_tokens": 100, "output_tokens": 20}]
    assert one["score"] == 1.0
    assert [one["score"] for one in samples.values()].count(0.0) == 2


def test_draws_of_one_item_are_its_repeats(run, conversations, tmp_path):
    (one,) = lines(exported_to(run, tmp_path / "out")["org__tiny_model-off-seed0"])
    assert one["filtered_resps"] == [conversations[0].answer, "no"]
    assert one["score"] == 0.5


def test_the_aggregate_stands_beside_the_samples(run, tmp_path):
    files = exported_to(run, tmp_path / "out")
    for name, mean, error in (("all", 1 / 3, 1 / 3), ("off", 0.5, None)):
        samples = files[f"org__tiny_model-{name}-seed0"]
        date = samples.name.partition("_samples_")[0]
        said = json.loads(samples.with_name(f"{date}_results.json").read_text())
        found = said["results"]["fictional-0"]
        assert found["score,none"] == pytest.approx(mean)
        assert found["score_stderr,none"] == ("N/A" if error is None else pytest.approx(error))


def test_what_has_no_score_is_left_out_and_said(run, tmp_path, capsys):
    main([str(run), "--format", "lmms-eval", "--out", str(tmp_path / "out")])
    assert f"left out 1: {UNSCORED}" in capsys.readouterr().out.replace("\n", " ")


def test_a_suite_whose_metric_lacked_its_judge_has_no_mean(run, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    results = [json.loads(line) for line in (copy / RESULTS).read_text().splitlines()]
    results[1] |= {"correct": False, "official": None, "rule": "none"}
    (copy / RESULTS).write_text("".join(f"{json.dumps(one)}\n" for one in results))
    assert set(exported_to(copy, tmp_path / "out")) == {"org__tiny_model-off-seed0"}
    main([str(copy), "--format", "lmms-eval", "--out", str(tmp_path / "again")])
    assert f"left out 4: {UNJUDGED}" in capsys.readouterr().out.replace("\n", " ")


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    first, second = exported_to(run, tmp_path / "a"), exported_to(run, tmp_path / "b")
    assert {name: file.read_bytes() for name, file in first.items()} == {
        name: file.read_bytes() for name, file in second.items()
    }
    assert [file.name for file in first.values()] == [file.name for file in second.values()]


LOADED = """
import json, sys
from lmms_eval.baselines.loader import load_baseline
scores, aggregate = load_baseline(sys.argv[1], "fictional-0")
print("RESULT", json.dumps([scores, aggregate["results"]["fictional-0"]["score,none"]]))
"""


def test_lmms_eval_loads_the_samples_as_a_baseline(lmms_eval, run, conversations, tmp_path):
    file = exported_to(run, tmp_path / "out")["org__tiny_model-all-seed0"]
    printed = lmms_eval("-c", LOADED, str(file))
    (line,) = (line for line in printed.splitlines() if line.startswith("RESULT"))
    scores, mean = json.loads(line.removeprefix("RESULT"))
    names = [one.task_id.removeprefix("fictional-0/") for one in conversations[:3]]
    assert scores == dict(zip(names, (1.0, 0.0, 0.0), strict=True))
    assert mean == pytest.approx(1 / 3)
