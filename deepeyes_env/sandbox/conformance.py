"""What every backend must do: a list of checks, each on sessions of its own.

`check_sandbox(sandbox)` runs them all. A backend's own tests may go through `CHECKS` one by one, to name
those that its protocol cannot meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image

from deepeyes_env.sandbox.base import CellStatus, Sandbox, SandboxError, Session
from deepeyes_env.sandbox.variable import read_variable

PHOTO = Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8))
"""A picture whose pixels all differ from their neighbours, so that any scaling or loss shows."""

Check = Callable[[Sandbox], None]


def check_sandbox(sandbox: Sandbox, *, leave_out: Sequence[Check] = ()) -> None:
    """Assert that a sandbox behaves as the environment relies on.

    Args:
        sandbox: The backend. Give it a `cell_seconds` of about 2: some checks wait for the end of it.
        leave_out: Checks that its protocol cannot meet.

    Raises:
        AssertionError: It does not; the message names the check.
    """
    for check in CHECKS:
        if check not in leave_out:
            try:
                check(sandbox)
            except AssertionError as error:
                raise AssertionError(f"{check.__name__}: {error}") from error


@contextmanager
def _session(sandbox: Sandbox, images: Sequence[Image.Image] = (), seed: int = 0) -> Iterator[Session]:
    session = sandbox.open(images, seed)
    try:
        yield session
    finally:
        session.close()


def state_persists(sandbox: Sandbox) -> None:
    """Variables, functions and imports are there in the next cell."""
    with _session(sandbox) as session:
        first = session.run("import math\ndef area(r):\n    return math.floor(r)\nx = 2.5")
        assert first.status is CellStatus.OK, first
        assert session.run("print(area(x))").stdout == "2\n"


def the_process_persists(sandbox: Sandbox) -> None:
    """What cannot be written to a file persists as well: open files, generators."""
    with _session(sandbox) as session:
        session.run("numbers = (n * n for n in range(9))\nnext(numbers)")
        result = session.run("print(next(numbers))")
        assert result.stdout == "1\n", result


def a_value_is_echoed(sandbox: Sandbox) -> None:
    """The value of a last expression is shown, with or without `Out[n]:`."""
    with _session(sandbox) as session:
        assert re.fullmatch(r"(Out\[\d+\]: )?2\n", session.run("1 + 1").stdout)
        for code in ("None", "x = 1", "", "# nothing"):
            result = session.run(code)
            assert (result.status, result.stdout, result.images) == (CellStatus.OK, "", ()), (code, result)


def streams_are_apart(sandbox: Sandbox) -> None:
    """What is printed to stderr is not in stdout, and does not count as a failure."""
    with _session(sandbox) as session:
        result = session.run("import sys\nprint('é')\nprint('b', file=sys.stderr)")
        assert (result.status, result.stdout, result.stderr) == (CellStatus.OK, "é\n", "b\n"), result


def images_come_in(sandbox: Sandbox) -> None:
    """`image_1`, `image_2`, ... are the pictures, pixel by pixel, and there are no more."""
    with _session(sandbox, [PHOTO, PHOTO.rotate(90, expand=True)]) as session:
        code = "print(image_1.mode, image_1.size, image_2.size, 'image_3' in globals())"
        assert session.run(code).stdout == "RGB (80, 60) (60, 80) False\n"
        (image,) = session.run("display(image_1)").images
        assert np.array_equal(np.asarray(image), np.asarray(PHOTO))


def pictures_keep_their_resolution(sandbox: Sandbox) -> None:
    """However a picture is shown, it comes back once, as RGB, at its own size, and not as text."""
    for code in (
        "image_1.crop((10, 20, 30, 50))",
        "display(image_1.crop((10, 20, 30, 50)))",
        "image_1.crop((10, 20, 30, 50)).show()",
    ):
        with _session(sandbox, [PHOTO]) as session:
            result = session.run(code)
            shown = [(image.mode, image.size) for image in result.images]
            assert shown == [("RGB", (20, 30))], (code, result)
            assert result.stdout == result.stderr == "", (code, result)


def a_variable_is_read_without_a_trace(sandbox: Sandbox) -> None:
    """The picture under a name comes out, an array too; nothing changes by it, and other names give none."""
    with _session(sandbox, [PHOTO]) as session:
        session.run(
            "part = image_1.crop((10, 20, 30, 50)); pixels = __import__('numpy').array(part); word = 'a'"
        )
        session.run("display = print = 5\n6 * 7")
        names = "[name for name in sorted(globals()) if not name.startswith('_')]"
        before = session.run(f"_, {names}").stdout.partition(":")[2]
        for name in ("part", "pixels"):
            found = read_variable(session, name)
            assert found.image is not None, name
            assert found.image.tobytes() == PHOTO.crop((10, 20, 30, 50)).tobytes(), name
            assert found.size == (20, 30), found
        for name in ("word", "nothing", "_"):
            assert read_variable(session, name).image is None, name
        assert session.run(f"_[0], {names}").stdout.partition(":")[2] == before


def figures_are_shown_once(sandbox: Sandbox) -> None:
    """`plt.show()` gives a picture, and the next cell does not give it again."""
    with _session(sandbox, [PHOTO]) as session:
        result = session.run("import matplotlib.pyplot as plt\nplt.imshow(image_1)\nplt.show()")
        assert len(result.images) == 1, result
        assert session.run("x = 1").images == ()


def an_exception_is_told(sandbox: Sandbox) -> None:
    """The traceback is on stderr, what was shown before it is kept, and the session lives."""
    with _session(sandbox, [PHOTO]) as session:
        result = session.run("print('before')\ndisplay(image_1)\n1 / 0")
        assert result.status is CellStatus.EXCEPTION, result
        assert "ZeroDivisionError" in result.stderr, result
        assert (result.stdout, len(result.images)) == ("before\n", 1), result
        assert session.run("print('after')").stdout == "after\n"


def a_syntax_error_is_told(sandbox: Sandbox) -> None:
    """It is an exception of the cell."""
    with _session(sandbox) as session:
        result = session.run("x = (")
        assert result.status is CellStatus.EXCEPTION, result
        assert "SyntaxError" in result.stderr, result


def long_output_is_cut(sandbox: Sandbox) -> None:
    """Head and tail of a long text are kept, and the result says that it was cut."""
    with _session(sandbox) as session:
        result = session.run("print('a' + 100_000 * '-' + 'b')")
        assert result.truncated, result
        assert len(result.stdout) < 50_000, len(result.stdout)
        assert result.stdout.startswith("a-"), result.stdout[:100]
        assert result.stdout.endswith("-b\n"), result.stdout[-100:]


def too_many_pictures_are_cut(sandbox: Sandbox) -> None:
    """The first ones are kept, and the result says that there were more."""
    with _session(sandbox, [PHOTO]) as session:
        result = session.run("for size in range(1, 40): display(image_1.resize((size, 1)))")
        assert result.truncated, result
        assert 0 < len(result.images) < 39, len(result.images)
        assert [image.width for image in result.images] == list(range(1, len(result.images) + 1))


def odd_text_comes_through(sandbox: Sandbox) -> None:
    """Lone surrogates and control characters harm no one."""
    with _session(sandbox) as session:
        assert session.run(r"print('\udcff\x00\x1b[31mred')").status is not CellStatus.CRASHED
        assert session.run("print('\udcff')").stdout == "?\n"
        assert session.run("print('alive')").stdout == "alive\n"


def a_timeout_keeps_the_state(sandbox: Sandbox) -> None:
    """A cell over its time is interrupted, and told so; what was there before is there after."""
    with _session(sandbox) as session:
        session.run("kept = 1")
        result = session.run("print('so far', flush=True)\nwhile True: pass")
        assert result.status is CellStatus.TIMEOUT, result
        assert "code execution timed out" in result.stderr, result
        assert result.stdout == "so far\n", result
        assert session.run("print(kept)").stdout == "1\n"


def a_stubborn_cell_is_killed(sandbox: Sandbox) -> None:
    """A cell that ignores the interrupt loses its process; the next one has the images and is told."""
    code = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException as error:
        kept = error
"""
    with _session(sandbox, [PHOTO]) as session:
        session.run("lost = 1")
        result = session.run(code)
        assert result.status is CellStatus.KILLED, result
        _is_fresh(session)


def a_crash_is_told(sandbox: Sandbox) -> None:
    """A cell whose process dies is told so; the next one has the images and is told."""
    with _session(sandbox, [PHOTO]) as session:
        session.run("lost = 1")
        result = session.run("import os\nos._exit(3)")
        assert result.status is CellStatus.CRASHED, result
        _is_fresh(session)


def _is_fresh(session: Session) -> None:
    result = session.run("print(image_1.size, 'lost' in globals())")
    assert result.status is CellStatus.OK, result
    assert result.stdout == "(80, 60) False\n", result
    assert "new process" in result.stderr, result
    assert session.run("x = 1").stderr == "", "told twice"


def sessions_share_nothing(sandbox: Sandbox) -> None:
    """Neither variables nor files nor pixels of the images."""
    with _session(sandbox, [PHOTO]) as one, _session(sandbox, [PHOTO]) as two:
        one.run("mine = 1\nopen('/tmp/mine', 'w').write('x')\nimage_1.putpixel((0, 0), (9, 9, 9))")
        result = two.run(
            "import os\nprint('mine' in globals(), os.path.exists('/tmp/mine'), image_1.getpixel((0, 0)))"
        )
        assert result.stdout == "False False (0, 1, 2)\n", result
        one.close()
        assert two.run("print('alive')").stdout == "alive\n"


def random_numbers_follow_the_seed(sandbox: Sandbox) -> None:
    """Equal seeds give equal numbers in the first cell, other seeds others."""
    printed = []
    for seed in (1, 1, 2):
        with _session(sandbox, seed=seed) as session:
            printed.append(
                session.run("import random, numpy as np\nprint(random.random(), np.random.rand())").stdout
            )
    assert printed[0] == printed[1] != printed[2], printed


def closing_is_idempotent(sandbox: Sandbox) -> None:
    """A closed session can be closed again, and runs nothing."""
    session = sandbox.open([PHOTO])
    session.close()
    session.close()
    try:
        session.run("1")
    except SandboxError:
        return
    raise AssertionError("a closed session ran a cell")


CHECKS: tuple[Check, ...] = (
    state_persists,
    the_process_persists,
    a_value_is_echoed,
    streams_are_apart,
    images_come_in,
    pictures_keep_their_resolution,
    a_variable_is_read_without_a_trace,
    figures_are_shown_once,
    an_exception_is_told,
    a_syntax_error_is_told,
    long_output_is_cut,
    too_many_pictures_are_cut,
    odd_text_comes_through,
    a_timeout_keeps_the_state,
    a_stubborn_cell_is_killed,
    a_crash_is_told,
    sessions_share_nothing,
    random_numbers_follow_the_seed,
    closing_is_idempotent,
)
"""Every check, in the order of a newcomer's questions."""
