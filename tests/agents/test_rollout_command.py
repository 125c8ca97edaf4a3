import io
import json
import re
import sys

import datasets
import pytest
from actors import SAY, left_behind
from chat_server import ChatServer, says, stalls, streams
from PIL import Image
from rich.console import Console
from room import room_for
from talk import scripted, tiny
from test_store import write

from agents.actor import PolicyOptions
from agents.qwen import save_qwen
from agents.rollout_command import live_progress
from agents.rollout_command import main as rollout_main
from agents.rollout_stats import RolloutStats
from agents.store import RECORDS, TornRecordWarning, read_trajectories
from agents.viewer.command import PAGE
from agents.viewer.command import main as view_main
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome

SMALL = """
prompt = "minimal"
max_pixels = 12544
[source]
kind = "fictional"
families = ["at-a-glance", "closer-look"]
"""


@pytest.fixture
def env_file(tmp_path):
    path = tmp_path / "env.toml"
    path.write_text(SMALL)
    return path


def test_the_oracle_writes_a_run_that_the_viewer_shows(tmp_path, env_file, capsys):
    run = tmp_path / "run"
    rollout_main(f"--policy oracle --out {run} --env {env_file} --n 2 --num-envs 2 --seed 3".split())
    trajectories = list(read_trajectories(run))
    assert sorted(one.task_id.split("/")[1] for one in trajectories) == ["at-a-glance", "closer-look"]
    assert all(one.reward.accuracy == 1.0 and one.lineage.run_seed == 3 for one in trajectories)
    assert all("/validation/" in one.task_id for one in trajectories)
    assert "accuracy" in capsys.readouterr().out

    view_main([str(run)])
    page = (run / PAGE).read_text(encoding="utf-8")
    assert all(one.task_id in page for one in trajectories)
    vocabulary = json.loads(re.search(r'id="vocabulary">(.*?)</script>', page, re.DOTALL)[1])
    assert "<|im_start|>" in vocabulary.values()


def test_a_checkpoint_is_sampled_several_times_per_task(tmp_path, env_file):
    save_qwen(tiny(), tmp_path / "model")
    run = tmp_path / "run"
    where = f"--policy {tmp_path / 'model'} --out {run} --env {env_file}"
    rollout_main(f"{where} --first 5 --n 1 --samples 3 --split train --max-turn-tokens 4".split())
    trajectories = list(read_trajectories(run))
    assert [one.lineage.prompt for one in trajectories] == [5, 5, 5]
    assert sorted(one.lineage.sample for one in trajectories) == [0, 1, 2]
    assert {one.outcome for one in trajectories} <= {Outcome.TRUNCATED, Outcome.MALFORMED}
    assert all(one.versions["policy"].endswith("model") for one in trajectories)


def test_a_run_is_resumed_and_nothing_is_run_twice(tmp_path, env_file, capsys):
    run = tmp_path / "run"
    where = f"--policy oracle --out {run} --env {env_file} --num-envs 2"
    rollout_main(f"{where} --n 2".split())
    first = (run / RECORDS).read_bytes()
    with pytest.raises(SystemExit, match=r"holds 2 of these 4 episodes already; add --resume"):
        rollout_main(f"{where} --n 4".split())
    assert (run / RECORDS).read_bytes() == first
    rollout_main(f"{where} --n 4 --resume".split())
    assert (run / RECORDS).read_bytes().startswith(first)
    assert [one.lineage.prompt for one in read_trajectories(run)] == [0, 1, 2, 3]

    capsys.readouterr()
    rollout_main(f"{where} --n 4 --resume".split())
    assert "nothing to do" in capsys.readouterr().out

    whole = tmp_path / "whole"
    rollout_main(f"--policy oracle --out {whole} --env {env_file} --num-envs 3 --n 4".split())
    assert (whole / RECORDS).read_bytes() == (run / RECORDS).read_bytes()


def test_a_run_goes_on_after_a_power_failure(tmp_path, env_file):
    """The disk has lost the last record's head, and kept its end."""
    run = tmp_path / "run"
    where = f"--policy oracle --out {run} --env {env_file} --num-envs 2"
    rollout_main(f"{where} --n 2".split())
    whole = (run / RECORDS).read_bytes()
    first = whole.index(b"\n") + 1
    (run / RECORDS).write_bytes(whole[:first] + bytes(50) + whole[first + 50 :])
    (run / "synced").write_text(f"{first:020}\n")
    with pytest.warns(TornRecordWarning, match="did not have it yet"):
        rollout_main(f"{where} --n 2 --resume".split())
    assert (run / RECORDS).read_bytes() == whole


def test_the_same_draws_of_another_split_are_others(tmp_path, env_file):
    where = f"--policy oracle --out {tmp_path / 'run'} --env {env_file} --n 2 --num-envs 2 --resume"
    rollout_main(f"{where} --split validation".split())
    rollout_main(f"{where} --split test".split())
    splits = [one.task_id.split("/")[2] for one in read_trajectories(tmp_path / "run")]
    assert splits == ["validation", "validation", "test", "test"]
    before = (tmp_path / "run" / RECORDS).read_bytes()
    rollout_main(f"{where} --split test".split())
    assert (tmp_path / "run" / RECORDS).read_bytes() == before


def test_when_the_disk_is_full_no_episode_goes_on(tmp_path, env_file):
    run = tmp_path / "run"
    where = f"--policy m --backend api --out {run} --env {env_file} --num-envs 1"
    with ChatServer(*[says(SAY)] * 9, streams(then=stalls)) as server:
        rollout_main(f"{where} --urls {server.url} --n 8".split())
        before = (run / RECORDS).read_bytes()
        full = r"run cannot be written \(File too large\); make room, then run the same command with --resume"
        with room_for(len(before) + 100), pytest.raises(SystemExit, match=full) as raised:
            rollout_main(f"{where} --urls {server.url} --n 12 --resume".split())
        assert not left_behind(), raised  # whose frames keep what they hold
    assert (run / RECORDS).read_bytes() == before
    with ChatServer(says(SAY)) as server:
        rollout_main(f"{where} --urls {server.url} --n 12 --resume".split())
    assert [one.lineage.prompt for one in read_trajectories(run)] == list(range(12))


def test_another_policy_does_not_go_on_with_a_run(tmp_path, env_file):
    run = tmp_path / "run"
    rollout_main(f"--policy oracle --out {run} --env {env_file} --n 1".split())
    before = (run / RECORDS).read_bytes()
    save_qwen(tiny(), tmp_path / "model")
    with pytest.raises(SystemExit, match=r"was written by .*oracle.* another --out"):
        rollout_main(f"--policy {tmp_path / 'model'} --out {run} --env {env_file} --n 2 --resume".split())
    assert (run / RECORDS).read_bytes() == before


def test_a_run_that_holds_it_already_is_named_before_a_model_is_loaded(tmp_path, env_file):
    run = tmp_path / "run"
    rollout_main(f"--policy oracle --out {run} --env {env_file} --n 1".split())
    with pytest.raises(SystemExit, match="add --resume"):
        rollout_main(f"--policy {tmp_path / 'no-model'} --out {run} --env {env_file} --n 1".split())


def test_a_rollout_in_which_nothing_worked_fails(tmp_path, env_file):
    where = f"--policy m --backend api --urls http://127.0.0.1:9/v1 --out {tmp_path / 'run'} --env {env_file}"
    settings = tmp_path / "chat.toml"
    settings.write_text("[retry]\nattempts = 1\n")
    with pytest.raises(SystemExit, match="in every episode"):
        rollout_main(f"{where} --api {settings} --n 2".split())
    assert [one.outcome for one in read_trajectories(tmp_path / "run")] == [Outcome.INFRA_FAILED] * 2


def test_tasks_are_families_or_files(tmp_path):
    run = tmp_path / "families"
    families = "at-a-glance house-number"
    rollout_main(f"--policy oracle --out {run} --tasks {families} --n 4".split())
    assert [one.family for one in read_trajectories(run)] == families.split() * 2

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (90, 60), "red").save(pictures / "red.png")
    line = {"id": "mine/1", "question": "Which colour?", "images": ["pictures/red.png"], "answer": "red"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(line) + "\n")
    save_qwen(tiny(), tmp_path / "model")
    run = tmp_path / "file"
    where = f"--policy {tmp_path / 'model'} --out {run} --tasks {tmp_path / 'mine.jsonl'}"
    rollout_main(f"{where} --n 1 --max-turn-tokens 4".split())
    assert [one.question for one in read_trajectories(run)] == ["Which colour?"]


def test_more_tasks_than_there_are_is_said_before_anything_starts(tmp_path):
    lines = [{"id": f"mine/{n}", "question": "Which?", "images": [], "answer": "red"} for n in range(3)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    where = f"--policy absent --tasks {tmp_path / 'mine.jsonl'} --out {tmp_path / 'run'}"
    with pytest.raises(ConfigError, match=r"first = 1, n = 3: split 'validation' of .* has 3 tasks.* --n"):
        rollout_main(f"{where} --first 1 --n 3".split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("nothing.jsonl", "no such file"),
        ("at-a-glanse", "at-a-glance"),
        ("{here} at-a-glance", "not a mixture"),
    ],
)
def test_tasks_that_are_not_there_are_named(tmp_path, capsys, tasks, message):
    here = tmp_path / "some.jsonl"
    here.write_text("")
    names = tasks.format(here=here).split()
    with pytest.raises((SystemExit, ConfigError)) as refused:
        rollout_main(["--policy", "oracle", "--out", str(tmp_path / "run"), "--tasks", *names])
    assert message in str(refused.value) + capsys.readouterr().err


def test_the_bar_shows_live_figures():
    stats = RolloutStats(episodes=3, sampled_tokens=500, wasted_tokens=40, tool_turns=2, tool_seconds=0.5)
    with stats.generation(), live_progress(stats, 4) as bar:
        console = Console(width=200, file=io.StringIO(), record=True)
        console.print(*bar.get_renderables())
        text = console.export_text()
    assert "3/4" in text
    for figure in ("episodes/s", "tokens/s", "tools 250 ms", "queue 1+0", "40 tokens wasted"):
        assert figure in text


def test_datasets_loads_a_finished_run(tmp_path, env_file):
    run = tmp_path / "run"
    rollout_main(f"--policy oracle --out {run} --env {env_file} --n 2".split())
    rows = datasets.load_dataset(str(run), split="train", cache_dir=str(tmp_path / "cache"))
    assert [row["task_id"] for row in rows] == [one.task_id for one in read_trajectories(run)]


def test_a_directory_that_is_no_model_is_named(tmp_path, env_file):
    with pytest.raises(SystemExit, match=r"deepeyes rollout: .*nothing-here"):
        rollout_main(["--policy", str(tmp_path / "nothing-here"), "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run" / RECORDS).exists()


def test_a_prompt_that_does_not_fit_is_explained(tmp_path, env_file):
    where = f"--policy oracle --out {tmp_path / 'run'} --env {env_file}"
    with pytest.raises(SystemExit, match=r"deepeyes rollout: there is no room for .* 10; raise --max-tokens"):
        rollout_main(f"{where} --n 1 --max-tokens 10".split())


def test_a_directory_without_trajectories_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"deepeyes view: .*holds no trajectories"):
        view_main([str(tmp_path)])


def test_a_page_that_cannot_be_written_is_named(tmp_path):
    write(tmp_path / "run", scripted())
    with pytest.raises(ConfigError, match=r"missing/page\.html cannot be written \(No such file.*--output"):
        view_main([str(tmp_path / "run"), "--output", str(tmp_path / "missing" / "page.html")])
    (tmp_path / "run" / PAGE).mkdir()
    with pytest.raises(ConfigError, match=rf"run/{PAGE} cannot be written \(Is a directory"):
        view_main([str(tmp_path / "run")])


def test_a_tokenizer_of_the_viewer_that_cannot_be_used_is_named(tmp_path):
    write(tmp_path / "run", scripted())
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ConfigError, match=r"(?s)tokenizer = '.*/empty': .*give the directory of a Qwen2\.5-VL"
    ):
        view_main([str(tmp_path / "run"), "--tokenizer", str(tmp_path / "empty")])


def test_vllm_samples_at_the_temperatures_whose_log_probabilities_it_tells():
    with pytest.raises(ConfigError, match=r"temperature = 0\.7: must be 0 or 1 with the vllm backend"):
        PolicyOptions(policy="m", backend="vllm", temperature=0.7)
    for temperature in (0, 1):
        PolicyOptions(policy="m", backend="vllm", temperature=temperature)
    PolicyOptions(policy="m", temperature=0.7)


@pytest.mark.parametrize("backend", ["vllm", "api", "transformers"])
def test_no_address_holds_a_password_and_no_message_repeats_one(backend):
    for url, said in (("http://me:secret@host:1", "urls: no credentials"), ("host:1", "of http or https")):
        with pytest.raises(ConfigError, match=said) as refused:
            PolicyOptions(policy="m", backend=backend, urls=("http://host:2", url))
        assert "secret" not in str(refused.value)


def test_without_httpx_the_extra_for_servers_is_named(tmp_path, env_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    arguments = (
        f"--policy none --backend vllm --urls http://127.0.0.1:9 --out {tmp_path / 'run'} --env {env_file}"
    )
    with pytest.raises(ConfigError, match=r"pip install 'deepeyes-gym\[http\]'"):
        rollout_main(arguments.split())


def test_the_page_goes_where_it_is_wanted(tmp_path, env_file):
    run, page = tmp_path / "run", tmp_path / "page.html"
    rollout_main(f"--policy oracle --out {run} --env {env_file} --n 1".split())
    view_main([str(run), "--output", str(page)])
    assert page.is_file()
    assert not (run / PAGE).exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n", "0"),
        ("samples", "0"),
        ("num-envs", "0"),
        ("first", "-1"),
        ("temperature", "-1"),
        ("temperature", "inf"),
        ("episode-seconds", "0.0"),
        ("tool-seconds", "nan"),
    ],
)
def test_an_option_out_of_bounds_is_named(tmp_path, capsys, option, value):
    with pytest.raises(SystemExit, match="2"):
        rollout_main(["--policy", "oracle", "--out", str(tmp_path / "run"), f"--{option}", value])
    assert f"{option.replace('-', '_')} = {value}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
