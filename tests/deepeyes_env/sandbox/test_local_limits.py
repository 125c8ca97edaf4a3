"""Every limit holds, has a name, and leaves the session usable where it can."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from PIL import Image

from deepeyes_env.sandbox import CellResult, CellStatus, LocalSandbox, SandboxLimits
from deepeyes_env.sandbox.local import LocalSession
from deepeyes_env.sandbox.local import session as session_module


@pytest.fixture
def session(small: LocalSandbox) -> Iterator[LocalSession]:
    opened = small.open([])
    yield opened
    opened.close()


@pytest.fixture
def hurried(hasty: LocalSandbox) -> Iterator[LocalSession]:
    opened = hasty.open([Image.new("RGB", (3, 2), "red")])
    opened.run("kept = 'kept'")
    yield opened
    opened.close()


@pytest.mark.parametrize("code", ["while True: pass", "import time\ntime.sleep(60)"])
def test_a_timeout_keeps_the_state(hurried: LocalSession, code: str) -> None:
    result = hurried.run("print('before')\n" + code)
    assert result.status is CellStatus.TIMEOUT
    assert result.stdout == "before\n"
    assert result.stderr == "TimeOutError: code execution timed out"
    assert hurried.run("print(kept)").stdout == "kept\n"


def test_a_cell_that_ignores_the_interrupt_is_killed_and_the_session_reopens(hurried: LocalSession) -> None:
    code = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)"
    result = hurried.run(code)
    assert result.status is CellStatus.KILLED
    assert result.stderr.startswith("TimeOutError: code execution timed out")
    again = hurried.run("print('kept' in globals(), image_1.getpixel((0, 0)))")
    assert again.stdout == "False (255, 0, 0)\n"
    assert again.stderr.startswith("[new process")
    assert hurried.run("1").stderr == ""


def test_a_reply_in_time_is_in_time_however_late_the_host_looks(
    hurried: LocalSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = session_module._Live.receive

    def receive_late(*arguments: Any) -> Any:
        time.sleep(0.7)  # as when another thread of the host keeps the interpreter's lock
        return receive(*arguments)

    monkeypatch.setattr(session_module._Live, "receive", receive_late)
    assert hurried.run("print('done')") == CellResult(CellStatus.OK, "done\n")


@contextmanager
def busy_host() -> Iterator[None]:
    """Another thread of this process computes, and gives the interpreter's lock away only every 200 ms."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.2)
    over = threading.Event()
    busy = threading.Thread(target=lambda: [None for _ in iter(over.is_set, True)])
    busy.start()
    try:
        yield
    finally:
        over.set()
        busy.join()
        sys.setswitchinterval(interval)


def test_a_reply_takes_no_longer_because_the_host_is_busy() -> None:
    """Read in 240 pieces of 200 kB, for each of which it needs its lock again, it would take a minute."""
    with closing(LocalSandbox(SandboxLimits(cell_seconds=20), ahead=0)) as sandbox:
        session = sandbox.open([])
        with busy_host():
            result = session.run("from PIL import Image\ndisplay(Image.new('RGB', (4_000, 4_000), 'teal'))")
    assert result.status is CellStatus.OK
    (image,) = result.images
    assert image.getpixel((3_999, 3_999)) == (0, 128, 128)


def test_compiling_takes_no_longer_for_long_lines(hurried: LocalSession) -> None:
    assert hurried.run(f"x = '{' ' * 200_000}'\nprint(len(x))").stdout == "200000\n"


def test_an_interrupt_never_strikes_the_next_cell(hurried: LocalSession) -> None:
    # Both cells end near the deadline, so that the interrupt comes around the reply.
    for delay in (0.49, 0.495, 0.5, 0.505):
        assert hurried.run(f"import time\ntime.sleep({delay})").status in (CellStatus.OK, CellStatus.TIMEOUT)
        assert hurried.run("print(sum(range(1000)))").stdout == "499500\n"


@pytest.mark.parametrize(
    "code", ["x = []\nwhile True: x.append(bytes(1 << 20))", "import numpy\nnumpy.ones(1 << 28)"]
)
def test_memory_is_limited(session: LocalSession, code: str) -> None:
    result = session.run(code)
    assert result.status is CellStatus.EXCEPTION
    assert "MemoryError" in result.stderr
    assert "memory_bytes = 268435456" in result.stderr
    assert session.run("x = None\nbytes(100 << 20) and 'room'").stdout.endswith("'room'\n")


def test_threads_are_limited_for_each_session_alone(small: LocalSandbox) -> None:
    code = """
import threading
stop = threading.Event()
threads = [threading.Thread(target=stop.wait) for _ in range({})]
for thread in threads: thread.start()
print('started')"""
    sessions = [small.open([]) for _ in range(3)]
    assert [session.run(code.format(4)).stdout for session in sessions] == ["started\n"] * 3
    result = sessions[0].run(code.format(1))
    assert "can't start new thread" in result.stderr
    assert "threads = 4" in result.stderr
    for session in sessions:
        session.close()


def test_output_keeps_its_head_and_tail(session: LocalSession) -> None:
    result = session.run("print('head')\nfor i in range(10_000): print(i)\nprint('tail')")
    assert result.truncated
    assert result.stdout.startswith("head\n0\n1\n")
    assert result.stdout.endswith("9999\ntail\n")
    assert "output_chars = 400" in result.stdout
    assert len(result.stdout) < 500


@pytest.mark.parametrize("character", ["a", "é", "木", "🌳"])
def test_output_is_counted_in_characters(session: LocalSession, character: str) -> None:
    whole = session.run(f"print({character!r} * 400, end='')")
    assert (whole.stdout, whole.truncated) == (character * 400, False)
    cut = session.run(f"print({character!r} * 401, end='')")
    assert cut.truncated
    head, notice, tail = cut.stdout.split("\n")
    assert head == tail == character * 200
    assert "output_chars = 400" in notice


def test_the_number_of_images_is_limited(session: LocalSession) -> None:
    result = session.run("from PIL import Image\nfor i in range(5): display(Image.new('RGB', (i + 1, 1)))")
    assert [image.width for image in result.images] == [1, 2]
    assert result.truncated
    assert result.stderr == "[3 more not shown: images_per_cell = 2]\n"


def test_the_area_of_all_images_together_is_limited() -> None:
    sandbox = LocalSandbox(SandboxLimits(pixels_per_image=5_000, pixels_per_cell=9_000), ahead=0)
    session = sandbox.open([])
    code = "from PIL import Image\nfor side in {}: display(Image.new('RGB', (side, side)))"
    whole = session.run(code.format("(70, 64)"))  # 4,900 and 4,096 pixels
    assert ([image.width for image in whole.images], whole.truncated, whole.stderr) == ([70, 64], False, "")
    # The first ones are kept, as of too many; the third would be shrunk to what does not fit either.
    result = session.run(code.format("(60, 70, 99, 5)"))
    assert [image.width for image in result.images] == [60, 70]
    assert result.truncated
    assert result.stderr == "[2 more not shown: pixels_per_cell = 9000]\n"
    assert len(session.run(code.format("(70, 64)")).images) == 2
    sandbox.close()


def test_large_images_and_figures_are_shrunk_with_a_word(session: LocalSession) -> None:
    result = session.run("from PIL import Image\nImage.new('RGB', (2000, 500))")
    assert result.truncated
    assert [image.size for image in result.images] == [(1000, 250)]
    assert "pixels_per_image = 250000" in result.stderr
    result = session.run(
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(90, 90))\nplt.plot([1])\nplt.show()"
    )
    assert len(result.images) == 1
    assert result.images[0].width * result.images[0].height <= 250_000


def test_tmp_is_limited_by_size_and_number(session: LocalSession) -> None:
    full = session.run("with open('/tmp/a', 'wb') as f:\n    for _ in range(8): f.write(bytes(1 << 20))")
    assert "tmp_bytes" in full.stderr
    many = session.run("import os\nos.remove('/tmp/a')\nfor i in range(100): open(f'/tmp/{i}', 'w').close()")
    assert "tmp_files" in many.stderr
    assert 15 <= int(session.run("print(len(os.listdir('/tmp')))").stdout) <= 20


def test_threads_are_frozen_between_cells(session: LocalSession) -> None:
    session.run(
        "import threading, time\ncount = 0\n"
        "def work():\n    global count\n    while True:\n        count += 1\n        time.sleep(0.001)\n"
        "threading.Thread(target=work, daemon=True).start()\nbefore = count"
    )
    time.sleep(0.5)
    assert int(session.run("print(count - before)").stdout) < 100
