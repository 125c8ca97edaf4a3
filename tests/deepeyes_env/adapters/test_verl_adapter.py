"""verl's own classes play our episodes: the kit, what the kit does not ask, and how a batch comes about."""

import json
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import Plugin

from agents.qwen import save_qwen
from agents.tiny import build_tiny
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env import DeepEyesEnv
from deepeyes_env.adapters.verl_data import prompt_tokens
from deepeyes_env.cli import main
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.testing import adapter_config

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CONFIGS = ROOT / "configs"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-VL with random weights; `verl_processor.py` decides which processor it has."""
    return save_qwen(build_tiny(seed=0), tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def runs(
    plugin: Callable[[str], Plugin],
    documented: Callable[[str], str],
    model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[str]]]:
    """What the two programs print, which run at the same time: half of it is importing."""
    verl, folder = plugin("verl"), tmp_path_factory.mktemp("verl")
    (folder / "example.py").write_text(documented("verl"))
    command = launched(folder, "head", "trainer.save_freq=7")
    with ThreadPoolExecutor() as threads:
        yield {
            "conformance": threads.submit(
                verl.run, HERE / "verl_conformance.py", model, folder, folder / "example.py", *command
            ),
            "trainer": threads.submit(
                verl.run,
                HERE / "verl_trainer_path.py",
                model,
                tmp_path_factory.mktemp("trainer"),
                PYTHONPATH=f"{ROOT}:{HERE}",  # for the processes of Ray
                RAY_USAGE_STATS_ENABLED="0",
            ),
        }


def oks(said: str) -> list[str]:
    return [line.removeprefix("ok: ") for line in said.splitlines() if line.startswith("ok: ")]


def test_the_kit_through_verls_worker(runs: dict[str, Future[str]]) -> None:
    assert oks(runs["conformance"].result()) == [
        "the kit passes",
        "the ids are our own",
        "the log-probabilities are the engine's",
        "the metrics are there",
        "the kit finds what is broken",
        "nothing is given where the settings say so",
        "nothing of what does not fit is kept",
        "a turn that was cut is not performed",
        "infrastructure is not scored",
        "what must not be sampled is refused",
        "bad settings are refused",
    ]


def test_verls_v1_trainer_gets_what_was_sampled(runs: dict[str, Future[str]]) -> None:
    assert oks(runs["trainer"].result()) == [
        "groups that are all wrong or failed are drawn anew",
        "the trainer computes what was sampled",
    ]


# --- The settings of the paper -----------------------------------------------------------------------------


def launched(folder: Path, *arguments: str) -> list[str]:
    """What launch.sh runs on the first of two nodes; Ray and Python only tell what they were asked."""
    for name, script in {
        "ray": "echo ray \"$@\" >>$ASKED\n[ $1 != status ] || printf ' 1 node_a\\n 1 node_b\\n'",
        "python": 'printf "%s\\n" "$@"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [CONFIGS / "verl" / "launch.sh", *arguments],
        env={"PATH": f"{folder}:/usr/bin:/bin", "NODES": "2", "ASKED": str(folder / "asked")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("arguments", [[], ["join"], ["heads"]])
def test_a_launch_that_makes_no_sense_shows_the_usage_and_no_more(arguments: list[str]) -> None:
    script = CONFIGS / "verl" / "launch.sh"
    ran = subprocess.run([script, *arguments], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.startswith("usage: ")
    assert len(ran.stderr.splitlines()) == 1


def test_the_settings_are_verls_and_the_papers(runs: dict[str, Future[str]]) -> None:
    verl = json.loads(runs["conformance"].result().splitlines()[-1])
    ours = tomllib.loads((CONFIGS / "dapo-7b.toml").read_text())
    train, actor, rollout = ours["train"], "actor_rollout_ref.actor.", "actor_rollout_ref.rollout."
    wanted = {
        "trainer.nnodes": 2,
        "trainer.n_gpus_per_node": 8,
        "trainer.save_freq": 7,
        "trainer.test_freq": train["eval_every"],
        "trainer.total_training_steps": train["steps"],
        "trainer.use_v1": True,
        "data.train_batch_size": train["prompts_per_step"],
        "algorithm.adv_estimator": "grpo",
        "algorithm.filter_groups.enable": True,
        "algorithm.filter_groups.metric": "acc",
        f"{rollout}n": train["group_size"],
        f"{rollout}response_length": 16384,
        f"{rollout}prompt_length": train["max_tokens"] - 16384,
        f"{rollout}max_model_len": train["max_tokens"] + train["max_turn_tokens"],
        f"{rollout}limit_images": ours["env"]["max_images"],
        f"{rollout}custom.deepeyes.max_turn_tokens": train["max_turn_tokens"],
        f"{actor}ppo_mini_batch_size": train["prompts_per_step"] // train["minibatches"],
        f"{actor}ppo_epochs": train["inner_updates"],
        f"{actor}clip_ratio_low": train["clip_low"],
        f"{actor}clip_ratio_high": train["clip_high"],
        f"{actor}optim.lr": train["learning_rate"],
        f"{actor}optim.weight_decay": train["weight_decay"],
        f"{actor}optim.lr_scheduler_type": "constant",
        f"{actor}grad_clip": train["max_grad_norm"],
        f"{actor}use_kl_loss": False,
        f"{actor}entropy_coeff": 0,
        f"{actor}loss_agg_mode": "token-mean",
    }
    assert {key: verl[key] for key in wanted} == wanted


def test_the_environment_is_that_of_our_own_trainer() -> None:
    ours = tomllib.loads((CONFIGS / "dapo-7b.toml").read_text())["env"]
    assert tomllib.loads((CONFIGS / "verl" / "env.toml").read_text()) == ours
    assert load_config(EnvConfig, CONFIGS / "verl" / "env.toml").max_turns == 9


def test_the_nodes_find_one_another(tmp_path: Path) -> None:
    launched(tmp_path, "head")
    launched(tmp_path, "join", "10.0.0.1")
    assert (tmp_path / "asked").read_text().splitlines() == [
        "ray start --head --port 6379",
        "ray status",
        "ray start --address 10.0.0.1:6379",
    ]


# --- The data set ------------------------------------------------------------------------------------------

ENV = 'prompt = "minimal"\nsource = {families = ["closer-look"], difficulty = 0.0}\n'


def test_rows_name_episodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "env.toml").write_text(ENV)
    file, env = tmp_path / "rows.parquet", tmp_path / "env.toml"
    assert main(["tasks", "verl", f"--env={env}", "--count=3", "--seed=5", f"--output={file}"]) == 0
    assert capsys.readouterr().out == f"{file}: 3 tasks of 3, 0 left out\n"
    rows = pq.read_table(file).to_pylist()
    assert [row["extra_info"]["index"] for row in rows] == [0, 1, 2]
    episodes = DeepEyesEnv(load_config(EnvConfig, env))
    for row in rows:
        place = row["extra_info"]
        seen, info = episodes.reset(
            seed=place["seed"], options={"index": place["index"], "split": place["split"]}
        )
        assert row["prompt"] == [
            {"role": "system", "content": info["system_prompt"]},
            {"role": "user", "content": seen["text"]},
        ]
        assert (row["agent_name"], row["data_source"], place["seed"]) == ("deepeyes", "closer-look", 5)
        assert (place["task_id"], row["reward_model"]["ground_truth"]) == (
            info["task_id"],
            episodes.episode.task.answer.text,
        )


def test_long_prompts_are_left_out(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "env.toml").write_text(ENV)
    options = [
        f"--env={tmp_path / 'env.toml'}",
        "--count=2",
        f"--model={model}",
        f"--output={tmp_path / 'rows.parquet'}",
    ]
    assert main(["tasks", "verl", *options, "--max-prompt-tokens=100"]) == 2
    assert "no task is left to write" in capsys.readouterr().err
    assert main(["tasks", "verl", *options, "--max-prompt-tokens=1000"]) == 0
    assert "2 tasks of 2, 0 left out" in capsys.readouterr().out


def test_a_prompts_length_is_that_of_our_own_transcript() -> None:
    vocabulary = Vocabulary(build_tiny(seed=0).tokenizer)
    env = DeepEyesEnv(adapter_config())
    for index in range(3):
        env.reset(seed=0, options={"index": index})
        transcript = Transcript(vocabulary)
        transcript.start(env.episode.system_prompt, env.episode.observations[0])
        assert prompt_tokens(env.episode.task, env.config, vocabulary.tokenizer) == len(transcript)


def test_an_endless_source_needs_a_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "verl", f"--output={tmp_path / 'rows.parquet'}"]) == 2
    assert "is endless; say how many tasks: --count" in capsys.readouterr().err
