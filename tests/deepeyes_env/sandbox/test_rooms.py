"""Quotas of directories where the kernel has none: what is counted, and what hides from being counted."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deepeyes_env.sandbox.local.guest import rooms

SIZE, FILES = 1 << 20, 500


MOVE = """
import os, sys
os.chdir(sys.argv[1])
print("moving", flush=True)
while True:
    for here, there in (("b", "c"), ("c", "b")):
        for number in range(100):
            os.rename(f"{here}{number}", f"{there}{number}")
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return tmp_path


def test_bytes_and_files_are_counted_in_all_directories(room: Path) -> None:
    assert rooms.is_over(str(room), SIZE, FILES) is False
    (room / "a" / "b").mkdir(parents=True)
    (room / "a" / "b" / "large").write_bytes(bytes(2 * SIZE))
    assert rooms.is_over(str(room), SIZE, FILES) is True
    assert rooms.is_over(str(room), 4 * SIZE, FILES) is False
    assert rooms.is_over(str(room), 4 * SIZE, 2) is True
    assert rooms.is_over(str(room / "gone"), SIZE, FILES) is False


def test_directories_that_are_renamed_hide_no_other(room: Path) -> None:
    (room / "a").mkdir()
    (room / "a" / "large").write_bytes(bytes(2 * SIZE))
    for number in range(100):
        (room / f"b{number}").mkdir()
    moving = subprocess.Popen([sys.executable, "-c", MOVE, str(room)], stdout=subprocess.PIPE)
    try:
        assert moving.stdout is not None
        assert moving.stdout.readline() == b"moving\n"
        assert sum(rooms.is_over(str(room), SIZE, FILES) is True for _ in range(50)) > 40
    finally:
        moving.kill()
        moving.communicate()


def test_who_moves_directories_about_all_the_time_is_over(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([None, False, *[None] * rooms._MOST_MISSED])
    killed: list[int] = []
    monkeypatch.setattr(rooms, "is_over", lambda *_: next(looks))
    monkeypatch.setattr(rooms, "_kill", killed.append)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        janitor = rooms.Janitor(str(room), 1, ours, (SIZE, FILES))
        janitor._rooms[7] = "room"
        for _ in range(rooms._MOST_MISSED):
            janitor._enforce(SIZE, FILES)
            assert killed == []
        janitor._enforce(SIZE, FILES)
    assert killed == [7]


@pytest.mark.parametrize("moved", [True, False])
def test_a_directory_that_was_moved_is_told_and_one_that_was_deleted_is_not(
    room: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    (room / "a").mkdir()
    (room / "b").mkdir()
    scandir = os.scandir

    def gone(path: str) -> object:
        if str(path).endswith("/a"):
            (room / "a").rename(room / "b" / "c") if moved else (room / "a").rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", gone)
    assert rooms.is_over(str(room), SIZE, FILES) is (None if moved else False)
