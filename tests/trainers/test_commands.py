"""`deepeyes sft` and `deepeyes dapo` from their arguments to a trained model on the disk."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from guess_source import GuessSource
from PIL import Image

from agents.qwen import Qwen, load_qwen, save_qwen
from agents.store import TrajectoryWriter, read_trajectories
from agents.tiny import build_tokenizer
from agents.transcript import ContextFull
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome
from deepeyes_env.tasks import JsonlConfig, SelectionConfig, open_source
from deepeyes_env.tasks.selection import select
from trainers.arguments import parse_options
from trainers.dapo import command as dapo_command
from trainers.dapo.command import DapoOptions
from trainers.runs.checkpoint import checkpoints, latest_checkpoint
from trainers.sft import command as sft_command
from trainers.sft.command import SftOptions


@pytest.fixture
def model(tiny: Qwen, tmp_path: Path) -> Path:
    return save_qwen(tiny, tmp_path / "model")


@pytest.fixture
def data(make_trajectory: Any, tiny: Qwen, tmp_path: Path) -> Path:
    with TrajectoryWriter(tmp_path / "data") as writer:
        for i in range(4):
            writer.append(make_trajectory(i, accuracy=float(i != 3)))
    tiny.tokenizer.save_pretrained(tmp_path / "data" / "tokenizer")
    return tmp_path / "data"


def test_a_file_with_flags_on_top(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'model = "m"\nnum_envs = 5\n[train]\ngroup_size = 4\nsteps = 7\n'
        '[env]\nmax_turns = 3\n[env.source]\nkind = "fictional"\nseed = 9\n'
    )
    flags = ["--config", str(file), "--run-dir", "runs/x", "--train.steps", "9", "--resume"]
    options = parse_options(DapoOptions, flags, "dapo")
    assert (options.model, options.run_dir, options.num_envs, options.resume) == (
        "m",
        Path("runs/x"),
        5,
        True,
    )
    assert (options.train.group_size, options.train.steps, options.train.clip_high) == (4, 9, 0.3)
    assert (options.env.max_turns, options.env.source.seed) == (3, 9)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[train]\ngroup_sise = 4", "group_size"),
        ("[train]\ngroup_size = 1", "at least 2"),
        ("[train]\nclip_low = 1.5", "below 1"),
        ("[train]\nweight_decay = -1.0", "weight_decay"),
        ("[train]\nweight_decay = nan", "weight_decay"),
        ("[train]\ntool_seconds = 5.0", "lockstep = false"),
        ("[train]\nminibatches = 9\nprompts_per_step = 4", "there are 4 groups"),
        ('[train]\ntrackers = ["tensorbord"]', "tensorboard"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(line)
    with pytest.raises(ConfigError, match=message):
        parse_options(DapoOptions, ["--config", str(file), "--model", "m", "--run-dir", "r"], "dapo")
    with pytest.raises(SystemExit, match=message):
        dapo_command.main(["--config", str(file), "--model", "m", "--run-dir", "r"])


def test_sft_from_files_to_a_model(model: Path, data: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ["--model", str(model), "--data", str(data), "--run-dir", str(tmp_path / "run")]
    settings = ["--train.epochs", "2", "--train.batch-size", "2", "--train.trackers", "tensorboard"]
    sft_command.main([*flags, *settings])
    trained = tmp_path / "run" / "model"
    assert f"trained model: {trained}\n" in capsys.readouterr().out
    assert load_qwen(trained).model.config.model_type == "qwen2_5_vl"
    last = latest_checkpoint(tmp_path / "run") / "model"
    assert (trained / "model.safetensors").samefile(last / "model.safetensors")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]  # three right trajectories in batches of two, twice
    assert list((tmp_path / "run").rglob("events.out.tfevents.*"))


def test_sft_from_a_run_and_the_released_json_at_once(
    model: Path, data: Path, tmp_path: Path, capsys: Any
) -> None:
    said = [
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "<think>2 + 2 = 4.</think><answer>4</answer>"},
    ]
    odd = [{"role": "user", "content": "<image>No picture."}, said[1]]
    released = tmp_path / "sft_part_0.json"
    released.write_text(json.dumps([{"messages": said, "images": []}, {"messages": odd, "images": []}]))
    flags = ["--model", str(model), "--data", str(data), str(released), "--run-dir", str(tmp_path / "run")]
    flags += ["--train.epochs", "2", "--train.batch-size", "4", "--train.packing", "400"]
    sft_command.main(flags)
    told = capsys.readouterr().out
    assert "3 demonstrations" in told
    assert "1 demonstrations" in told
    assert "1 <image> markers for 0 images" in told
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert all(0 <= row["padding_saved"] < 1 for row in rows)
    sft_command.main([*flags, "--resume"])  # nothing is left to do, and the data are those of the run


def test_sft_does_not_write_over_its_model(model: Path, data: Path) -> None:
    with pytest.raises(SystemExit, match="would take the place of --model"):
        sft_command.main(["--model", str(model), "--data", str(data), "--run-dir", str(model.parent)])


def test_sft_needs_data(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="data"):
        sft_command.main(["--model", str(model), "--run-dir", str(tmp_path / "run")])


def test_data_of_another_tokenizer_is_refused(model: Path, data: Path, tmp_path: Path) -> None:
    build_tokenizer(["quite another corpus"]).save_pretrained(data / "tokenizer")
    with pytest.raises(SystemExit, match="another tokenizer"):
        sft_command.main(["--model", str(model), "--data", str(data), "--run-dir", str(tmp_path / "run")])


def test_data_without_a_right_answer_is_refused(model: Path, make_trajectory: Any, tmp_path: Path) -> None:
    with TrajectoryWriter(tmp_path / "wrong") as writer:
        writer.append(make_trajectory(0, accuracy=0.0))
    options = SftOptions(str(model), tmp_path / "run", (tmp_path / "wrong",))
    with pytest.raises(ConfigError, match=r"nothing is left to train on(.|\n)*the answer is wrong"):
        sft_command.run(options)


def test_a_directory_that_is_no_model(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no model directory"):
        sft_command.main(["--model", str(tmp_path), "--data", str(data), "--run-dir", str(tmp_path / "run")])


@pytest.mark.parametrize("staleness", ["0", "1"])
def test_dapo_from_files_to_a_model_and_on(guesser: Qwen, tmp_path: Path, staleness: str) -> None:
    """In the real world of the default environment; an untrained policy only has to get through it."""
    model = save_qwen(guesser, tmp_path / "model")
    run_dir = tmp_path / "run"
    flags = ["--model", str(model), "--run-dir", str(run_dir), "--num-envs", "4", "--eval-tasks", "2"]
    flags += ["--env.prompt", "minimal", "--env.max-pixels", "12544", "--train.steps", "2"]
    flags += ["--train.prompts-per-step", "2", "--train.group-size", "2", "--train.minibatches", "1"]
    flags += ["--train.max-rounds", "1", "--train.max-turn-tokens", "30", "--train.staleness", staleness]
    dapo_command.main(flags)
    assert [path.name for path in checkpoints(run_dir)] == ["step-000002"]
    assert len(list(read_trajectories(run_dir / "rollouts" / "step-000002"))) == 4
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert "eval/accuracy" in rows[1]
    assert json.loads((run_dir / "best" / "best.json").read_text())["step"] == 2
    with pytest.raises(SystemExit, match="already holds"):
        dapo_command.main(flags)
    dapo_command.main([*flags, "--resume", "--train.steps", "3"])
    assert latest_checkpoint(run_dir).name == "step-000003"


def test_a_selection_takes_the_validation_tasks_of_its_source(tmp_path: Path) -> None:
    """Without any, the message names what helps."""
    for name in ("train", "validation"):
        line = {"question": "2 + 2?", "answer": "4", "image": "black.png"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    Image.new("RGB", (56, 56)).save(tmp_path / "black.png")
    file = tmp_path / "tasks.json"
    options = DapoOptions("m", tmp_path, env=EnvConfig(source=SelectionConfig(str(file))))
    for validation in (None, str(tmp_path / "validation.jsonl")):
        source = JsonlConfig(train=str(tmp_path / "train.jsonl"), validation=validation)
        chosen = [(0, open_source(source).task(0).id)]
        file.write_text(select(source, "train", chosen).to_json())
        tasks = open_source(options.env.source)
        if validation is None:
            with pytest.raises(ConfigError, match="curate from a source with files for both"):
                dapo_command._require_validation(options, tasks)
        else:
            dapo_command._require_validation(options, tasks)


def test_a_prompt_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(options: DapoOptions) -> None:
        raise ContextFull("guess/1: 0 tokens and 9 more exceed 8")

    monkeypatch.setattr(dapo_command, "run", run)
    with pytest.raises(SystemExit, match=r"no room for the prompt: guess/1.*; lower train.max_prompt_tokens"):
        dapo_command.main(["--model", "m", "--run-dir", "r"])


def test_an_evaluation_without_a_scored_episode_has_no_accuracy(
    tiny: Qwen, make_trajectory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = DeepEyesAsyncEnv(tasks=GuessSource(), prompt="minimal")
    policy = TransformersPolicy(tiny.model, tiny.tokenizer)
    validation = dapo_command.Validation(DapoOptions("m", Path("r"), eval_tasks=2), policy, env)
    for outcome, known in ((Outcome.INFRA_FAILED, False), (Outcome.ANSWERED, True)):
        ended = [make_trajectory(0, outcome=outcome), make_trajectory(1, outcome=Outcome.INFRA_FAILED)]
        monkeypatch.setattr(dapo_command, "rollout", lambda *_, ended=ended, **__: iter(ended))
        found = validation(1)
        assert ("accuracy" in found) is known
        assert (found["episodes"], found["infra_failures"]) == (2, 1 if known else 2)
    env.close()


def test_a_tracker_that_is_not_installed_is_named(model: Path, data: Path, tmp_path: Path) -> None:
    flags = ["--model", str(model), "--data", str(data), "--run-dir", str(tmp_path / "run")]
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed here")
    with pytest.raises(SystemExit, match="pip install wandb"):
        sft_command.main([*flags, "--train.trackers", "wandb"])


def test_a_chat_api_is_refused_for_training(model: Path, tmp_path: Path) -> None:
    options = ["--model", str(model), "--run-dir", str(tmp_path / "run"), "--backend", "api"]
    with pytest.raises(SystemExit, match="not token-exact"):
        dapo_command.main(options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize("command", [sft_command, dapo_command])
def test_a_directory_that_cannot_be_written_is_named_first(
    command: Any, dry: list[str], data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "used" / "checkpoints" / "step-000001").mkdir(parents=True)
    flags = ["--model", "nowhere", *dry, *(["--data", str(data)] if command is sft_command else [])]
    with pytest.raises(SystemExit, match=r"run_dir = .*/file/run': .*/file is no folder"):
        command.main([*flags, "--run-dir", str(tmp_path / "file" / "run")])
    with pytest.raises(SystemExit, match="already holds the checkpoints"):
        command.main([*flags, "--run-dir", str(tmp_path / "used")])


@pytest.mark.parametrize("command", [sft_command, dapo_command])
def test_a_directory_that_cannot_be_made_is_named(command: Any, data: Path, model: Path) -> None:
    flags = ["--model", str(model), *(["--data", str(data)] if command is sft_command else [])]
    with pytest.raises(SystemExit, match=r"run_dir = '/proc/deepeyes/run': .*choose another"):
        command.main([*flags, "--run-dir", "/proc/deepeyes/run"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--eval-tasks", "-1"], "eval_tasks = -1: must be at least 0"),
        (["--weights", "shared"], "weights = 'shared': must be with urls"),
    ],
)
def test_options_that_would_be_ignored_are_refused(tmp_path: Path, flags: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        dapo_command.main(["--model", "m", "--run-dir", str(tmp_path / "run"), *flags])
