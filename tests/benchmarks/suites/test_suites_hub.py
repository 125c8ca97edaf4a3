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

from benchmarks.report.pairing import protocol_warnings
from benchmarks.run_folder import read_card
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


RUNS = """
from pathlib import Path
from benchmarks.protocol.command import main

def evaluated(out):
    assert main(["--policy", "guesser", "--suite", "realx", "--modes", "off", "--out", out]) == 0
    print("--", flush=True)

evaluated("first")
Path("moved").touch()
evaluated("second")
Path("deepeyes-lock.json").unlink()
evaluated("third")
evaluated("first")
"""

ROOT = Path(__file__).parents[3]

MOVED = "f" * 40
"""A later commit of the main branch."""


def asking(address: str, folder: Path, arguments: list[str], cwd: Path) -> str:
    """What Python says that knows no other hub."""
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, cwd=cwd, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def photographs() -> dict[str, bytes]:
    """The files of RealX-Bench."""
    row = {"file_name": "1.png", "query": "Whose?", "answer": "x", "perception": 1, "search": 1, "reason": 0}
    return {"test/metadata.jsonl": json.dumps(row).encode(), "test/1.png": picture()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("hub")
    rows = [{"type": "human_test", "question": "How much?", "answer": "14", "image": embedded()}]
    table = parquet(rows, "only.parquet")(folder).read_bytes()
    fact = {"data_id": 0, "image": base64_picture(), "language": "EN", "question": "Who?", "answer": "She"}
    probe = [{"doc_id": "1", "problem": "What?", "solution": "47", "images": ["VisualProbe_Easy/data/1.png"]}]
    repositories = {
        "lmms-lab/ChartQA": {"data/test-00000-of-00001.parquet": table, "README.md": b"# Charts\n"},
        "glowol/RealXBench": photographs(),
        "m-a-p/SimpleVQA": {"test.parquet": parquet([fact], "facts.parquet")(folder).read_bytes()},
        "sensenova/HR-MMSearch": {"data/train-00000-of-00001.parquet": table},
        "Mini-o3/VisualProbe_Easy": {"val.json": json.dumps(probe).encode(), "data/1.png": picture()},
    }
    with hub(repositories) as address:
        return json.loads(asking(address, folder, ["-c", SCRIPT], ROOT))


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


def test_the_first_run_keeps_the_commit_for_all_later_ones(tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    with hub({"glowol/RealXBench": photographs()}, lambda: MOVED if moved.exists() else COMMIT) as address:
        said = asking(address, tmp_path, ["-c", RUNS], tmp_path).split("--\n")

    def loaded(out: str) -> str | None:
        return read_card(tmp_path / out).suites["realx"]["revision"]

    resolved = "glowol/RealXBench is at commit"
    assert f"{resolved} {COMMIT}; as deepeyes-lock.json has it" in said[0]
    assert f"{resolved} {COMMIT}; as deepeyes-lock.json has it" in said[1], "although the hub has moved on"
    assert f"{resolved} {MOVED}; as deepeyes-lock.json has it" in said[2], "its line was deleted"
    assert f"{resolved} {COMMIT}; new runs take {MOVED}" in said[3], "a run goes on with what it had"
    assert [loaded(out) for out in ("first", "second", "third")] == [COMMIT, COMMIT, MOVED]
    assert json.loads((tmp_path / "deepeyes-lock.json").read_text()) == {"glowol/RealXBench": MOVED}
    cards = [read_card(tmp_path / out) for out in ("second", "third")]
    assert f"copy of the data: realx.revision {COMMIT} / {MOVED}" in protocol_warnings(*cards)
