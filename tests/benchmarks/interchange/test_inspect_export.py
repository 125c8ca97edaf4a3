"""Inspect's own reader and viewer open the logs."""

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec

import pytest

from benchmarks.interchange.command import ExportOptions, export
from benchmarks.run_folder import RESULTS, read_run
from benchmarks.statistics.clusters import by_cluster
from deepeyes_env.errors import ConfigError

EXPORT = "import sys; from benchmarks.interchange.command import main; main(sys.argv[1:])"

READ = """
import json, sys
from inspect_ai.log import list_eval_logs, read_eval_log
logs = {}
for info in list_eval_logs(sys.argv[1]):
    log = read_eval_log(info, resolve_attachments=True)
    logs[log.eval.task] = json.loads(log.model_dump_json(exclude={"location"}))
print("RESULT", json.dumps(logs))
"""


@pytest.mark.skipif(find_spec("inspect_ai") is not None, reason="inspect_ai is installed here")
def test_without_inspect_the_message_says_how_to_get_it(run, tmp_path):
    with pytest.raises(ConfigError, match=r"pip install 'deepeyes-gym\[inspect\]'"):
        export(ExportOptions(run, "inspect", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def logs(inspect_ai, run, tmp_path_factory):
    out = tmp_path_factory.mktemp("inspect") / "out"
    inspect_ai("-c", EXPORT, str(run), "--format", "inspect", "--out", str(out))
    printed = inspect_ai("-c", READ, str(out))
    (line,) = (line for line in printed.splitlines() if line.startswith("RESULT"))
    return out, json.loads(line.removeprefix("RESULT"))


def test_inspect_reads_every_draw_with_its_scores(logs, conversations):
    _, read = logs
    assert set(read) == {"fictional-0-all-seed0", "fictional-0-off-seed0"}
    log = read["fictional-0-all-seed0"]
    assert (log["status"], log["eval"]["model"]) == ("success", "deepeyes/org/tiny model")
    samples = {one["id"]: one for one in log["samples"]}
    assert list(samples) == sorted(one.task_id for one in conversations)
    first, second, third, fourth = (samples[one.task_id] for one in conversations)
    assert [one["scores"]["accuracy"]["value"] for one in (first, second, third)] == [1.0, 0.0, 0.0]
    assert first["scores"]["official"]["value"] == 1.0
    assert first["target"] == conversations[0].reference
    assert not fourth["scores"]
    assert "infrastructure" in fourth["error"]["message"]
    metrics = {one["name"]: one["metrics"] for one in log["results"]["scores"]}
    assert metrics["accuracy"]["mean"]["value"] == pytest.approx(1 / 3)
    assert metrics["accuracy"]["stderr"]["value"] == pytest.approx(1 / 3)


def test_draws_of_one_item_are_epochs(logs):
    log = logs[1]["fictional-0-off-seed0"]
    assert [one["epoch"] for one in log["samples"]] == [1, 2]
    assert log["eval"]["config"]["epochs"] == 2
    (accuracy,) = (one for one in log["results"]["scores"] if one["name"] == "accuracy")
    assert accuracy["metrics"]["mean"]["value"] == 0.5


def test_inspects_error_is_over_clusters(inspect_ai, run, tmp_path):
    """Two questions in two cycles each: four samples, and two that are independent."""
    folder = shutil.copytree(run, tmp_path / "run")
    asked = [one for one in read_run(run).results if one.mode == "all"]
    results = [
        replace(one, cluster=f"question {n // 2}", outcome="answered", correct=n < 2, official=float(n < 2))
        for n, one in enumerate(asked)
    ]
    lines = [json.dumps(one.to_record()) + "\n" for one in results]
    (folder / RESULTS).write_text("".join(lines), encoding="utf-8")
    inspect_ai("-c", EXPORT, str(folder), "--format", "inspect", "--out", str(tmp_path / "out"))
    printed = inspect_ai("-c", READ, str(tmp_path / "out"))
    (log,) = json.loads(printed[printed.index("RESULT") + 6 :].splitlines()[0]).values()
    grouped = by_cluster([1.0, 1.0, 0.0, 0.0], [0, 0, 1, 1])
    for score in log["results"]["scores"]:
        assert score["metrics"]["stderr"]["value"] == pytest.approx(grouped.variance_of_mean**0.5) == 0.5


def test_messages_hold_calls_results_and_pictures(logs, conversations):
    samples = {one["id"]: one for one in logs[1]["fictional-0-all-seed0"]["samples"]}
    functions = set()
    for conversation in conversations:
        messages = samples[conversation.task_id]["messages"]
        assert [one["role"] for one in messages[:2]] == ["system", "user"]
        pictures = 0
        for one in messages:
            content = one["content"] if isinstance(one["content"], list) else []
            pictures += sum(part["type"] == "image" for part in content)
            assert all(part["image"].startswith("data:image/") for part in content if part["type"] == "image")
        assert pictures == len(conversation.images)
        said = [one for one in messages if one["role"] == "assistant"]
        assert [one["metadata"]["turn"] for one in said] == [turn.text for turn in conversation.turns]
        calls = [call for one in said for call in one["tool_calls"] or ()]
        answers = [one for one in messages if one["role"] == "tool"]
        assert [call["id"] for call in calls] == [one["tool_call_id"] for one in answers]
        assert len(calls) == len(conversation.turns) - 1
        functions |= {call["function"] for call in calls}
        if conversation.answer is not None:
            assert messages[-1]["content"][-1]["text"] == conversation.answer
    assert "python" in functions
    assert functions & {"search", "image_search"}


def test_inspect_view_makes_its_page_of_them(inspect_ai, logs, tmp_path):
    out, _ = logs
    bundle = tmp_path / "bundle"
    inspect_ai("-m", "inspect_ai", "view", "bundle", "--log-dir", str(out), "--output-dir", str(bundle))
    listed = json.loads((bundle / "logs" / "listing.json").read_text())
    assert {one["task"] for one in listed.values()} == {"fictional-0-all-seed0", "fictional-0-off-seed0"}
    assert (bundle / "index.html").exists()


def test_the_same_run_gives_the_same_log(inspect_ai, run, logs, tmp_path):
    inspect_ai("-c", EXPORT, str(run), "--format", "inspect", "--out", str(tmp_path / "again"))
    printed = inspect_ai("-c", READ, str(tmp_path / "again"))
    assert logs[1] == json.loads(printed[printed.index("RESULT") + 6 :].splitlines()[0])
