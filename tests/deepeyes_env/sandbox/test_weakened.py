"""Nothing but tests can reach their switch for walls; that it does what it says the attacks show."""

import subprocess
from pathlib import Path

import pytest

from deepeyes_env.sandbox.local.guest.layers import DIRECTORY_LAYERS, LAYERS, Layer, Level
from deepeyes_env.sandbox.local.weakened import weakened

PROJECT = Path(__file__).resolve().parents[3]


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
