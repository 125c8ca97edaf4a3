"""`deepeyes sandbox top` finds every sandbox and all of its processes, whatever guests do to hide."""

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from other_users import DOCKER, PROJECT, run_as
from rich.console import Console

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox import LocalSandbox
from deepeyes_env.sandbox.command import main
from deepeyes_env.sandbox.local import Level
from deepeyes_env.sandbox.local.processes import ProcessRecord, read_processes, uptime
from deepeyes_env.sandbox.local.usage import Usage, usage
from deepeyes_env.sandbox.top_command import as_table

MIB = 1 << 20
LAUNCHER = ProcessRecord(
    pid=20,
    parent=10,
    state="S",
    threads=1,
    cpu_seconds=1.0,
    started=100.0,
    rss_bytes=10 * MIB,
    pss_bytes=5 * MIB,
    uss_bytes=2 * MIB,
    depth=1,
    marked=True,
)
ZYGOTE = replace(LAUNCHER, pid=21, parent=20, depth=2)
GUEST = replace(LAUNCHER, pid=22, parent=21, depth=3, threads=4)


def test_a_sandbox_is_a_row_with_the_sums_of_its_processes() -> None:
    guests = [
        replace(GUEST, pid=pid, state=state) for pid, state in enumerate(("R", "D", "S", "T", "T", "t"), 22)
    ]
    before = {20: 1.0, 21: 0.75, 22: 0.0, 23: 1.0, 24: 1.0, 25: 1.0, 26: 1.0}
    (row,) = usage([LAUNCHER, ZYGOTE, *guests], before, seconds=2.0, now=160.5)
    assert row == Usage(
        host=10,
        level=Level.FULL,
        sessions=6,
        running=2,
        waiting=1,
        stopped=3,
        threads=24,
        cpu_percent=100 * (0.25 + 1.0 + 1.0) / 2,  # zygote, guest 22, and guest 27, which is new
        rss_bytes=80 * MIB,
        pss_bytes=40 * MIB,
        uss_bytes=16 * MIB,
        age_seconds=60.5,
    )


def test_sandboxes_are_told_apart_and_sorted_by_age() -> None:
    later = [
        replace(record, pid=record.pid + 10, parent=record.parent + shift, started=150.0)
        for record, shift in ((LAUNCHER, 0), (ZYGOTE, 10), (GUEST, 10))
    ]
    rows = usage([*later, LAUNCHER, ZYGOTE], {}, seconds=1.0, now=200.0)
    assert [(row.host, row.sessions, row.age_seconds) for row in rows] == [(10, 0, 100.0), (10, 1, 50.0)]


def test_the_level_is_seen_by_the_pid_namespace() -> None:
    assert usage([LAUNCHER], {}, 1.0, 200.0)[0].level is None
    assert usage([LAUNCHER, ZYGOTE], {}, 1.0, 200.0)[0].level is Level.FULL
    assert usage([LAUNCHER, replace(ZYGOTE, depth=1)], {}, 1.0, 200.0)[0].level is Level.NO_NAMESPACES
    # Seen from outside of a container, everything is in one namespace more.
    deeper = [replace(record, depth=record.depth + 1) for record in (LAUNCHER, replace(ZYGOTE, depth=1))]
    assert usage(deeper, {}, 1.0, 200.0)[0].level is Level.NO_NAMESPACES


def test_a_guest_without_the_mark_counts_and_a_dead_one_does_not() -> None:
    hidden, dead = replace(GUEST, marked=False), replace(GUEST, pid=23, state="Z")
    (row,) = usage([LAUNCHER, ZYGOTE, hidden, dead], {}, 1.0, 200.0)
    assert (row.sessions, row.threads, row.rss_bytes) == (1, 4, 30 * MIB)


def test_memory_that_may_not_be_read_is_not_guessed() -> None:
    (row,) = usage([LAUNCHER, ZYGOTE, replace(GUEST, pss_bytes=None, uss_bytes=None)], {}, 1.0, 200.0)
    assert (row.pss_bytes, row.uss_bytes, row.rss_bytes) == (None, None, 30 * MIB)


def test_a_process_id_that_is_used_again_takes_no_time_back() -> None:
    (row,) = usage([LAUNCHER, ZYGOTE], {20: 1.0, 21: 99.0}, 1.0, 200.0)
    assert row.cpu_percent == 0


@pytest.fixture
def sandbox() -> Iterator[LocalSandbox]:
    made = LocalSandbox(ahead=0)
    yield made
    made.close()


def newest() -> Usage:
    """The sandbox that this process started last."""
    first = {record.pid: record.cpu_seconds for record in read_processes()}
    start = time.monotonic()
    time.sleep(0.3)
    rows = usage(read_processes(), first, time.monotonic() - start, uptime())
    return [row for row in rows if row.host == os.getpid()][-1]


def test_three_sessions_of_a_real_sandbox(sandbox: LocalSandbox) -> None:
    stopped, running, _ = (sandbox.open([]) for _ in range(3))
    assert stopped.run("import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()").ok
    cell = threading.Thread(target=running.run, args=("while True: pass", 3.0))
    cell.start()
    row = newest()
    assert row.level is sandbox.level
    assert (row.sessions, row.running, row.stopped) == (3, 1, 1)
    assert row.running + row.waiting + row.stopped == 3
    assert row.threads == 4
    assert 10 < row.cpu_percent < 250
    assert 0.3 <= row.age_seconds < 120
    assert row.rss_bytes > 50 * MIB
    if os.geteuid() == 0:
        assert row.pss_bytes is not None
        assert row.uss_bytes is not None
        assert 0 < row.uss_bytes < row.pss_bytes < row.rss_bytes
    cell.join()
    stopped.close()
    deadline = time.monotonic() + 5
    while newest().sessions != 2:
        assert time.monotonic() < deadline


def test_a_guest_cannot_hide_by_its_name_or_its_command_line(sandbox: LocalSandbox) -> None:
    session = sandbox.open([])
    code = """
import ctypes
libc = ctypes.CDLL(None)
assert libc.prctl(15, b'x) Z 1 (\\n0', 0, 0, 0) == 0
start = ctypes.c_void_p.in_dll(libc, 'program_invocation_name').value
ctypes.memset(start, 0x41, 400)"""
    assert session.run(code).ok
    row = newest()
    assert (row.sessions, row.stopped, row.threads) == (1, 1, 1)
    (guest,) = [record for record in read_processes() if not record.marked]
    assert (Path("/proc") / str(guest.pid) / "cmdline").read_bytes().startswith(b"AAAA")


def test_processes_may_end_while_they_are_read(sandbox: LocalSandbox, tmp_path: Path) -> None:
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            sandbox.open([]).close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(40):
            read_processes()
    finally:
        ended.set()
        thread.join()
    (tmp_path / "77").mkdir()  # its directory was listed, and then it ended
    assert read_processes(tmp_path) == []


def test_the_level_without_namespaces_is_seen() -> None:
    script = """
import os
from deepeyes_env.sandbox import LocalSandbox
from deepeyes_env.sandbox.command import main
sandbox = LocalSandbox(ahead=0)
sessions = [sandbox.open([]) for _ in range(2)]
print(os.getpid())
main(["top"])
sandbox.close()
"""
    pid, *table = run_as("nobody", DOCKER + script).stdout.splitlines()
    (row,) = [line.split() for line in table if line.split()[0] == pid]
    assert row[1:4] == ["no-namespaces", "2", "0/2/0"]


def test_other_users_sandboxes_are_shown_without_what_may_not_be_read(sandbox: LocalSandbox) -> None:
    sandbox.open([])
    result = run_as("nobody", "from deepeyes_env.sandbox.command import main\nmain(['top', '--once'])")
    rows = [line.split() for line in result.stdout.splitlines()]
    row = [row for row in rows if row[0] == str(os.getpid())][-1]
    assert row[1:4] == [sandbox.level, "1", "0/1/0"]
    assert row[-3:-1] == ["–", "–"]


def test_without_a_terminal_it_is_one_plain_table(
    sandbox: LocalSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.open([])
    assert main(["top", "--interval", "0.1"]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert all(word in output for word in ("host", "level", "sessions", "CPU %", "USS"))
    assert str(os.getpid()) in output


def test_the_table_has_80_columns_also_for_large_sandboxes() -> None:
    console = Console(width=80, file=io.StringIO())
    large = Usage(
        4194303, Level.NO_NAMESPACES, 1500, 16, 84, 1400, 1600, 1600.0, 99 << 30, 9 << 30, None, 9e4
    )
    console.print(as_table([large]))
    assert isinstance(console.file, io.StringIO)
    row = console.file.getvalue().splitlines()[-1]
    assert " ".join(row.split()) == "4194303 no-namespaces 1500 16/84/1400 1600 1600 99.0G 9216M – 1d 01h"
    assert as_table([]) == "No local sandbox is running on this machine."


def test_in_a_terminal_it_refreshes_until_ctrl_c() -> None:
    ours, theirs = pty.openpty()
    # A job that a shell has put into the background hands down that interrupts are ignored.
    script = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script += "from deepeyes_env.sandbox.command import main\nraise SystemExit(main(['top', '-i', '0.1']))"
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the kernel's word for the end of a terminal
        while chunk := os.read(ours, 4096):
            shown += chunk
            if shown.count(b"sandbox") >= 3 or shown.count(b"host") >= 3:
                process.send_signal(signal.SIGINT)
                break
        while os.read(ours, 4096):
            pass
    os.close(ours)
    assert process.wait(30) == 0
    assert b"Traceback" not in shown


def test_the_interval_is_checked() -> None:
    for text in ("0", "-1", "nan"):
        with pytest.raises(ConfigError, match="must be above 0"):
            main(["top", "--interval", text])
