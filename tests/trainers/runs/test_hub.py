"""Pushing to the hub, up to the network: cards are true, and without network or token the error says so."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, close_session, constants

from agents.qwen import Qwen, save_qwen
from agents.store import TrajectoryWriter
from deepeyes_env.errors import ConfigError
from trainers.config import SftConfig
from trainers.runs.checkpoint import latest_checkpoint
from trainers.runs.hub import HubError, model_card, push, require_token
from trainers.sft import command as sft_command
from trainers.sft.train import train_sft

SFT = SftConfig(epochs=1, batch_size=2, learning_rate=1.5e-3, lora_rank=2, progress=False)


@pytest.fixture
def checkpoint(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> Path:
    train_sft(SFT, tiny.model, tiny.tokenizer, [make_trajectory(0), make_trajectory(1)], run_dir=tmp_path)
    return latest_checkpoint(tmp_path)


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))


def test_the_card_says_what_was_trained_with(checkpoint: Path) -> None:
    card = ModelCard(model_card(checkpoint, "Qwen/Qwen2.5-VL-3B-Instruct"))
    assert card.data.base_model == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert card.data.pipeline_tag == "image-text-to-text"
    assert {"sft", "deepeyes"} <= set(card.data.tags)
    for part in (
        "trained for 1 steps",
        '"learning_rate": 0.0015',
        '"lora_rank": 2',
        "| loss |",
        "transformers",
    ):
        assert part in card.text, part
    assert ModelCard(model_card(checkpoint, str(checkpoint))).data.base_model is None  # a folder is no hub id


def test_without_network_the_model_stays_and_the_error_says_how_to_go_on(checkpoint: Path) -> None:
    with pytest.raises(HubError, match=r"could not be pushed to 'me/mine'(.|\n)*hf upload me/mine"):
        push(checkpoint, "me/mine", "base")
    assert (checkpoint / "model" / "model.safetensors").is_file()


def test_a_hub_that_does_not_answer_is_told_as_such(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Online, where the library's HTTP client raises errors of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", closed)
    close_session()  # it knows the environment of its beginning
    with pytest.raises(HubError, match=r"could not be pushed(.|\n)*hf upload me/mine") as caught:
        push(checkpoint, "me/mine", "base")
    assert type(caught.value.__cause__).__name__ == "ConnectError"
    close_session()


def test_a_name_that_is_none(checkpoint: Path) -> None:
    with pytest.raises(HubError, match="could not be pushed"):
        push(checkpoint, "not a/name at/all", "base")


def test_without_a_token_nothing_is_trained(
    tiny: Qwen, make_trajectory: Any, tmp_path: Path, no_token: None
) -> None:
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        require_token()
    model = save_qwen(tiny, tmp_path / "model")
    with TrajectoryWriter(tmp_path / "data") as writer:
        writer.append(make_trajectory(0))
    flags = ["--model", str(model), "--data", str(tmp_path / "data"), "--run-dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit, match="hf auth login"):
        sft_command.main([*flags, "--push-to-hub", "me/mine"])
    assert not (tmp_path / "run").exists()
