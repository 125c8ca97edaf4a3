"""`deepeyes serve vllm`: the command line that it becomes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agents.transcript import MAX_TOKENS
from agents.vllm.serve_command import ServeVllmArgs, main, server_command
from deepeyes_env.errors import ConfigError


def flag(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_the_server_is_started_with_what_training_needs(monkeypatch):
    monkeypatch.delenv("DEEPEYES_VLLM_PYTHON", raising=False)
    command = server_command(ServeVllmArgs("runs/mine", max_pixels=784 * 100), ["--dtype=float32"])
    assert command[:5] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", "runs/mine"]
    assert flag(command, "--host") == "127.0.0.1"
    assert flag(command, "--logprobs-mode") == "processed_logprobs"
    assert flag(command, "--generation-config") == "vllm"
    assert json.loads(flag(command, "--mm-processor-kwargs")) == {"min_pixels": 784, "max_pixels": 78400}
    assert json.loads(flag(command, "--limit-mm-per-prompt")) == {"image": 50, "video": 0}
    assert int(flag(command, "--max-model-len")) == MAX_TOKENS + 8192
    assert {"--enable-scale-out", "--enable-prefix-caching", "--dtype=float32"} <= set(command)


def test_an_open_address_needs_a_key(monkeypatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"host = '0\.0\.0\.0'.*VLLM_API_KEY"):
        server_command(ServeVllmArgs("x", host="0.0.0.0"), [])
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    command = server_command(ServeVllmArgs("x", host="0.0.0.0"), [])
    assert "secret" not in command
    assert server_command(ServeVllmArgs("x", host="localhost"), [])


def test_a_missing_interpreter_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPEYES_VLLM_PYTHON", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match="no such interpreter"):
        main(["runs/mine"])


def test_it_becomes_the_server_and_hands_other_flags_on(tmp_path):
    """With an interpreter that only tells how it was called."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "mode=$VLLM_SERVER_DEV_MODE" "$@"\n')
    fake.chmod(0o755)
    program = "from agents.vllm.serve_command import main; main(['runs/mine', '--max-num-seqs', '16'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"DEEPEYES_VLLM_PYTHON": str(fake), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    told, called = done.stdout.splitlines()
    assert called.startswith("mode=1 -m vllm.entrypoints.openai.api_server --model runs/mine")
    assert called.endswith("--max-num-seqs 16")
    assert told.startswith("VLLM_SERVER_DEV_MODE=1 ")
