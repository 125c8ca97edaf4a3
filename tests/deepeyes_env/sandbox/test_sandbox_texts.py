"""What backends say alike is written once."""

from pathlib import Path

import pytest

from deepeyes_env.sandbox import base
from deepeyes_env.sandbox.base import CRASHED_TEXT, REOPENED_TEXT, TIMEOUT_TEXT, CellResult, CellStatus

FILES = sorted(Path(base.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("text", [TIMEOUT_TEXT, CRASHED_TEXT, REOPENED_TEXT.rstrip()])
def test_a_text_of_several_backends_has_one_home(text: str) -> None:
    assert [file.name for file in FILES if text in file.read_text(encoding="utf-8")] == ["base.py"]


def test_the_first_cell_after_a_violent_end_says_so_and_nothing_else_changes() -> None:
    result = CellResult(CellStatus.EXCEPTION, "out", "err", (), truncated=True)
    told = CellResult(CellStatus.EXCEPTION, "out", REOPENED_TEXT + "err", (), truncated=True)
    assert result.after_reopening == told
