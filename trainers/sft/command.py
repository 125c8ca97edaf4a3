"""`deepeyes sft`: cold start from stored trajectories and from the released SFT data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from agents.qwen import ModelError, Qwen, load_qwen
from agents.store import StoreError
from agents.trajectory import TrajectoryError
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError, make_folder, require
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.arguments import parse_options
from trainers.config import Precision, SftConfig, check_precision
from trainers.distributed.layouts.base import NotFinite
from trainers.distributed.ranks import PeerFailed, Ranks, first_launched
from trainers.preflight.dry_run import NotReady, dry_run_sft
from trainers.runs.checkpoint import CheckpointError, latest_checkpoint
from trainers.runs.hub import HubError, push, require_token
from trainers.runs.interrupt import Interrupted
from trainers.runs.lasting import leave_model
from trainers.runs.run import require_run_dir
from trainers.sft.conversion import Limits
from trainers.sft.demonstrations import Demonstrations, open_demonstrations
from trainers.sft.train import train_sft


@dataclass(frozen=True, slots=True)
class SftOptions:
    """Fine-tune a Qwen2.5-VL on demonstrations: stored trajectories, or the released DeepEyesV2 SFT data.

    Attributes:
        model: A Qwen2.5-VL checkpoint: directory or hub id.
        run_dir: Where checkpoints and metrics go; at the end the trained model is `RUN_DIR/model`.
        data: Directories of trajectories (`deepeyes rollout`, `deepeyes curate`), JSON files of the released
            SFT data, or directories of those; several are joined in this order.
        image_root: Folder that the JSON files' image paths are relative to; default: each file's own.
        max_tokens: Longer demonstrations are cut at the end of a turn (reference 4.2: 20480).
        max_pixels: Larger images of JSON files are shrunk to this area (reference 4.2: 262144).
        cache: Where JSON files are kept once they are tokenised; default: `RUN_DIR/data`.
        resume: Go on from the newest checkpoint in `run_dir`.
        only_right: Leave out stored trajectories whose answer is wrong.
        dtype: Precision of the weights in memory; `bfloat16` is for weights that stay as they are (LoRA).
        push_to_hub: Repository of the Hugging Face hub that gets the trained model at the end.
        dry_run: Check data and model, print the plan of memory and time, and train nothing.
        gpus: GPUs that the plan is made for.
        train: The trainer's settings.
    """

    model: str
    run_dir: Path
    data: tuple[Path, ...] = ()
    image_root: Path | None = None
    max_tokens: int = Limits().max_tokens
    max_pixels: int = Limits().max_pixels
    cache: Path | None = None
    resume: bool = False
    only_right: bool = True
    dtype: Precision = "float32"
    push_to_hub: str | None = None
    dry_run: bool = False
    gpus: int = 1
    train: SftConfig = field(default_factory=SftConfig)

    @property
    def limits(self) -> Limits:
        """How large a demonstration may be."""
        return Limits(self.max_tokens, self.max_pixels)


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: Something cannot be used, or training was interrupted; the message says what to do.
    """
    try:
        run(parse_options(SftOptions, argv, "sft"))
    except (
        ConfigError,
        ModelError,
        StoreError,
        DatasetError,
        TrajectoryError,
        CheckpointError,
        HubError,
        NotFinite,
        NotReady,
        Interrupted,
        PeerFailed,
    ) as error:
        raise SystemExit(f"deepeyes sft: {error}") from error


def run(options: SftOptions) -> None:
    """Train as `options` say.

    Raises:
        ConfigError: No demonstration is left to train on, or they were made with another tokenizer.
    """
    require(len(options.data) >= 1, "data", options.data, "at least one directory or JSON file")
    require(options.gpus >= 1, "gpus", options.gpus, "at least 1")
    check_precision(options.dtype, options.train)
    own = (options.run_dir / "model").resolve()
    another = "another directory: the trained model would take the place of --model"
    require(Path(options.model).resolve() != own, "run_dir", str(options.run_dir), another)
    resume = latest_checkpoint(options.run_dir) if options.resume else None
    require_run_dir(options.run_dir, resume)
    if options.dry_run:
        dry_run_sft(options)
        return
    if options.push_to_hub is not None:
        require_token()
    make_folder("run_dir", options.run_dir)
    qwen = load_qwen(options.model, dtype=getattr(torch, options.dtype))
    data = load(options, qwen)
    if first_launched():
        print(data.report())
    train_sft(options.train, qwen.model, qwen.tokenizer, data, run_dir=options.run_dir, resume=resume)
    if not Ranks().first:
        return
    print(f"trained model: {leave_model(options.run_dir)}")
    if options.push_to_hub is not None:
        trained = latest_checkpoint(options.run_dir)
        print(f"pushed: {push(trained, options.push_to_hub, options.model)}")


def load(options: SftOptions, qwen: Qwen) -> Demonstrations:
    """Open the demonstrations.

    Raises:
        ConfigError: None is left, or they were made with another tokenizer.
    """
    for path in options.data:
        _check_tokenizer(path, qwen)
    data = open_demonstrations(
        options.data,
        Vocabulary(qwen.tokenizer),
        cache=options.cache or options.run_dir / "data",
        limits=options.limits,
        image_root=options.image_root,
        only_right=options.only_right,
    )
    if not data:
        raise ConfigError(f"data: nothing is left to train on\n{data.report()}")
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
