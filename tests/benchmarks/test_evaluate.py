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

FAMILIES = ["closer-look", "at-a-glance", "bar-chart", "emblem-fact", "market-stalls"]


def test_the_oracle_is_always_right_with_tools_and_only_right_without_where_none_is_needed(tmp_path: Path):
    env = tmp_path / "env.toml"
    env.write_text(f"[source]\nfamilies = {FAMILIES}\n", encoding="utf-8")
    evaluation = evaluate(EvalOptions(policy="oracle", env=env, n=10, num_envs=4))
    assert accuracy(evaluation.tools_on).value == 1.0
    assert [one.task_id for one in evaluation.tools_on] == [one.task_id for one in evaluation.tools_off]
    off = {name: accuracy(some).value for name, some in by_family(evaluation.tools_off).items()}
    assert off == {name: float(name == "at-a-glance") for name in FAMILIES}
    shown = io.StringIO()
    Console(file=shown, width=80).print(table(evaluation))
    assert re.search(r"at-a-glance +2 +100.0% \[34, 100\] +100.0% \[34, 100\] +0 +0 +1 ", shown.getvalue())
    assert re.search(r"all +10 +100.0% \[72, 100\] +20.0% \[6, 51\] +8 +0 ", shown.getvalue())


def test_an_untrained_policy_is_never_right(tmp_path: Path):
    save_qwen(build_tiny(0), tmp_path)
    evaluation = evaluate(EvalOptions(policy=str(tmp_path), n=4, num_envs=4, max_turn_tokens=8))
    assert accuracy(evaluation.tools_on).value == accuracy(evaluation.tools_off).value == 0.0


def test_what_is_no_model_is_named(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"deepeyes eval: .*nothing-here"):
        main(["--policy", str(tmp_path / "nothing-here")])
