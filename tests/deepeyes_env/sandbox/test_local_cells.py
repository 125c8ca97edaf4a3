"""What a cell sees and shows: the semantics of a notebook."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from deepeyes_env.sandbox import CellStatus, LocalSandbox, Sandbox, Session
from deepeyes_env.sandbox.local import LocalSession

PHOTO = Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8))


@pytest.fixture
def session(sandbox: LocalSandbox) -> Iterator[LocalSession]:
    opened = sandbox.open([PHOTO], seed=7)
    yield opened
    opened.close()


def test_satisfies_the_protocols(sandbox: LocalSandbox, session: LocalSession) -> None:
    assert isinstance(sandbox, Sandbox)
    assert isinstance(session, Session)


def test_variables_functions_and_imports_persist(session: LocalSession) -> None:
    assert session.run("import math\ndef area(r):\n    return math.floor(r)\nx = 2.5").ok
    assert session.run("print(area(x))").stdout == "2\n"


def test_the_last_expression_is_echoed(session: LocalSession) -> None:
    assert session.run("1 + 1").stdout == "Out[0]: 2\n"
    assert session.run("'a'\n'b'").stdout == "Out[1]: 'b'\n"
    assert session.run("_ + 'c'").stdout == "Out[2]: 'bc'\n"


@pytest.mark.parametrize(
    "code",
    [
        "None",
        "x = 1",
        "",
        "# nothing",
        "def f(): pass",
        "1;",
        "'é' ; # quiet",
        "(1,\n 2);\n\n",
        "image_1;",
        "1;\r",
    ],
)
def test_nothing_is_echoed_where_there_is_no_value(session: LocalSession, code: str) -> None:
    result = session.run(code)
    assert (result.status, result.stdout, result.stderr, result.images) == (CellStatus.OK, "", "", ())


def test_the_same_cells_give_the_same_text_in_every_process(sandbox: LocalSandbox) -> None:
    cells = [
        "object()",
        "plt.plot([1])",
        "image_1, print",
        "print(object(), hex(0x7f469ce8de10))",
        "object()[0]",
    ]
    texts = []
    for filler in range(2):
        session = sandbox.open([PHOTO])
        session.run(f"import matplotlib.pyplot as plt\nkept = [object() for _ in range({filler * 1000})]")
        results = [session.run(cell) for cell in cells]
        texts.append([result.stdout + result.stderr for result in results])
        session.close()
    assert texts[0] == texts[1]
    assert texts[0][0] == "Out[1]: <object object at 0x...>\n"
    assert texts[0][3] == "<object object at 0x...> 0x7f469ce8de10\n"


def test_images_go_in_and_out_unchanged(session: LocalSession) -> None:
    result = session.run("image_1")
    assert result.stdout == ""
    assert [image.mode for image in result.images] == ["RGB"]
    assert np.array_equal(np.asarray(result.images[0]), np.asarray(PHOTO))


@pytest.mark.parametrize(
    "code",
    [
        "image_1.crop((10, 20, 30, 50))",
        "display(image_1.crop((10, 20, 30, 50)))",
        "image_1.crop((10, 20, 30, 50)).show()",
        "from IPython.display import display as d\nd(image_1.crop((10, 20, 30, 50)))",
    ],
)
def test_every_way_to_show_a_picture_gives_full_resolution(session: LocalSession, code: str) -> None:
    result = session.run(code)
    assert [image.size for image in result.images] == [(20, 30)]
    assert result.stdout == result.stderr == ""


def test_the_notebooks_image_opens_files_and_bytes(session: LocalSession) -> None:
    session.run("from IPython.display import Image, clear_output\nimage_1.save('/tmp/a.png')")
    for code in (
        "Image('/tmp/a.png')",
        "Image(filename='/tmp/a.png')",
        "Image(open('/tmp/a.png', 'rb').read())",
    ):
        (image,) = session.run(f"clear_output()\n{code}").images
        assert np.array_equal(np.asarray(image), np.asarray(PHOTO))


def test_modes_become_rgb_with_transparency_over_white(session: LocalSession) -> None:
    code = "from PIL import Image\nfor m in ('L', 'RGBA', '1', 'P', 'F'): display(Image.new(m, (2, 2)))"
    result = session.run(code)
    assert [image.mode for image in result.images] == ["RGB"] * 5
    assert result.images[0].getpixel((0, 0)) == (0, 0, 0)
    assert result.images[1].getpixel((0, 0)) == (255, 255, 255)


def test_arrays_are_text_not_pictures(session: LocalSession) -> None:
    result = session.run("import numpy as np\nnp.zeros((2, 2, 3), dtype=np.uint8)")
    assert result.images == ()
    assert result.stdout.startswith("Out[0]: array(")


def test_figures_are_shown_once_each(session: LocalSession) -> None:
    first = session.run("import matplotlib.pyplot as plt\nplt.imshow(image_1)\nplt.show()\nplt.show()")
    assert len(first.images) == 1
    assert session.run("plt.show()").images == ()
    second = session.run("plt.figure()\nplt.plot([1, 2])\nplt.figure()\nplt.plot([3]);")
    assert len(second.images) == 2
    assert session.run("1").images == ()


def test_a_figure_as_the_last_expression_is_shown_once(session: LocalSession) -> None:
    code = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(2, 1))\nfig"
    result = session.run(code)
    assert len(result.images) == 1
    assert result.stdout == ""
    assert len(session.run("fig").images) == 1


def test_figures_have_100_dots_per_inch_and_tight_margins(session: LocalSession) -> None:
    code = """
import matplotlib.pyplot as plt
fig = plt.figure(figsize=(3, 2))
fig.add_axes([0, 0, 1, 1]).imshow(image_1, aspect="auto")
plt.axis("off")
plt.show()"""
    width, height = session.run(code).images[0].size
    assert abs(width - 320) <= 2  # 3 inches and the padding of 0.1 inch on either side
    assert abs(height - 220) <= 2


def test_pictures_are_kept_when_the_cell_fails(session: LocalSession) -> None:
    result = session.run("display(image_1)\nimport matplotlib.pyplot as plt\nplt.plot([1])\n1 / 0")
    assert result.status is CellStatus.EXCEPTION
    assert len(result.images) == 2


def test_streams_are_apart(session: LocalSession) -> None:
    code = "import sys, warnings\nprint('a')\nprint('b', file=sys.stderr)\nwarnings.warn('careful')"
    result = session.run(code)
    assert result.stdout == "a\n"
    assert result.stderr.startswith("b\n")
    assert "UserWarning: careful" in result.stderr


def test_a_logging_handler_survives_its_cell(session: LocalSession) -> None:
    session.run("import logging\nlogging.basicConfig(force=True)")
    assert "later" in session.run("logging.warning('later')").stderr


def test_streams_survive_being_closed_or_replaced(session: LocalSession) -> None:
    session.run("import sys\nsys.stdout.close()\nsys.stderr = None")
    result = session.run("print('back')\nprint('here', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("back\n", "here\n")


@pytest.mark.parametrize("stream", ["sys.stdout.buffer", "sys.stdout.detach()"])
def test_a_cells_own_wrapper_around_stdout_works(session: LocalSession, stream: str) -> None:
    code = f"import io, sys\nkept = 1\nsys.stdout = io.TextIOWrapper({stream}, encoding='utf-8')\nprint('é')"
    assert session.run(code).stdout == "é\n"
    assert session.run("print(kept)").stdout == "1\n"


def test_a_figure_that_cannot_be_drawn_fails_its_own_cell_only(session: LocalSession) -> None:
    result = session.run("import matplotlib.pyplot as plt\nplt.title(r'$\\frac$')")
    assert "ParseSyntaxException" in result.stderr
    assert session.run("1").ok


@pytest.mark.parametrize(
    "code", ["import matplotlib\nmatplotlib.use('Agg')", "plt.switch_backend('agg')", "plt.ion()"]
)
def test_backends_can_be_chosen_as_in_a_script(session: LocalSession, code: str) -> None:
    result = session.run(f"import matplotlib.pyplot as plt\n{code}\nplt.plot([1])\nplt.show()")
    assert (result.stderr, len(result.images)) == ("", 1)


def test_a_traceback_is_short_and_shows_the_cells_lines(session: LocalSession) -> None:
    session.run("def half(x):\n    return x / 0")
    result = session.run("a = 1\nhalf(a)")
    assert result.status is CellStatus.EXCEPTION
    assert result.stderr == (
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 2, in <module>\n'
        "    half(a)\n"
        '  File "<cell 0>", line 2, in half\n'
        "    return x / 0\n"
        "ZeroDivisionError: division by zero\n"
    )


def test_a_traceback_from_a_library_ends_there_without_host_paths(session: LocalSession) -> None:
    lines = session.run("image_1.crop((9, 9, 1, 1))").stderr.splitlines()
    assert lines[1] == '  File "<cell 0>", line 1, in <module>'
    assert lines[-2].startswith('  File "PIL/Image.py", line')


def test_endless_recursion_has_a_short_traceback(session: LocalSession) -> None:
    result = session.run("def f(n):\n    return f(n + 1)\nf(0)")
    assert "RecursionError" in result.stderr
    assert len(result.stderr.splitlines()) < 25


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("x = (", "SyntaxError - '(' was never closed (line 1)"),
        ("y = 1\nif y:\nprint(y)", "(line 3)"),
        ("%matplotlib inline", "magics"),
        ("x = 1\n!ls -l", "shell commands"),
        ("print?", "help"),
        ("await f()", "SyntaxError - 'await' outside function: a cell is no coroutine; use asyncio.run(...)"),
        ("async with f(): pass", "use asyncio.run(...)"),
        ("[x async for x in f()]", "use asyncio.run(...)"),
        ("a\0b", "SyntaxError - source code string cannot contain null bytes"),
        ("(" * 500, "SyntaxError - "),
    ],
)
def test_what_does_not_compile_says_why(session: LocalSession, code: str, text: str) -> None:
    result = session.run(code)
    assert result.status is CellStatus.EXCEPTION
    assert result.stderr.startswith("SyntaxError - ")
    assert text in result.stderr
    assert session.run("1").ok


def test_no_frame_of_the_sandbox_is_in_a_traceback(session: LocalSession) -> None:
    for code in ("input()", "display(object.__new__(type('E', (), {'__repr__': lambda self: 1 / 0})))"):
        trace = session.run(code).stderr
        assert "<cell " in trace
        assert "deepeyes_env" not in trace
        assert "worker" not in trace


def test_input_is_refused_with_a_reason(session: LocalSession) -> None:
    assert "input() is not available" in session.run("input('name? ')").stderr


@pytest.mark.parametrize(
    "code", ["exit()", "quit(3)", "import sys; sys.exit('bye')", "raise KeyboardInterrupt"]
)
def test_leaving_is_an_exception_and_the_session_lives(session: LocalSession, code: str) -> None:
    assert session.run("kept = 1").ok
    assert session.run(code).status is CellStatus.EXCEPTION
    assert session.run("kept").stdout == "Out[2]: 1\n"


@pytest.mark.parametrize(
    "code",
    [
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        "class R:\n    def __repr__(self): raise SystemExit\nR()",
        "import builtins\ndel builtins.print\nimport sys\nsys.setrecursionlimit(60)\n1",
        "import sys\nsys.modules.clear()",
        "print('\\udcff\\x00\\x1b[31m')",
        "import sys\nsys.settrace(lambda *a: 1 / 0)\n2",
    ],
)
def test_oddities_do_not_end_the_session(session: LocalSession, code: str) -> None:
    session.run(code)
    assert session.run("x = 41 + 1\nx").stdout == "Out[1]: 42\n"


def test_dataclasses_and_pickles_find_their_module(session: LocalSession) -> None:
    code = """
import pickle
from dataclasses import dataclass
@dataclass
class P:
    x: int
pickle.loads(pickle.dumps(P(3)))"""
    assert session.run(code).stdout == "Out[0]: P(x=3)\n"


def test_ordinary_libraries_work(session: LocalSession) -> None:
    code = """
import asyncio, collections, csv, io, itertools, json, re, sqlite3, statistics, tempfile, zipfile
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from PIL import Image, ImageDraw, ImageFont
async def f(): return 1
assert asyncio.run(f()) == 1
with ThreadPoolExecutor(3) as pool: assert list(pool.map(abs, [-1, -2])) == [1, 2]
with tempfile.TemporaryDirectory() as d:
    image_1.save(d + "/a.png"); assert Image.open(d + "/a.png").size == image_1.size
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
assert np.linalg.inv(np.eye(3)).sum() == 3
ImageDraw.Draw(image_1).text((1, 1), "x", font=ImageFont.truetype("DejaVuSans.ttf", 12))
import matplotlib.pyplot as plt
plt.title("é $x^2$"); plt.savefig("/tmp/out.png"); plt.close()
print("done")"""
    result = session.run(code)
    assert result.stdout == "done\n", result.stderr


def test_random_numbers_follow_the_seed(sandbox: LocalSandbox) -> None:
    code = "import random, numpy as np\nprint(random.random(), np.random.rand(), hash('x'))"
    outputs = []
    for seed in (1, 1, 2, -1, 2**70):
        session = sandbox.open([], seed)
        outputs.append(session.run(code).stdout)
        session.close()
    assert outputs[0] == outputs[1]
    assert len(set(outputs)) == 4


def test_sessions_share_nothing(sandbox: LocalSandbox) -> None:
    one, two = sandbox.open([PHOTO]), sandbox.open([PHOTO])
    one.run("mine = 1\nopen('/tmp/mine', 'w').write('x')\nimage_1.putpixel((0, 0), (9, 9, 9))")
    result = two.run("import os\nprint('mine' in globals(), os.listdir('/tmp'), image_1.getpixel((0, 0)))")
    assert result.stdout == "False [] (0, 1, 2)\n"
    one.close()
    assert two.run("1").ok
    two.close()


def test_annotations_are_those_of_a_plain_cell(sandbox: LocalSandbox) -> None:
    session = sandbox.open([])
    for code in ("x: int = 1\nprint(__annotations__['x'])", "y: int = 1\n(__annotations__['y'],\n)[0]"):
        assert "<class 'int'>" in session.run(code).stdout
    session.close()
