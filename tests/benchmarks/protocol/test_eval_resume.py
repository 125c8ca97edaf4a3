"""A run that is killed with SIGKILL and goes on gives the same results, to the byte, as one that is not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report.command import write_report

RUN = """
import sys, io
from pathlib import Path
sys.path.insert(0, {here!r})
from rich.console import Console
from small_suites import ChoiceItems, opening, right_with_probability
from benchmarks.protocol import evaluate as evaluating
from benchmarks.protocol.options import EvalOptions
evaluating.open_suite = lambda name, path, revision: ChoiceItems(40)
out = Path({out!r})
options = EvalOptions(policy="script", suite="choices", modes="code,off", samples=2, out=out, num_envs=2)
evaluating.evaluate(options, Console(file=io.StringIO()), opening(right_with_probability(0.5)))
"""


def start(out: Path) -> "subprocess.Popen[bytes]":
    code = RUN.format(here=str(Path(__file__).parent), out=str(out))
    return subprocess.Popen([sys.executable, "-c", code], cwd=os.getcwd())


def lines(out: Path) -> int:
    path = out / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_and_resumed_is_the_same_to_the_byte(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(whole).wait() == 0
    assert lines(whole) == 160
    process = start(broken)
    while lines(broken) < 20 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run was over before it was killed"
    noted = lines(broken)
    assert 20 <= noted < 160
    with (broken / "results.jsonl").open("ab") as file:
        file.write(b'{"suite": "choi')  # what a kernel that went down with it might have left
    assert start(broken).wait() == 0
    for out in (whole, broken):
        write_report(out)
        told = json.loads((out / "report.json").read_text())
        del told["spent"]
        (out / "told.json").write_text(json.dumps(told))
    for name in ("results.jsonl", "official.json", "run.json", "told.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    journals = [(out / "trajectories" / "trajectories.jsonl").read_bytes() for out in (whole, broken)]
    assert journals[0] == journals[1]
