"""What goes from session to session and to the host: nothing but what shall. For a child process."""

from __future__ import annotations

import fcntl
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lifecycle import opened, processes
from PIL import Image

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import Level

PATTERN = Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8))
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def state_persists_and_shows_as_in_a_notebook(level: Level) -> None:
    with opened(level) as sandbox:
        session = sandbox.open([PATTERN])
        assert session.run("import math\nx = 2\ndef f(): return math.sqrt(x)").ok
        assert session.run("x = 9\nf()").stdout.endswith(": 3.0\n")
        assert session.run("_ + 1").stdout.endswith(": 4.0\n")
        shown = session.run("display(image_1)\n1 / 0")
        assert [image.size for image in shown.images] == [PATTERN.size]
        assert shown.status is CellStatus.EXCEPTION
        assert "1 / 0" in shown.stderr
        plotted = session.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\n1 / 0")
        assert len(plotted.images) == 1
        assert session.run("await f()").status is CellStatus.EXCEPTION


def random_numbers_follow_the_seed(level: Level) -> None:
    draw = "import os, random, numpy\nprint(random.random(), numpy.random.random(), hash('x'))"
    with opened(level) as sandbox:
        texts = [sandbox.open([], seed=seed).run(draw).stdout for seed in (5, 5, 6)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def libraries_that_nobody_imported_work_inside(level: Level) -> None:
    code = """
import asyncio, colorsys, csv, decimal, email, io, sqlite3, tempfile, threading, wave, zlib
import numpy.ma, numpy.polynomial, PIL.ImageChops, PIL.ImageMorph
from PIL import Image
for kind in ('PNG', 'JPEG', 'GIF', 'WEBP', 'BMP'):
    file = io.BytesIO()
    image_1.save(file, kind)
    Image.open(file).load()
asyncio.run(asyncio.sleep(0))
with tempfile.TemporaryDirectory() as own:
    import shutil
    open(own + '/a', 'w').write('x')
    shutil.copy(own + '/a', own + '/b')
    print(open(own + '/b').read())"""
    with opened(level) as sandbox:
        assert sandbox.open([PATTERN]).run(code).stdout == "x\n"


def what_one_session_does_to_its_image_no_other_sees(level: Level) -> None:
    strike = """
import ctypes, numpy
image_1.putpixel((0, 0), (1, 2, 3))
image_1.paste('red', (0, 0, 9, 9))
pixels = numpy.asarray(image_1)
ctypes.memset(pixels.ctypes.data, 0, pixels.nbytes)
print('struck')"""
    with opened(level) as sandbox:
        first, second = sandbox.open([PATTERN]), sandbox.open([PATTERN])
        first.run(strike)
        for session in (second, sandbox.open([PATTERN])):
            assert np.array_equal(np.asarray(session.run("image_1").images[0]), np.asarray(PATTERN))
        assert first.run("import os\nos._exit(0)").status is CellStatus.CRASHED
        assert np.array_equal(np.asarray(first.run("image_1").images[0]), np.asarray(PATTERN))


def shared_pixels_are_sealed(level: Level) -> None:
    with opened(level) as sandbox:
        sandbox.open([PATTERN])
        links = [(int(name), Path("/proc/self/fd", name)) for name in os.listdir("/proc/self/fd")]
        shared = [number for number, link in links if os.path.islink(link) and "memfd" in os.readlink(link)]
        assert shared
        for number in shared:
            assert fcntl.fcntl(number, fcntl.F_GET_SEALS) == SEALS
            for change in (
                lambda number=number: os.pwrite(number, b"x", 0),
                lambda number=number: os.ftruncate(number, 0),
                lambda number=number: fcntl.fcntl(number, fcntl.F_ADD_SEALS, 0),
            ):
                assert _refused(change)
    plain = os.memfd_create("control", os.MFD_ALLOW_SEALING)
    assert not _refused(lambda: os.pwrite(plain, b"x", 0))
    os.close(plain)


def _refused(change: Callable[[], object]) -> bool:
    try:
        change()
    except PermissionError:
        return True
    return False


def the_zygote_holds_nothing_of_a_session(level: Level) -> None:
    if os.geteuid() != 0:
        return  # only root may look into a guest, which is the control
    canary = os.urandom(24).hex()
    image = Image.frombytes("RGB", (16, 1), canary.encode())
    with opened(level) as sandbox:
        session = sandbox.open([image])
        assert session.run(f"x = 'code {canary}'\nprint(x)").ok
        assert session.run(f"kept = image_1.tobytes()\nraise ValueError('{canary}')").images == ()
        (zygote,), (guest,) = processes()[1:]
        assert _holds(guest, canary.encode())
        assert not _holds(zygote, canary.encode())
        session.close()
        assert not _holds(zygote, canary.encode())


def _holds(pid: int, canary: bytes) -> bool:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if "r" not in rights or line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            memory.seek(start)
            rest, tail = end - start, b""
            while rest > 0:
                piece = memory.read(min(rest, 1 << 24))
                if canary in tail + piece:
                    return True
                if not piece:
                    break
                tail, rest = piece[-len(canary) :], rest - len(piece)
    return False


_OF_THE_KERNEL = ("/proc/self/", "/sys/fs/cgroup/")
"""Where the host looks up whether memory ran out."""
_BELIEVING = ("open", "os.", "exec", "compile", "marshal", "pickle", "import", "ctypes", "subprocess", "code")


def the_host_opens_and_executes_nothing_for_a_guest(level: Level) -> None:
    seen: list[str] = []
    watching = False

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event.startswith(_BELIEVING) and not str(arguments[0]).startswith(_OF_THE_KERNEL):
            seen.append(f"{event} {arguments}")

    sys.addaudithook(watch)
    cells = [
        "image_1",
        "print('../../etc/passwd', '\\x80\\x04K\\x01.')",
        "raise ValueError('/etc/passwd')",
        "import pickle\npickle.dumps(image_1)",
        "import os\nos.symlink('/etc/passwd', 'out.png')",
        "import os\nos._exit(1)",
    ]
    with opened(level) as sandbox:
        session = sandbox.open([PATTERN])
        session.run("image_1\n")  # what the libraries load at the first picture
        session.run("image_1")
        watching = True
        for cell in cells:
            session.run(cell)
        watching = False
        assert seen == []
        watching = True  # the control: the watch sees what it shall
        pickle.loads(b"\x80\x04K\x01.")
        open(__file__).close()
        watching = False
        assert any(event.startswith("open") for event in seen)


def the_janitor_follows_no_link(level: Level) -> None:
    if level is Level.FULL:
        return  # there is none
    import tempfile

    with tempfile.TemporaryDirectory() as elsewhere:
        kept = Path(elsewhere, "kept")
        kept.write_text("kept")
        os.chmod(elsewhere, 0o777)
        with opened(level) as sandbox:
            session = sandbox.open([])
            result = session.run(
                f"import os\nos.symlink({elsewhere!r}, 'link')\nos.mkdir('inside')\n"
                f"os.symlink({str(kept)!r}, 'inside/link')\nprint(os.getcwd())"
            )
            assert result.ok
            room = Path(result.stdout.strip())
            assert os.path.lexists(room)
        assert not os.path.lexists(room)
        assert kept.read_text() == "kept"


CHECKS = (
    state_persists_and_shows_as_in_a_notebook,
    random_numbers_follow_the_seed,
    libraries_that_nobody_imported_work_inside,
    what_one_session_does_to_its_image_no_other_sees,
    shared_pixels_are_sealed,
    the_zygote_holds_nothing_of_a_session,
    the_host_opens_and_executes_nothing_for_a_guest,
    the_janitor_follows_no_link,
)
