"""Releases by id: a hub on this machine is asked by the real libraries, in a process that knows no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from golden import base64_picture, embedded, parquet, picture
from hub_server import COMMIT, EARLIER, hub

from benchmarks.suites import chartqa, find_suite, visualprobe

SCRIPT = """
import json
from benchmarks.suites import open_suite
from deepeyes_env.tasks.dataset_error import DatasetError

told = {}
for name in ("realx", "chartqa", "visualprobe-easy", "simplevqa"):
    items = open_suite(name)
    task = items.task(0)
    told[name] = dict(items.describe()) | {"first": task.question, "width": task.images[0].width}
for name in ("logicvista", "hr-mmsearch"):
    try:
        open_suite(name)
    except DatasetError as error:
        told[name] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("hub")
    rows = [{"type": "human_test", "question": "How much?", "answer": "14", "image": embedded()}]
    table = parquet(rows, "only.parquet")(folder).read_bytes()
    photograph = {"file_name": "1.png", "query": "Whose?", "answer": "x"}
    photograph |= {"perception": 1, "search": 1, "reason": 0}
    fact = {"data_id": 0, "image": base64_picture(), "language": "EN", "question": "Who?", "answer": "She"}
    probe = [{"doc_id": "1", "problem": "What?", "solution": "47", "images": ["VisualProbe_Easy/data/1.png"]}]
    repositories = {
        "lmms-lab/ChartQA": {"data/test-00000-of-00001.parquet": table, "README.md": b"# Charts\n"},
        "glowol/RealXBench": {
            "test/metadata.jsonl": json.dumps(photograph).encode(),
            "test/1.png": picture(),
        },
        "m-a-p/SimpleVQA": {"test.parquet": parquet([fact], "facts.parquet")(folder).read_bytes()},
        "sensenova/HR-MMSearch": {"data/train-00000-of-00001.parquet": table},
        "Mini-o3/VisualProbe_Easy": {"val.json": json.dumps(probe).encode(), "data/1.png": picture()},
    }
    with hub(repositories) as address:
        environment = os.environ | {
            "HF_ENDPOINT": address,
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HOME": str(folder / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
            timeout=240,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_the_commit_is_resolved_and_told(told: dict) -> None:
    assert told["realx"]["revision"] == COMMIT


def test_a_pinned_commit_is_loaded_and_told(told: dict) -> None:
    assert told["visualprobe-easy"]["revision"] == visualprobe.EASY.card.releases[0].revision
    assert told["chartqa"]["revision"] == chartqa.CARD.releases[0].revision


def test_a_table_with_its_pictures(told: dict) -> None:
    chart = told["chartqa"]
    assert (chart["first"], chart["width"], chart["items"]) == ("How much?", 56, 1)


def test_a_folder_of_pictures_is_loaded_whatever_its_only_split_is_called(told: dict) -> None:
    assert told["realx"]["source"]["split"] == "test"
    assert (told["realx"]["first"], told["realx"]["width"], told["realx"]["items"]) == ("Whose?", 56, 1)


def test_a_folder_of_files_is_fetched_with_its_pictures(told: dict) -> None:
    probe = told["visualprobe-easy"]
    assert (probe["first"], probe["width"], probe["items"]) == ("What?", 56, 1)
    assert "1 items, the public release has 141" in probe["warnings"][0]


def test_a_data_set_that_is_not_there(told: dict) -> None:
    assert "the hub does not tell the commit" in told["logicvista"]
    assert "give a copy by path" in told["logicvista"]


def test_a_shortened_commit_is_looked_up_in_the_history(told: dict) -> None:
    assert find_suite("simplevqa").card.releases[0].revision == EARLIER[:7]
    assert told["simplevqa"]["revision"] == EARLIER
    assert told["simplevqa"]["first"] == "Who?"


def test_a_shortened_commit_that_is_not_in_the_history(told: dict) -> None:
    assert "the hub tells 0 commits of 'c6f5c36'; name one by its whole hash" in told["hr-mmsearch"]
