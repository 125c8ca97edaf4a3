"""The tests' switch for walls does what it says, and nothing but tests can reach it."""

import subprocess
from collections.abc import Set
from pathlib import Path

import pytest

from deepeyes_env.sandbox import CellStatus
from deepeyes_env.sandbox.local.guest.layers import DIRECTORY_LAYERS, LAYERS, Layer, Level
from deepeyes_env.sandbox.local.weakened import weakened

PROJECT = Path(__file__).resolve().parents[3]


def result_of(code: str, without: Set[Layer]) -> CellStatus:
    sandbox = weakened(without=without)
    try:
        return sandbox.open([]).run(code).status
    finally:
        sandbox.close()


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("import os\nos.listdir('/sys')", {Layer.OWN_ROOT, Layer.UNPRIVILEGED_USER}, {Layer.LANDLOCK_FILES}),
        (
            "import socket\nsocket.socket().bind(('127.0.0.1', 0))",
            {Layer.SECCOMP},
            {Layer.LANDLOCK_TCP, Layer.NETWORK_NAMESPACE},
        ),
        (
            "with open('large', 'wb') as file:\n    for _ in range(65): file.write(bytes(1 << 20))",
            {Layer.FILE_SIZE_LIMIT},
            {Layer.TMP_QUOTA},
        ),
    ],
    ids=["read", "network", "write"],
)
def test_either_wall_holds_alone_and_without_both_the_attack_succeeds(
    code: str, first: set[Layer], second: set[Layer]
) -> None:
    assert result_of(code, second) is CellStatus.EXCEPTION
    assert result_of(code, first) is CellStatus.EXCEPTION
    assert result_of(code, first | second) is CellStatus.OK


def test_layers_that_carry_others_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="user namespace"):
        weakened(without={Layer.USER_NAMESPACE})
    with pytest.raises(ValueError, match="own root"):
        weakened(level=Level.NO_NAMESPACES, without={Layer.OWN_ROOT})
    assert LAYERS[Level.NO_NAMESPACES] - DIRECTORY_LAYERS < LAYERS[Level.FULL]


def test_nothing_but_tests_can_leave_walls_out() -> None:
    found = subprocess.run(
        ["grep", "-rlE", "import weakened|local.weakened", "--include=*.py", "."],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert found
    assert all(name.startswith("./tests/") for name in found)
