"""Trains in processes that are killed at a chosen moment.

A fork server, because importing torch takes seconds: reads one run per line from standard input, as JSON, and
answers with its exit code and what happened in it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from guess_source import GuessSource
from torch.optim.optimizer import register_optimizer_step_pre_hook

from agents.qwen import load_qwen
from deepeyes_env.async_env import DeepEyesAsyncEnv
from trainers.config import DapoConfig
from trainers.dapo.train import train_dapo
from trainers.runs.checkpoint import checkpoints, latest_checkpoint

CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "shutil.rmtree"}
"""Audit events before a file is opened, or anything is made, moved or removed."""


class Moments:
    """Counts what happens in a run, by kind, and ends the process with SIGKILL at a chosen moment.

    Kinds: `sample` and `train` are forward passes, `update` an optimiser's step. The others are the moments
    before a file below the run's directory is opened, made, moved or removed; `... emptied`, when it has been
    opened for writing and holds nothing yet; `... removal`, before each file of a directory that goes.
    """

    def __init__(self, run_dir: str, kill: list[Any] | None) -> None:
        self.counts: Counter[str] = Counter()
        self._run_dir = run_dir
        self._kill = kill
        self._removed = "other"
        self._lock = threading.RLock()

    def happens(self, kind: str, just_before: Callable[[], object] = lambda: None) -> None:
        with self._lock:
            self.counts[kind] += 1
            if [kind, self.counts[kind]] == self._kill:
                just_before()
                os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or not isinstance(arguments[0], (str, os.PathLike)):
            return
        path = os.fspath(arguments[0])
        if path.startswith(self._run_dir):
            inside = path.removeprefix(self._run_dir)
            kind = next((kind for kind in ("metrics", "best") if kind in inside), "checkpoint")
            self._removed = kind if event == "shutil.rmtree" else self._removed
            self.happens(kind)
            if event == "open" and arguments[2] & os.O_TRUNC:
                self.happens(f"{kind} emptied", lambda: os.path.exists(path) and os.truncate(path, 0))
        elif event in ("os.remove", "os.rmdir") and arguments[-1] != -1:
            # By `shutil.rmtree`, which names files relative to their directory.
            self.happens(f"{self._removed} removal")


def train(settings: dict[str, Any]) -> Counter[str]:
    torch.set_num_threads(1)
    run_dir = Path(settings["run_dir"])
    run_dir.mkdir(exist_ok=True)
    moments = Moments(f"{run_dir}/", settings["kill"])
    sys.addaudithook(moments.audit)
    qwen = load_qwen(settings["model"])
    register_optimizer_step_pre_hook(lambda *_: moments.happens("update"))
    qwen.model.model.language_model.register_forward_pre_hook(
        lambda *_: moments.happens("train" if torch.is_grad_enabled() else "sample")
    )
    config = DapoConfig(
        steps=settings["steps"],
        staleness=settings["staleness"],
        prompts_per_step=2,
        group_size=2,
        minibatches=1,
        micro_batch_size=2,
        max_rounds=2,
        max_turn_tokens=24,
        learning_rate=1e-3,
        save_every=1,
        eval_every=1,
        keep=2,
        progress=False,
    )
    env = DeepEyesAsyncEnv(num_envs=4, tasks=GuessSource(), prompt="minimal")
    train_dapo(
        config,
        qwen.model,
        qwen.tokenizer,
        env,
        run_dir=run_dir,
        resume=latest_checkpoint(run_dir) if checkpoints(run_dir) else None,
        evaluate=lambda step: {"accuracy": step / 100},  # so that every step is the best one
    )
    env.close()
    return moments.counts


def attempt(settings: dict[str, Any]) -> dict[str, Any]:
    """One run in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(train(settings)).encode())
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        counts = answer.read()
    _, status = os.waitpid(pid, 0)
    return {"exit": os.waitstatus_to_exitcode(status), "counts": json.loads(counts or "{}")}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(attempt(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
