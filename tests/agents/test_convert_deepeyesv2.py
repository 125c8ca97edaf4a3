"""DeepEyesV2's own files, SFT and RL, as they were released."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from converting import ANSWER, CODE, SEEN, chat, export, imported
from talk import noise_image, scripted, vocabulary
from test_store import write

from agents.convert.rl_parquet import write_tasks
from deepeyes_env.config import EnvConfig
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.prompts import system_prompt
from deepeyes_env.rewards.base import Reward
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from deepeyes_env.tasks.dataset_error import DatasetError


def upstream_sft(folder: Path, *records: dict) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for number in range(2):
        picture = noise_image(number).decode().resize((100 + number, 60))
        picture.save(folder / "images" / f"7_00{number}.jpg")
    path = folder / "sft_part_0.json"
    path.write_text(json.dumps(records))
    return path


def upstream_record(**changes: object) -> dict:
    """A record in the layout of reference 4.1, with the turns of 2.4."""
    messages = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "<image>\nWhat number is on the red locker?"},
        {"role": "assistant", "content": CODE},
        {"role": "user", "content": SEEN},
        {"role": "assistant", "content": ANSWER},
    ]
    return {"messages": messages, "images": ["images/7_000.jpg", "images/7_001.jpg"]} | changes


def test_released_sft_data_are_read(tmp_path):
    [one] = imported(upstream_sft(tmp_path, upstream_record()), "sft")
    assert one.task_id == f"sft/{tmp_path.name}/sft_part_0/0"
    assert (one.family, one.question) == ("sft_part_0", "What number is on the red locker?")
    assert one.system_prompt == "You are an agent."
    assert [turn.text for turn in one.turns] == [CODE, ANSWER]
    assert (one.turns[0].action, one.turns[0].observation) == ("code", SEEN)
    assert [(image.width, image.height) for image in one.images] == [(112, 56), (112, 56)]
    assert (one.answer, one.outcome, one.reward) == ("47", Outcome.ANSWERED, Reward(1.0, 1.0, 1.0))
    spoken = vocabulary().decode(one.input_ids[one.turns[1].start : one.turns[1].end])
    assert "<think>" + spoken == ANSWER  # as in a rollout: the second turn's <think> was given


def test_text_only_records_and_turns_without_reasoning_are_read(tmp_path):
    record = {"messages": chat("2 + 2?", "<code>\n```python\n4\n```\n</code>", "4", "It is 4.")}
    [one] = imported(upstream_sft(tmp_path, record), "sft")
    assert one.images == ()
    assert one.system_prompt == "You are a helpful assistant."
    assert (one.outcome, one.turns[1].action) == (Outcome.MALFORMED, "malformed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": ["images/7_000.jpg"]}, "2 <image> markers for 1 images"),
        ({"images": ["../x.jpg", "images/7_001.jpg"]}, "outside"),
        ({"messages": [{"role": "user", "content": "?"}], "images": []}, "no assistant speaks"),
        ({"messages": [{"role": "tool", "content": "?"}], "images": []}, "unknown role 'tool'"),
        ({"messages": [{"role": "assistant", "content": "!"}], "images": []}, "message 0 is the assistant's"),
        (
            {
                "messages": [
                    {"role": "user", "content": "?"},
                    {"role": "assistant", "content": "<image><image>"},
                ]
            },
            "holds an image",
        ),
    ],
)
def test_a_bad_record_is_named(tmp_path, changes, message):
    path = upstream_sft(tmp_path, upstream_record(), upstream_record(**changes))
    with pytest.raises(DatasetError, match=rf"sft_part_0\.json', row 1, column '.*{message}"):
        imported(path, "sft")


def test_bad_records_can_be_left_out(tmp_path, capsys):
    path = upstream_sft(tmp_path, upstream_record(images=[]), upstream_record())
    [one] = imported(path, "sft", "--skip-bad")
    assert one.lineage.prompt == 1
    assert "left out: file" in capsys.readouterr().out


def test_a_conversation_that_is_too_long_is_named(tmp_path):
    path = upstream_sft(tmp_path, upstream_record())
    with pytest.raises(DatasetError, match=r"row 0.* exceed 60; raise max_tokens"):
        imported(path, "sft", "--max-tokens", "60")


def test_large_images_are_shrunk_to_the_budget(tmp_path):
    path = upstream_sft(tmp_path, upstream_record())
    [one] = imported(path, "sft", "--max-pixels", str(2 * 56 * 28))
    assert all(image.pixels <= 2 * 56 * 28 for image in one.images)


def test_tasks_of_a_run_are_rl_rows(tmp_path):
    one = replace(scripted(), family="closer-look", skills=("reasoning", "search"), reference="47")
    write(tmp_path / "run", one, one, replace(one, task_id="b"), replace(one, task_id="c", reference=" "))
    out = export(tmp_path / "run", tmp_path / "out", "rl")
    source = open_source(DeepEyesV2Config(train=(str(out / "train-00000.parquet"),)))
    assert source.size("train") == 2
    task = source.task(0)
    assert (task.question, task.answer.text, task.family) == ("What?", "47", "search")
    assert (task.images, task.system_prompt) == (one.images[:1], one.system_prompt)
    assert task.metadata == {"index": "t", "env_name": "deepeyes_v2"}
    assert task.skills == {Skill.SEARCH}


def test_rl_columns_are_those_of_the_released_files(tmp_path):
    import datasets

    write(tmp_path / "run", replace(scripted(), reference="47", skills=("reasoning",)))
    out = export(tmp_path / "run", tmp_path / "out", "rl")
    [row] = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert row["prompt"] == [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "<image>\nWhat?"},
    ]
    assert row["images"][0].size == (84, 56)
    assert (row["env_name"], row["data_source"]) == ("deepeyes_v2", "reason")
    assert row["reward_model"] == {"ground_truth": "47"}
    assert row["extra_info"] == {"index": "t", "question": "What?", "answer": "47"}


def test_tasks_of_any_source_are_rl_rows_with_their_own_images(tmp_path):
    picture = EncodedImage.from_pil(noise_image(0).decode().resize((101, 57)))
    tasks = [Task(str(n), f"{n}?", (picture,), Answer(str(n)), frozenset({Skill.PERCEPTION})) for n in (1, 2)]
    write_tasks(tasks, tmp_path, EnvConfig(prompt="code_only"))
    source = open_source(DeepEyesV2Config(train=(str(tmp_path / "train-00000.parquet"),)))
    back = [source.task(index) for index in range(2)]
    assert [(one.question, one.answer.text, one.family) for one in back] == [
        ("1?", "1", "perception"),
        ("2?", "2", "perception"),
    ]
    assert back[0].images == (picture,)
    assert back[0].system_prompt == system_prompt(EnvConfig(prompt="code_only"))


def test_released_rl_rows_are_written_as_they_were(tmp_path):
    """A row without tools, and one whose index names it in the image-search cache."""
    import datasets

    rows = [
        {
            "prompt": [
                {"role": "system", "content": "Be an agent."},
                {"role": "user", "content": f"<image>\n{question}"},
            ],
            "images": [{"bytes": noise_image(0).data, "path": None}],
            "env_name": "deepeyes_v2",
            "data_source": data_source,
            "reward_model": {"ground_truth": "47", "style": "model"},
            "extra_info": {"index": index, "question": question, "answer": "47"},
        }
        for data_source, index, question in [("search", "fvqa_train_3", "Who?"), ("reason", "9", "How many?")]
    ]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "search.parquet")
    source = open_source(DeepEyesV2Config(train=(str(tmp_path / "search.parquet"),)))
    (tmp_path / "out").mkdir()
    write_tasks([source.task(index) for index in range(2)], tmp_path / "out", EnvConfig(prompt="minimal"))
    written = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    for row, one in zip(rows, written, strict=True):
        assert {key: one[key] for key in ("prompt", "env_name", "data_source", "extra_info")} == {
            key: row[key] for key in ("prompt", "env_name", "data_source", "extra_info")
        }
        assert one["reward_model"] == {"ground_truth": "47"}
