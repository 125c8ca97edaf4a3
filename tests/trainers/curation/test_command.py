"""`deepeyes curate` from its arguments to its files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from curation_plans import TINIEST

from agents.convert.export_command import main as export_main
from agents.qwen import save_qwen
from agents.rollout_command import main as rollout_main
from agents.store import read_trajectories
from agents.tiny import build_tiny
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from trainers.arguments import parse_options
from trainers.curation.command import CurateOptions, main

SMALL = """
prompt = "minimal"
max_pixels = 12544
"""

FEW = """
env = "{here}/env.toml"
tasks = ["closer-look", "at-a-glance"]
n = 4
max_turn_tokens = 4
[recipe.difficulty]
samples = 2
most_right = 0
prompt = "minimal"
[recipe.benefit]
samples = 2
[recipe.synthesis]
attempts = 1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "env.toml").write_text(SMALL)
    (tmp_path / "curate.toml").write_text(FEW.format(here=tmp_path))
    return tmp_path / "curate.toml"


def test_a_checkpoint_that_can_do_nothing_gets_everything_demonstrated(
    tmp_path: Path, config: Path, capsys: Any
) -> None:
    model, out = save_qwen(build_tiny(seed=0, shape=TINIEST), tmp_path / "model"), tmp_path / "out"
    thoughts = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "!"}]}
        for n in range(9)
    ]
    (tmp_path / "cot.json").write_text(json.dumps(thoughts))
    flags = ["--config", str(config), "--policy", str(model), "--out", str(out)]
    main([*flags, "--recipe.thought.files", str(tmp_path / "cot.json"), "--recipe.thought.share", "0.5"])
    told = capsys.readouterr().out
    assert re.search(r"4 +│ +cold start", told)
    sft = list(read_trajectories(out / "sft"))
    assert sorted(one.family for one in sft) == sorted(
        ["closer-look", "at-a-glance"] * 2 + ["long-thought"] * 4
    )
    export_main([str(out / "sft"), str(tmp_path / "json"), "--format", "sft"])
    assert len(json.loads((tmp_path / "json" / "sft.json").read_text())) == 8
    page = (out / "report.html").read_text()
    for text in ("What each filter left", "at most 0 of 2 right without tools", "50.0 %", "cold start"):
        assert text in page


def test_the_oracle_needs_its_tools_for_half_of_the_tasks(tmp_path: Path, config: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    main(["--config", str(config), "--policy", "oracle", "--out", str(out), "--parquet"])
    told = capsys.readouterr().out
    assert re.search(r"2 +│ +too easy", told)
    assert re.search(r"2 +│ +RL set", told)
    chosen = open_source(DeepEyesV2Config(train=(str(out / "rl" / "train-00000.parquet"),)))
    assert chosen.size("train") == 2
    where = f"--policy oracle --env {tmp_path / 'env.toml'} --split train --n 2 --out {tmp_path / 'run'}"
    rollout_main([*where.split(), "--tasks", str(out / "rl" / "tasks.json")])
    assert [one.family for one in read_trajectories(tmp_path / "run")] == ["closer-look"] * 2
    assert list(read_trajectories(out / "sft")) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--recipe.difficulty.samples", "0"], "samples"),
        (["--teacher.urls", "http://localhost:1/v1"], "teacher.urls"),
        (["--recipe.decontaminate.against", "mine=/nowhere"], "no file or folder"),
        (["--recipe.thought.files", "cot.csv"], "thought.files"),
        (["--tokenizer", "/nowhere"], "tokenizer '/nowhere'"),
        (["--tasks", "closer-luck"], "closer-look"),
        (["--n", "0"], "n = 0"),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, config: Path, capsys: Any, flags: list[str], message: str
) -> None:
    with pytest.raises((SystemExit, ConfigError)) as refused:
        main(["--config", str(config), "--policy", "oracle", "--out", str(tmp_path / "out"), *flags])
    assert message in str(refused.value) + capsys.readouterr().err


def test_a_model_with_another_tokenizer_than_the_teachers_is_refused(tmp_path: Path, config: Path) -> None:
    from agents.tiny import build_tokenizer

    build_tokenizer(["another corpus"]).save_pretrained(tmp_path / "other")
    model = save_qwen(build_tiny(seed=0, shape=TINIEST), tmp_path / "model")
    flags = ["--config", str(config), "--policy", str(model), "--tokenizer", str(tmp_path / "other")]
    with pytest.raises(SystemExit, match="tokenizer is not that of the model to be trained"):
        main([*flags, "--out", str(tmp_path / "out")])


def test_the_teacher_takes_what_is_not_its_own_from_the_base(config: Path, tmp_path: Path) -> None:
    flags = ["--config", str(config), "--policy", "m", "--out", str(tmp_path), "--teacher.policy", "gpt"]
    options = parse_options(
        CurateOptions, [*flags, "--teacher.backend", "api", "--teacher.urls", "http://h/v1"], "curate"
    )
    assert (options.policy, options.backend, options.split) == ("m", "transformers", "train")
    teaching = options.teaching
    assert (teaching.policy, teaching.backend, teaching.urls) == ("gpt", "api", ("http://h/v1",))
    assert teaching.max_turn_tokens == 4
