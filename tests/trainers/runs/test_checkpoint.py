from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoTokenizer

from agents.qwen import Qwen, load_qwen
from agents.trajectory import Trajectory
from trainers.config import SftConfig, fixed_settings
from trainers.dapo.sampling import Group
from trainers.distributed.engine import Engine, accelerator
from trainers.distributed.ranks import PeerFailed
from trainers.runs import checkpoint
from trainers.runs.checkpoint import CheckpointError, checkpoints, load_checkpoint, save_checkpoint
from trainers.runs.progress import Progress

CONFIG = SftConfig(progress=False)
SETTINGS = {"sft": fixed_settings(CONFIG)}


def engine(qwen: Qwen) -> Engine:
    optimizer = torch.optim.AdamW(qwen.model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    return Engine(accelerator(CONFIG, None), qwen.model, optimizer, schedule, max_grad_norm=1.0)


def step(one: Engine) -> None:
    loss = sum(parameter.square().sum() for parameter in one.model.parameters())
    one.backward(loss)
    one.update()


@contextmanager
def small_disk(limit: int) -> Iterator[None]:
    """No file can grow beyond `limit` bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()
    }


def test_plain_transformers_loads_the_model(tiny: Qwen, tmp_path: Path) -> None:
    saved = save_checkpoint(tmp_path, Progress(3), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    model = AutoModelForImageTextToText.from_pretrained(saved / "model")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), tiny.model.parameters(), strict=True))
    assert AutoTokenizer.from_pretrained(saved / "model").chat_template == tiny.tokenizer.chat_template
    assert load_qwen(saved / "model").tokenizer.get_vocab() == tiny.tokenizer.get_vocab()


def test_everything_comes_back(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    one = engine(tiny)
    step(one)
    groups = tuple(
        Group(draw, 2, tuple(make_trajectory(10 * draw + i, tool=bool(i)) for i in range(3)), 2)
        for draw in (4, 7)
    )
    torch.manual_seed(11)
    saved = save_checkpoint(tmp_path, Progress(3, 9, groups), one, tiny.tokenizer, SETTINGS, keep=1)
    expected = torch.rand(3)
    step(one)
    weights = {name: value.clone() for name, value in tiny.model.state_dict().items()}

    two = engine(tiny)
    torch.manual_seed(12)
    progress = load_checkpoint(saved, two, SETTINGS)
    assert torch.equal(torch.rand(3), expected)
    step(two)
    assert (progress.step, progress.drawn) == (3, 9)
    assert [(g.draw, g.step) for g in progress.carried] == [(4, 2), (7, 2)]
    for before, after in zip(groups, progress.carried, strict=True):
        for a, b in zip(before.members, after.members, strict=True):
            assert_same_trajectory(a, b)
    # The next step is the same too, so the optimiser's averages have come back.
    assert all(torch.equal(value, weights[name]) for name, value in tiny.model.state_dict().items())


def assert_same_trajectory(a: Trajectory, b: Trajectory) -> None:
    for name in ("input_ids", "loss_mask", "logprobs"):
        assert (getattr(a, name) == getattr(b, name)).all()
    assert (a.images, a.image_spans, a.turns, a.reward, a.outcome) == (
        b.images,
        b.image_spans,
        b.turns,
        b.reward,
        b.outcome,
    )


def test_the_last_ones_are_kept(tiny: Qwen, tmp_path: Path) -> None:
    one = engine(tiny)
    for number in (1, 2, 3):
        save_checkpoint(tmp_path, Progress(number), one, tiny.tokenizer, SETTINGS, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000002", "step-000003"]


def test_the_one_just_written_is_kept_whatever_its_number(tiny: Qwen, tmp_path: Path) -> None:
    """Beside those of another run, say, whose numbers are higher."""
    one = engine(tiny)
    for number in (8, 9, 3):
        saved = save_checkpoint(tmp_path, Progress(number), one, tiny.tokenizer, SETTINGS, keep=1)
        assert checkpoints(tmp_path) == [saved]


@pytest.mark.parametrize("limit", [100, 20_000, 200_000])
def test_a_full_disk_leaves_the_checkpoint_before(tiny: Qwen, tmp_path: Path, limit: int) -> None:
    one = engine(tiny)
    step(one)
    good = save_checkpoint(tmp_path, Progress(1), one, tiny.tokenizer, SETTINGS, keep=1)
    before = files(tmp_path)
    assert max(map(len, before.values())) > limit, "the limit must bite"
    for number in (1, 2):  # the same step again, and the next one
        with small_disk(limit), pytest.raises(CheckpointError, match=r"the last good one is .*step-000001"):
            save_checkpoint(tmp_path, Progress(number), one, tiny.tokenizer, SETTINGS, keep=1)
        assert files(tmp_path) == before
    assert load_checkpoint(good, one, SETTINGS).step == 1


@pytest.mark.parametrize(
    "error", [PeerFailed("process 1 failed"), torch.OutOfMemoryError("CUDA"), RuntimeError("?")]
)
def test_what_is_not_of_the_disk_is_not_blamed_on_it(
    tiny: Qwen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(checkpoint, "save_weights", failing(error))
    with pytest.raises(type(error)) as caught:
        save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    assert caught.value is error
    assert checkpoints(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "room"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (PermissionError(errno.EACCES, "denied"), False),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), True),
        (SafetensorError("I/O error"), True),
    ],
)
def test_room_is_asked_for_where_it_may_help(
    tiny: Qwen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, room: bool
) -> None:
    monkeypatch.setattr(checkpoint, "save_weights", failing(error))
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    assert ("Make room on the disk" in str(caught.value)) is room


def failing(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_killed_writer_leaves_no_checkpoint(tiny: Qwen, tmp_path: Path) -> None:
    """What a killed process leaves is never taken for a checkpoint, and is cleared away."""
    litter = tmp_path / "checkpoints" / ".writing-step-000001"
    litter.mkdir(parents=True)
    (litter / "checkpoint.json").write_text("{}")
    assert checkpoints(tmp_path) == []
    save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    assert not litter.exists()


def test_what_others_put_beside_the_checkpoints_stays(tiny: Qwen, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    (folder / ".DS_Store").write_text("of a file manager")
    saved = save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    assert checkpoints(tmp_path) == [saved]
    assert {path.name for path in folder.iterdir()} == {saved.name, ".DS_Store", ".ipynb_checkpoints"}


DAMAGED = ("optimizer.pt", "state.pt", "model/model.safetensors", "groups/trajectories.jsonl")


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "cut"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_checkpoint_is_refused(
    tiny: Qwen, make_trajectory: Any, tmp_path: Path, name: str, gone: bool
) -> None:
    one = engine(tiny)
    step(one)
    groups = (Group(4, 2, tuple(make_trajectory(i) for i in range(3)), 2),)
    saved = save_checkpoint(tmp_path, Progress(3, 9, groups), one, tiny.tokenizer, SETTINGS, keep=1)
    data = (saved / name).read_bytes()
    (saved / name).unlink()
    if not gone:
        # Of the trajectories a whole line, so that each that is left can be read.
        end = data.rindex(b"\n", 0, -1) + 1 if name.endswith("jsonl") else len(data) // 2
        (saved / name).write_bytes(data[:end])
    with pytest.raises(CheckpointError, match=r"step-000003 is damaged .*remove it to go on"):
        load_checkpoint(saved, engine(tiny), SETTINGS)


def test_what_is_not_of_the_files_is_not_blamed_on_them(
    tiny: Qwen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    two = engine(tiny)
    error = torch.OutOfMemoryError("CUDA")
    monkeypatch.setattr(two, "load", failing(error))
    with pytest.raises(torch.OutOfMemoryError) as caught:
        load_checkpoint(saved, two, SETTINGS)
    assert caught.value is error


def test_another_format_is_refused(tiny: Qwen, tmp_path: Path) -> None:
    saved = save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    (saved / "checkpoint.json").write_text('{"format": 99}')
    with pytest.raises(CheckpointError, match="format 99"):
        load_checkpoint(saved, engine(tiny), SETTINGS)


def test_settings_that_change_no_number_may_change(tiny: Qwen, tmp_path: Path) -> None:
    saved = save_checkpoint(tmp_path, Progress(1), engine(tiny), tiny.tokenizer, SETTINGS, keep=1)
    free = {"sft": fixed_settings(replace(CONFIG, save_every=1, keep=1, trackers=("tensorboard",)))}
    assert load_checkpoint(saved, engine(tiny), free).step == 1
