"""`deepeyes bench mismatch`: how far an engine's log-probabilities are from the trainer's, on a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from agents.mismatch import CLIP, LogprobGap, measure_gap
from agents.qwen import ModelError, load_qwen
from agents.store import StoreError, read_trajectories
from agents.vocabulary import Vocabulary

MEANINGS = {
    "tokens": "sampled tokens",
    "mean_abs": "mean |difference|, nats",
    "max_abs": "largest |difference|, nats",
    "kl": "KL (k3), nats per token",
    "clipped": f"share with a ratio outside {CLIP[0]} - {CLIP[1]}",
}


@dataclass(frozen=True, kw_only=True)
class MismatchOptions:
    """Score the trajectories of a rollout with the checkpoint that sampled them, and compare.

    Attributes:
        trajectories: Directory that `deepeyes rollout` wrote, with any engine.
        policy: The checkpoint that was sampled from.
        n: Trajectories that are looked at.
        dtype: Precision of the trainer.
        device: Where the model runs.
    """

    trajectories: Path
    policy: str
    n: int = 64
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: The model or the trajectories cannot be used; the message says why.
    """
    options = tyro.cli(MismatchOptions, args=list(argv), prog="deepeyes bench mismatch")
    try:
        qwen = load_qwen(options.policy, dtype=getattr(torch, options.dtype), device=options.device)
        trajectories = list(islice(read_trajectories(options.trajectories), options.n))
        gap = measure_gap(trajectories, qwen.model, Vocabulary(qwen.tokenizer))
    except (ModelError, StoreError, ValueError) as error:
        raise SystemExit(f"deepeyes bench mismatch: {error}") from error
    Console().print(table(gap))


def table(gap: LogprobGap) -> Table:
    """The figures, one a line."""
    lines = Table("trainer - sampler", "", box=box.SIMPLE)
    for name, value in asdict(gap).items():
        lines.add_row(MEANINGS[name], f"{value:,}" if name == "tokens" else f"{value:.3g}")
    return lines
