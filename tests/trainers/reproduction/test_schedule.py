from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from trainers.reproduction.arms import SMOKE, arms
from trainers.reproduction.schedule import in_order, run_all
from trainers.reproduction.stages import Base, parent

RUN = """
import sys
from pathlib import Path
from trainers.reproduction.arms import SMOKE, arms
from trainers.reproduction.schedule import run_all
if __name__ == "__main__":
    run_all([arms(0, SMOKE)["sft"]], Path(sys.argv[1]), 1, lambda *_: None)
"""

INTERRUPTED = (
    RUN.replace("run_all(", "try:\n        run_all(").rstrip()
    + """
    except KeyboardInterrupt:
        print("interrupted")
"""
)


def test_the_bases_of_all_seeds_come_first_and_every_stage_after_its_parent():
    order = in_order([stage for seed in (1, 2, 3) for stage in arms(seed, SMOKE).values()])
    assert [stage.seed for stage in order[:3]] == [1, 2, 3]
    assert [isinstance(stage, Base) for stage in order] == [True] * 3 + [False] * (len(order) - 3)
    for number, stage in enumerate(order):
        assert parent(stage) is None or parent(stage) in order[:number]
    assert len(order) == len(set(order)) == 57


def test_a_killed_command_leaves_no_worker_behind(tmp_path: Path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    command = subprocess.Popen([sys.executable, str(script), str(tmp_path / "stages")], env=environment)
    workers: list[psutil.Process] = []
    # The server that forks, and what it has forked.
    while command.poll() is None and sum("forkserver" in " ".join(one.cmdline()) for one in workers) < 2:
        workers = psutil.Process(command.pid).children(recursive=True)
        time.sleep(0.05)
    time.sleep(0.5)
    command.send_signal(signal.SIGKILL)
    command.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def test_ctrl_c_while_the_workers_start_ends_them_without_a_traceback(tmp_path: Path):
    script = tmp_path / "run.py"
    script.write_text(INTERRUPTED)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    command = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "stages")],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started: list[psutil.Process] = []
    while command.poll() is None and not any("forkserver" in " ".join(one.cmdline()) for one in started):
        started = psutil.Process(command.pid).children()
        time.sleep(0.02)
    time.sleep(0.5)  # the server of forks is importing torch
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does
    out, err = command.communicate(timeout=120)
    assert (out, err) == ("interrupted\n", "")
    assert not (tmp_path / "stages").exists()
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive


def test_what_a_stage_raises_reaches_the_command(tmp_path: Path):
    (tmp_path / "stages").write_text("a file where the folder should be")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        run_all([arms(0, SMOKE)["base"]], tmp_path / "stages", 1, lambda *_: None)
