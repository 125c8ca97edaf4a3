"""Interrupted and resumed runs give the numbers and weights of an uninterrupted one, bit for bit."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from guess_source import GuessSource
from PIL import Image

from agents.event_loop import run as run_in_loop
from agents.qwen import Qwen
from agents.tiny import build_tiny
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig, JudgeConfig
from deepeyes_env.tasks import JsonlConfig
from trainers.config import DapoConfig, SftConfig
from trainers.dapo.train import train_dapo
from trainers.runs import run as runs
from trainers.runs.checkpoint import CheckpointError, checkpoints, latest_checkpoint, save_checkpoint
from trainers.runs.interrupt import Interrupted
from trainers.runs.metrics import StepReport, read_metrics
from trainers.runs.progress import Progress
from trainers.sft.train import train_sft

DAPO = DapoConfig(
    steps=4,
    prompts_per_step=3,
    group_size=4,
    minibatches=2,
    inner_updates=2,
    micro_batch_size=5,
    learning_rate=1e-3,
    warmup_steps=2,
    max_rounds=3,
    max_turn_tokens=40,
    save_every=1,
    progress=False,
)
SFT = SftConfig(
    epochs=2,
    batch_size=2,
    micro_batch_size=2,
    learning_rate=1e-3,
    freeze_vision=False,
    save_every=1,
    progress=False,
)


def weights(qwen: Qwen) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in qwen.model.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def fresh(guesser: Qwen) -> Qwen:
    """A copy whose weights the training of the original does not touch."""
    copy = build_tiny(seed=1, shape=guesser_shape(guesser))
    copy.model.load_state_dict(guesser.model.state_dict())
    return copy


def guesser_shape(qwen: Qwen) -> Any:
    from agents.tiny import TinyShape

    text, vision = qwen.model.config.text_config, qwen.model.config.vision_config
    return TinyShape(hidden=text.hidden_size, layers=text.num_hidden_layers, vision_layers=vision.depth)


def run_dapo(
    qwen: Qwen, env: DeepEyesAsyncEnv, config: DapoConfig = DAPO, **kwargs: Any
) -> list[dict[str, float]]:
    return train_dapo(config, qwen.model, qwen.tokenizer, env, **kwargs)


def test_dapo_in_two_parts_equals_one_run(guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path) -> None:
    """Cut where a group waits for the next step, so that groups, too, must come back."""
    parts = fresh(guesser)
    # Which seed leaves a group over depends on the processor's rounding.
    for seed in range(8):
        directory = tmp_path / f"whole-{seed}"
        config = replace(DAPO, steps=8, group_size=2, seed=seed)
        guesser.model.load_state_dict(parts.model.state_dict())
        whole = run_dapo(guesser, guess_env, config, run_dir=directory)
        cuts = [step for step, metrics in enumerate(whole[:-1], start=1) if metrics["groups_carried"]]
        if cuts:
            break
    cut = cuts[0]

    run_dapo(parts, guess_env, replace(config, steps=cut), run_dir=tmp_path / "parts")
    resumed = build_tiny(seed=5, shape=guesser_shape(parts))
    checkpoint = latest_checkpoint(tmp_path / "parts")
    history = run_dapo(resumed, guess_env, config, run_dir=tmp_path / "parts", resume=checkpoint)

    assert history == whole
    assert_same(weights(resumed), weights(guesser))
    files = [(path / "metrics.jsonl").read_text() for path in (directory, tmp_path / "parts")]
    assert files[0] == files[1]


def test_sft_resumes_inside_an_epoch(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    data = [make_trajectory(i, tool=i % 2 == 0) for i in range(5)]
    other = fresh(tiny)
    whole = train_sft(SFT, tiny.model, tiny.tokenizer, data, run_dir=tmp_path / "whole")

    def stop_at_four(report: StepReport) -> None:
        if report.step == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="--resume"):
        train_sft(SFT, other.model, other.tokenizer, data, run_dir=tmp_path / "parts", on_step=stop_at_four)
    checkpoint = latest_checkpoint(tmp_path / "parts")
    assert checkpoint.name == "step-000004"
    history = train_sft(
        SFT, other.model, other.tokenizer, data, run_dir=tmp_path / "parts", resume=checkpoint
    )

    assert history == whole
    assert_same(weights(other), weights(tiny))


def test_a_stopped_trainer_leaves_no_episode_running(guesser: Qwen) -> None:
    """Else they would take up the loop, and the model, as soon as anybody uses it again."""

    def stop(*_: object) -> None:
        hook.remove()
        signal.raise_signal(signal.SIGINT)

    async def other_tasks() -> int:
        return len(asyncio.all_tasks()) - 1

    hook = guesser.model.model.language_model.register_forward_pre_hook(stop)
    env = DeepEyesAsyncEnv(num_envs=3, tasks=GuessSource(), prompt="minimal")
    with pytest.raises(Interrupted) as caught:
        run_dapo(guesser, env)
    assert run_in_loop(other_tasks()) == 0, "while the error is still handled"
    assert caught.value.step == 0
    env.close()


@pytest.mark.parametrize("moment", ["sampling", "updating", "between steps"])
def test_ctrl_c_at_any_moment_of_a_step(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path, moment: str
) -> None:
    """During sampling the step is dropped, later it is finished; the resumed run cannot tell."""
    stopped = fresh(guesser)
    whole = run_dapo(guesser, guess_env)
    rare = replace(DAPO, save_every=100)
    before = signal.getsignal(signal.SIGINT)
    due = {True: moment == "updating", False: moment == "sampling"}

    def stop_in_forward(*_: object) -> None:
        if due[torch.is_grad_enabled()]:
            hook.remove()
            signal.raise_signal(signal.SIGINT)

    def second_step_begins(report: StepReport) -> None:
        nonlocal hook
        if moment == "between steps":
            signal.raise_signal(signal.SIGINT)
        elif report.step == 1:
            language_model = stopped.model.model.language_model
            hook = language_model.register_forward_pre_hook(stop_in_forward)

    hook: Any = None
    with pytest.raises(Interrupted) as caught:
        run_dapo(stopped, guess_env, rare, run_dir=tmp_path, on_step=second_step_begins)
    assert caught.value.step == (2 if moment == "updating" else 1)
    assert caught.value.checkpoint == latest_checkpoint(tmp_path)
    assert signal.getsignal(signal.SIGINT) is before

    history = run_dapo(stopped, guess_env, rare, run_dir=tmp_path, resume=caught.value.checkpoint)
    assert history == whole
    assert_same(weights(stopped), weights(guesser))


def test_a_checkpoint_of_another_configuration_is_refused_by_key(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    run_dapo(guesser, guess_env, replace(DAPO, steps=1), run_dir=tmp_path)
    other = replace(DAPO, group_size=8, clip_high=0.25, save_every=7)
    with pytest.raises(CheckpointError) as caught:
        run_dapo(guesser, guess_env, other, run_dir=tmp_path, resume=latest_checkpoint(tmp_path))
    message = str(caught.value)
    assert "dapo.clip_high: 0.3 then, 0.25 now" in message
    assert "dapo.group_size: 4 then, 8 now" in message
    assert "save_every" not in message
    assert "set them back" in message


def test_a_checkpoint_of_another_environment_is_refused(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    run_dapo(guesser, guess_env, replace(DAPO, steps=1), run_dir=tmp_path)
    other = DeepEyesAsyncEnv(num_envs=16, tasks=guess_env.tasks, prompt="minimal", max_turns=3)
    try:
        with pytest.raises(CheckpointError, match=r"env\.max_turns: 9 then, 3 now"):
            run_dapo(guesser, other, run_dir=tmp_path, resume=latest_checkpoint(tmp_path))
    finally:
        other.close()


def test_a_checkpoint_of_other_tasks_under_the_same_name_is_refused(guesser: Qwen, tmp_path: Path) -> None:
    Image.new("RGB", (56, 56)).save(tmp_path / "black.png")
    tasks = tmp_path / "tasks.jsonl"
    config = EnvConfig(source=JsonlConfig(train=str(tasks)), prompt="minimal", max_turns=2)
    quick = replace(DAPO, steps=1, prompts_per_step=1, minibatches=1, max_rounds=1, max_turn_tokens=4)

    def run(colours: str, **more: Any) -> None:
        rows = [{"question": f"{colour}?", "answer": colour, "image": "black.png"} for colour in colours]
        tasks.write_text("".join(json.dumps(row) + "\n" for row in rows))
        env = DeepEyesAsyncEnv(2, config)
        try:
            run_dapo(guesser, env, run_dir=tmp_path / "run", **more)
        finally:
            env.close()

    run("ab", config=quick)
    checkpoint = latest_checkpoint(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"tasks\.sha256"):
        run("ac", config=replace(quick, steps=2), resume=checkpoint)
    run("ab", config=replace(quick, steps=2), resume=checkpoint)


def test_a_run_goes_on_with_other_addresses_timeouts_and_numbers_at_once(
    tiny: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    quick = replace(DAPO, steps=1, prompts_per_step=1, minibatches=1, max_rounds=1, max_turn_tokens=4)
    judges = [
        JudgeConfig("http://one:1/v1", "judge"),
        JudgeConfig("http://two:2/v1", "judge", timeout_seconds=9.0, attempts=8),
        JudgeConfig("http://two:2/v1", "another"),
    ]
    envs = [
        DeepEyesAsyncEnv(num_envs=2 + number, tasks=guess_env.tasks, prompt="minimal", judge=judge)
        for number, judge in enumerate(judges)
    ]
    try:
        run_dapo(tiny, envs[0], quick, run_dir=tmp_path)
        more = replace(quick, steps=2, infra_retries=7)
        history = run_dapo(tiny, envs[1], more, run_dir=tmp_path, resume=latest_checkpoint(tmp_path))
        assert len(history) == 2
        with pytest.raises(CheckpointError, match=r"env\.judge\.model: 'judge' then, 'another' now"):
            run_dapo(tiny, envs[2], more, run_dir=tmp_path, resume=latest_checkpoint(tmp_path))
    finally:
        for env in envs:
            env.close()


@pytest.mark.parametrize("save_every", [1, 2, 100])
def test_ctrl_c_saves_a_step_once(
    tiny: Qwen, make_trajectory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_every: int
) -> None:
    """Neither after a step that is saved already, nor in the step after a resume."""
    saved: list[int] = []

    def save(run_dir: Path, progress: Progress, *rest: Any) -> Path:
        saved.append(progress.step)
        return save_checkpoint(run_dir, progress, *rest)

    def stop(report: StepReport) -> None:
        if report.step == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(runs, "save_checkpoint", save)
    data = [make_trajectory(i, tool=False) for i in range(2)]
    config = replace(SFT, epochs=4, save_every=save_every)
    with pytest.raises(Interrupted) as caught:
        train_sft(config, tiny.model, tiny.tokenizer, data, run_dir=tmp_path, on_step=stop)
    assert saved == ([1, 2] if save_every == 1 else [2])
    assert caught.value.checkpoint == latest_checkpoint(tmp_path)


def test_ctrl_c_in_the_first_step_after_a_resume_has_nothing_to_save(
    tiny: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    quick = replace(DAPO, steps=1, prompts_per_step=1, minibatches=1, max_rounds=1, max_turn_tokens=4)
    run_dapo(tiny, guess_env, quick, run_dir=tmp_path)
    [written] = checkpoints(tmp_path)
    before = written.stat().st_ino

    def stop(*_: object) -> None:
        hook.remove()
        signal.raise_signal(signal.SIGINT)

    hook = tiny.model.model.language_model.register_forward_pre_hook(stop)
    with pytest.raises(Interrupted) as caught:
        run_dapo(tiny, guess_env, replace(quick, steps=2), run_dir=tmp_path, resume=written)
    assert caught.value.checkpoint == written
    assert written.stat().st_ino == before


def test_a_directory_with_another_run_is_refused(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    run_dapo(guesser, guess_env, replace(DAPO, steps=1), run_dir=tmp_path)
    before = (tmp_path / "metrics.jsonl").read_text()
    with pytest.raises(CheckpointError, match="already holds"):
        run_dapo(guesser, guess_env, run_dir=tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == before


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_do_not_write_in_one_directory(
    tiny: Qwen, make_trajectory: Any, tmp_path: Path, resume: bool
) -> None:
    """Neither begun nor resumed while another is at work; afterwards nobody is kept out."""
    data = [make_trajectory(i, tool=False) for i in range(2)]
    config = replace(SFT, save_every=1 if resume else 100)
    other = fresh(tiny)
    refused: list[str] = []

    def begin_another(report: StepReport) -> None:
        if report.step == 2:
            written = latest_checkpoint(tmp_path) if resume else None
            with pytest.raises(CheckpointError) as caught:
                train_sft(config, other.model, other.tokenizer, data, run_dir=tmp_path, resume=written)
            refused.append(str(caught.value))

    longer = replace(config, epochs=3)
    history = train_sft(longer, tiny.model, tiny.tokenizer, data, run_dir=tmp_path, on_step=begin_another)
    assert refused == [f"another process trains in {tmp_path}; wait for it, or choose another directory"]
    assert read_metrics(tmp_path, 9) == history
    train_sft(longer, tiny.model, tiny.tokenizer, data, run_dir=tmp_path, resume=latest_checkpoint(tmp_path))


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="without --resume"):
        latest_checkpoint(tmp_path)


def test_something_else_is_no_checkpoint(guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        run_dapo(guesser, guess_env, resume=tmp_path)


def test_metrics_file_has_one_line_per_step(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    data = [make_trajectory(i) for i in range(3)]
    history = train_sft(SFT, tiny.model, tiny.tokenizer, data, run_dir=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == [{"step": i + 1, **metrics} for i, metrics in enumerate(history)]
    assert len(checkpoints(tmp_path)) == min(SFT.keep, len(history))


def test_half_a_line_of_a_killed_process_is_no_line(tmp_path: Path) -> None:
    whole = '{"step": 1, "loss": 0.5}\n'
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 2, "lo')
    assert read_metrics(tmp_path, 9) == [{"loss": 0.5}]
