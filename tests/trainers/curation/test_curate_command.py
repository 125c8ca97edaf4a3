"""`deepeyes curate` from its arguments to its files."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from curation_plans import TINIEST
from PIL import Image

from agents.convert.export_command import main as export_main
from agents.qwen import save_qwen
from agents.rollout_command import main as rollout_main
from agents.store import read_trajectories
from agents.tiny import build_tiny, build_tokenizer
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from trainers.arguments import parse_options
from trainers.curation.command import CurateOptions, main, run
from trainers.curation.placement import Place
from trainers.sft import command as sft_command

# The chat server of the agents' tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "agents"))
from chat_server import ChatServer, says

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


def test_a_chat_api_demonstrates_ones_own_tasks_in_the_words_of_the_model(tmp_path: Path) -> None:
    """What the API says is encoded with the base policy's tokenizer, so that SFT can train on it."""
    other = build_tiny(seed=0, shape=TINIEST, corpus=["another corpus than the default tokenizer's"])
    model = save_qwen(other, tmp_path / "model")
    Image.new("RGB", (56, 56), "red").save(tmp_path / "red.png")
    rows = [{"question": f"Which colour, {n}?", "image": "red.png", "answer": "red"} for n in range(2)]
    rows.append({"question": "And where is the picture?", "answer": "nowhere"})
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "env.toml").write_text(SMALL)
    flags = f"--policy {model} --env {tmp_path / 'env.toml'} --tasks {tmp_path / 'mine.jsonl'} --n 99"
    recipe = "--recipe.difficulty.samples 1 --recipe.difficulty.most-right 0 --recipe.benefit.samples 1"
    few = f"{recipe} --recipe.synthesis.attempts 1 --max-turn-tokens 200 --out {tmp_path / 'out'}"
    with ChatServer(says("<think>It is red.</think><answer>red</answer>")) as server:
        chat = f"--teacher.policy m --teacher.backend api --teacher.urls {server.url}"
        done = run(parse_options(CurateOptions, f"{flags} {few} {chat}".split(), "curate"))
    assert [one.place for one in done.places] == [Place.COLD_START] * 2
    assert "there is no image" in done.unusable[0]
    sft_command.main(
        ["--model", str(model), "--data", str(tmp_path / "out" / "sft"), "--run-dir", str(tmp_path / "run")]
    )


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
