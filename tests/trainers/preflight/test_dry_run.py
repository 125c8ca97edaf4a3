"""`--dry-run` on real parts: what is whole passes, what is broken is named with its mend."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agents.qwen import Qwen, save_qwen
from agents.store import TrajectoryWriter
from deepeyes_env.errors import ConfigError
from trainers.arguments import parse_options
from trainers.dapo import command as dapo_command
from trainers.preflight import dry_run
from trainers.preflight.checks import Check, examine, model_check, stored_parameters
from trainers.sft import command as sft_command


@pytest.fixture
def model(tiny: Qwen, tmp_path: Path) -> Path:
    return save_qwen(tiny, tmp_path / "model")


def test_all_checks_of_dapo_pass_and_the_plan_is_printed(model: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ["--model", str(model), "--run-dir", str(tmp_path / "run"), "--dry-run", "--gpus", "8"]
    dapo_command.main([*flags, "--env.prompt", "minimal", "--env.tools", "code", "search"])
    printed = capsys.readouterr().out
    for part in ("model", "tasks", "validation tasks", "sandbox", "search"):
        assert re.search(rf"^ *{part} +ok ", printed, re.MULTILINE), part
    assert "spread over 8" in printed
    assert "activations, checkpointed" in printed
    assert "4,096 tokens each" in printed
    assert "32,768 tokens each" in printed
    assert "131,072 tokens at once" in printed, "a conversation and its last turn, four in a pass"
    assert "all 5 checks passed" in printed
    assert not (tmp_path / "run").exists()


def test_what_runs_beside_the_updates_is_planned_too(model: Path, tmp_path: Path, capsys: Any) -> None:
    flags = [
        "--model",
        str(model),
        "--run-dir",
        str(tmp_path / "run"),
        "--dry-run",
        "--env.prompt",
        "minimal",
    ]
    dapo_command.main(flags)
    plain = capsys.readouterr().out
    dapo_command.main([*flags, "--train.staleness", "1", "--train.mismatch", "token_truncate"])
    printed = capsys.readouterr().out
    for row in ("weights of the policy that samples", "scoring what was sampled"):
        assert row not in plain
        assert row in printed


@pytest.mark.parametrize(
    ("gpus", "installed", "message"),
    [
        ("8", True, "no engine fits beside each of 8 training processes"),
        ("1", False, r"pip install 'deepeyes-gym\[vllm\]'"),
    ],
)
def test_an_engine_needs_room_and_vllm(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpus: str,
    installed: bool,
    message: str,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    flags = ["--model", str(model), "--run-dir", str(tmp_path / "run"), "--backend", "vllm", "--gpus", gpus]
    options = parse_options(dapo_command.DapoOptions, flags, "dapo")
    [finding] = examine([dry_run._vllm_check(options)])
    assert not finding.ok
    assert re.search(message, finding.text)
    options = replace(options, gpus=1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert examine([dry_run._vllm_check(options)])[0].ok


def test_servers_are_not_asked_where_they_are_not_used(model: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ["--model", str(model), "--run-dir", str(tmp_path / "run"), "--dry-run", "--env.tools", "search"]
    dapo_command.main([*flags, "--env.prompt", "minimal", "--urls", "http://127.0.0.1:9"])
    assert "http://127.0.0.1:9: not asked, because backend = 'transformers'" in capsys.readouterr().out


def test_every_failing_check_is_named(model: Path, tmp_path: Path, capsys: Any) -> None:
    """A weight file that broke off, no validation split, a judge and a server that nobody has started."""
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    tasks = tmp_path / "tasks.jsonl"
    Image.new("RGB", (56, 56)).save(tmp_path / "black.png")
    tasks.write_text(json.dumps({"question": "What colour?", "answer": "black", "image": "black.png"}) + "\n")
    config = tmp_path / "run.toml"
    config.write_text(
        f'model = "{model}"\nrun_dir = "{tmp_path / "run"}"\nbackend = "vllm"\nurls = ["http://127.0.0.1:9"]\n'
        f'[env]\nprompt = "minimal"\n[env.source]\nkind = "jsonl"\ntrain = "{tasks}"\n'
        '[env.judge]\nbase_url = "http://127.0.0.1:9/v1"\nattempts = 1\n'
    )
    with pytest.raises(SystemExit) as failed:
        dapo_command.main(["--config", str(config), "--dry-run"])
    message = str(failed.value)
    assert "5 of 7 checks failed" in message
    for name, mend in {
        "model": "copy it again",
        "validation tasks": r"in \[env.source\], or set eval_tasks = 0",
        "search": "no engine of its own",
        "judge": "gave no verdict",
        "vLLM servers": "is the server running",
    }.items():
        assert re.search(rf"^  {name}: .*{mend}", message, re.MULTILINE), name
    assert re.search(r"sandbox +ok", capsys.readouterr().out)


def test_sft_checks_model_and_demonstrations(
    model: Path, make_trajectory: Any, tmp_path: Path, capsys: Any
) -> None:
    with TrajectoryWriter(tmp_path / "data") as writer:
        writer.append(make_trajectory(0))
    flags = ["--model", str(model), "--run-dir", str(tmp_path / "run"), "--data", str(tmp_path / "data")]
    sft_command.main([*flags, "--dry-run", "--train.packing", "20480", "--train.gradient-checkpointing"])
    printed = capsys.readouterr().out
    assert "1 trajectories" in printed
    assert "20,480 tokens at once" in printed
    assert "activations, all kept" in printed
    (model / "tokenizer.json").unlink()
    with pytest.raises(SystemExit, match="model: "):
        sft_command.main([*flags, "--dry-run"])
    assert not (tmp_path / "run").exists()


def test_weights_are_counted_from_their_headers(tiny: Qwen, model: Path) -> None:
    assert stored_parameters(model) == sum(p.numel() for p in tiny.model.parameters())
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["intermediate_size"] *= 2
    (model / "config.json").write_text(json.dumps(config))
    [finding] = examine([model_check(str(model))])
    assert not finding.ok
    assert "copy both from the same checkpoint" in finding.text


def test_shards_that_the_index_names_must_be_there(tiny: Qwen, tmp_path: Path) -> None:
    tiny.model.save_pretrained(tmp_path, max_shard_size="100KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert stored_parameters(tmp_path) == sum(p.numel() for p in tiny.model.parameters())
    shards[0].unlink()
    with pytest.raises(ConfigError, match=f"lacks {shards[0].name}"):
        stored_parameters(tmp_path)
    for shard in shards[1:]:
        shard.unlink()
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(ConfigError, match="holds no weights"):
        stored_parameters(tmp_path)


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 64, b"\x08" + b"\0" * 7 + b"not JSON"])
def test_a_file_that_is_no_safetensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match="no safetensors file"):
        stored_parameters(tmp_path)


def test_a_model_of_the_hub_that_is_not_here() -> None:
    [finding] = examine([model_check("Qwen/Qwen2.5-VL-7B-Instruct")])
    assert not finding.ok
    assert "Qwen/Qwen2.5-VL-7B-Instruct" in finding.text


def test_one_failure_does_not_hide_the_next() -> None:
    def fail() -> str:
        raise OSError("the disk is full")

    findings = examine([Check("first", fail), Check("second", lambda: "fine")])
    assert [(one.name, one.ok, one.text) for one in findings] == [
        ("first", False, "the disk is full"),
        ("second", True, "fine"),
    ]
