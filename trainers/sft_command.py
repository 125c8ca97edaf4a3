"""`deepeyes sft`: cold start from stored trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.qwen import ModelError, Qwen, load_qwen
from agents.store import StoreError, read_trajectories
from agents.trajectory import Trajectory
from deepeyes_env.errors import ConfigError
from trainers.arguments import parse_options
from trainers.checkpoint import CheckpointError, latest_checkpoint
from trainers.config import SftConfig
from trainers.interrupt import Interrupted
from trainers.sft import train_sft


@dataclass(frozen=True, slots=True)
class SftOptions:
    """Fine-tune a Qwen2.5-VL on stored trajectories; those that `deepeyes rollout` writes, for example.

    Attributes:
        model: A Qwen2.5-VL checkpoint: directory or hub id.
        data: Directory of trajectories.
        run_dir: Where checkpoints and metrics go; the trained model is in its last checkpoint's `model`.
        resume: Go on from the newest checkpoint in `run_dir`.
        only_right: Leave out trajectories whose answer is wrong.
        train: The trainer's settings.
    """

    model: str
    data: Path
    run_dir: Path
    resume: bool = False
    only_right: bool = True
    train: SftConfig = field(default_factory=SftConfig)


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: Something cannot be used, or training was interrupted; the message says what to do.
    """
    try:
        run(parse_options(SftOptions, argv, "sft"))
    except (ConfigError, ModelError, StoreError, CheckpointError, Interrupted) as error:
        raise SystemExit(f"deepeyes sft: {error}") from error


def run(options: SftOptions) -> None:
    """Train as `options` say.

    Raises:
        ConfigError: No trajectory is left to train on, or they were made with another tokenizer.
    """
    resume = latest_checkpoint(options.run_dir) if options.resume else None
    qwen = load_qwen(options.model)
    data = _load(options, qwen)
    train_sft(options.train, qwen.model, qwen.tokenizer, data, run_dir=options.run_dir, resume=resume)
    print(f"trained model: {latest_checkpoint(options.run_dir) / 'model'}")


def _load(options: SftOptions, qwen: Qwen) -> list[Trajectory]:
    _check_tokenizer(options.data, qwen)
    stored = list(read_trajectories(options.data))
    data = [one for one in stored if one.reward.accuracy > 0 or not options.only_right]
    if not data:
        raise ConfigError(f"data = {str(options.data)!r}: none of its {len(stored)} trajectories can be used")
    return data


def _check_tokenizer(data: Path, qwen: Qwen) -> None:
    """Token ids mean nothing under another tokenizer; a run carries the one that it was made with."""
    from transformers import AutoTokenizer

    stored = data / "tokenizer"
    if stored.is_dir() and AutoTokenizer.from_pretrained(stored).get_vocab() != qwen.tokenizer.get_vocab():
        raise ConfigError(
            f"data = {str(data)!r}: its tokens are of another tokenizer than the model's; make the "
            "trajectories with this model's tokenizer"
        )
