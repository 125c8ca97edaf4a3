"""What the tests of `deepeyes export` and `deepeyes import` share."""

import tempfile
from functools import cache
from pathlib import Path

from talk import tiny

from agents.convert import export_command, import_command
from agents.store import read_trajectories
from agents.trajectory import Trajectory, check_trajectory

CHATS = {
    "sft": "sft.json",
    "openai": "messages.jsonl",
    "openai-files": "messages.jsonl",
    "llama-factory": "dataset_info.json",
    "trl": "train-00000.parquet",
}
"""Formats that hold conversations, and the file that is imported."""

CODE = (
    "<think>The locker is small.</think>\n<code>\n```python\nimage_1.crop((8, 4, 9, 6)).show()\n```\n</code>"
)
SEEN = "Code execution result:\nstdout:\n```\n\n```\n\nstderr:\n```\n\n```\n\nImages:\n<image>"
ANSWER = "<think>The plate reads 47.</think>\n<answer>47</answer>"


@cache
def _folder() -> tempfile.TemporaryDirectory:
    """Holds the tokenizer until the process ends."""
    folder = tempfile.TemporaryDirectory()
    tiny().tokenizer.save_pretrained(folder.name)
    return folder


def tokenizer() -> str:
    return _folder().name


def export(run: Path, out: Path, name: str, *options: str) -> Path:
    export_command.main([str(run), str(out), "--format", name, *options])
    return out


def take_in(file: Path, run: Path, name: str, *options: str) -> list[Trajectory]:
    import_command.main([str(file), str(run), "--format", name.removesuffix("-files"), *options])
    return list(read_trajectories(run))


def imported(file: Path, name: str, *options: str) -> list[Trajectory]:
    trajectories = take_in(file, file.parent / "imported", name, "--tokenizer", tokenizer(), *options)
    for trajectory in trajectories:
        check_trajectory(trajectory)
    return trajectories


def chat(*texts: str) -> list[dict]:
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
