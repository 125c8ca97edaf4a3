"""`deepeyes eval` asks the same tasks with tools on and off."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from agents.qwen import save_qwen
from agents.tiny import build_tiny
from benchmarks.evaluate import EvalOptions, evaluate, main, table
from trainers.evaluation import accuracy, by_family


def test_the_oracle_is_always_right_with_tools_and_only_right_without_where_none_is_needed():
    evaluation = evaluate(EvalOptions(policy="oracle", n=20, num_envs=4))
    assert accuracy(evaluation.tools_on).value == 1.0
    assert [one.task_id for one in evaluation.tools_on] == [one.task_id for one in evaluation.tools_off]
    off = {name: accuracy(some).value for name, some in by_family(evaluation.tools_off).items()}
    assert len(off) == 10
    assert off.pop("at-a-glance") == 1.0
    assert set(off.values()) == {0.0}
    shown = io.StringIO()
    Console(file=shown, width=80).print(table(evaluation))
    assert re.search(r"at-a-glance +2 +100.0% \[34, 100\] +100.0% \[34, 100\] +0 +0 +1 ", shown.getvalue())
    assert re.search(r"all +20 +100.0% \[84, 100\] +10.0% \[3, 30\] +18 +0 ", shown.getvalue())


def test_an_untrained_policy_is_never_right(tmp_path: Path):
    save_qwen(build_tiny(0), tmp_path)
    evaluation = evaluate(EvalOptions(policy=str(tmp_path), n=4, num_envs=4, max_turn_tokens=8))
    assert accuracy(evaluation.tools_on).value == accuracy(evaluation.tools_off).value == 0.0


def test_what_is_no_model_is_named(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"deepeyes eval: .*nothing-here"):
        main(["--policy", str(tmp_path / "nothing-here")])
