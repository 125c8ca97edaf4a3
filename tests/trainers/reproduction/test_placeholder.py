from __future__ import annotations

import pytest

from trainers.reproduction.placeholder import is_placeholder


@pytest.mark.parametrize(
    "code",
    [
        "",
        "# look closer",
        "pass",
        '"""Look."""',
        "import numpy as np",
        "from PIL import Image\n# look",
        "x = 1",
        'print("The answer is 5")',
        "done: bool = True\nprint('a', 1)",
    ],
)
def test_nothing_can_be_learned_from_it(code: str) -> None:
    assert is_placeholder(code)


@pytest.mark.parametrize(
    "code",
    [
        "image_1.show()",
        "print(37*7+58)",
        "print(image_1.size)",
        "x = image_1",
        "for _ in range(3): pass",
        "1 +",
        "\0",
        "print(x, sep='')",
    ],
)
def test_it_does_something_or_is_a_mistake(code: str) -> None:
    assert not is_placeholder(code)
