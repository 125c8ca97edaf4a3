from __future__ import annotations

import pytest

from deepeyes_env.placeholder import is_placeholder

IDLE = {
    "comments": "# I look at the picture closely.\n# The answer is 7.",
    "nothing at all": "",
    "pass": "pass",
    "a docstring": '"""Analysis of the image."""',
    "a message": 'print("Analysing image_1.crop((0, 0, 10, 10))")',
    "the answer as a literal": "answer = 7\nprint(f'The answer is {answer}')",
    "imports": "import numpy as np\nfrom PIL import Image",
    "a table": 'found = {"left": [1, -2], "right": (3, None)}\nfound',
    "shown text": 'display("done", end="")',
    "an idle branch": "if True:\n    pass\nelse:\n    image_1.show()",
    "a loop that never runs": "while False:\n    image_1.show()",
    "guarded": "try:\n    import cv2\nexcept ImportError:\n    pass",
    "a typed literal": "x: int = 3\ny: str",
}

WORK = {
    "a crop": "image_1.crop((0, 0, 10, 10)).show()",
    "the picture itself": "image_1",
    "its size": "print(image_1.size)",
    "arithmetic": "print(12 * 7)",
    "a comparison": "print(3 < 4)",
    "a call": "print(len('strawberry'))",
    "a variable of an earlier cell": "print(total)",
    "a picture under another name": "picture = image_1",
    "a definition": "def area(w, h):\n    return w * h",
    "a loop": "for i in range(3):\n    pass",
    "an element": "[1, 2, 3][0]",
    "a branch on a variable": "x = 1\nif x:\n    image_1.show()",
    "a literal, then work": "x = 3\nx += 1",
    "a rescue that works": "try:\n    import cv2\nexcept ImportError:\n    image_1.show()",
    "an unpacked picture": "left, right = image_1, 2",
}

BROKEN = {
    "a syntax error": "print(",
    "a null byte": "print('\0')",
    "deep nesting": "(" * 5000 + ")" * 5000,
    "a deep chain": "x = " + "-" * 100_000 + "1",
}


@pytest.mark.parametrize("code", IDLE.values(), ids=IDLE.keys())
def test_idle_cells_are_placeholders(code: str) -> None:
    assert is_placeholder(code)


@pytest.mark.parametrize("code", WORK.values(), ids=WORK.keys())
def test_whatever_might_be_work_is_work(code: str) -> None:
    assert not is_placeholder(code)


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_parse_is_an_error_and_no_placeholder(code: str) -> None:
    assert not is_placeholder(code)


def test_odd_escapes_warn_nobody(recwarn: pytest.WarningsRecorder) -> None:
    assert is_placeholder(r'print("\d")')
    assert not recwarn.list
