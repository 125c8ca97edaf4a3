"""`deepeyes export` and `deepeyes import`, and files as the other side writes them."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from talk import noise_image, scripted, seen, tiny, vocabulary
from test_store import write

from agents.convert import export_command, import_command
from agents.convert.formats import FORMATS
from agents.convert.image_folder import container
from agents.convert.rl_parquet import write_tasks
from agents.store import StoreError, TrajectoryReader, read_trajectories
from agents.trajectory import Trajectory, check_trajectory
from agents.transcript import Transcript
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.rewards.base import NO_REWARD, Reward
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from deepeyes_env.tasks.dataset_error import DatasetError

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


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("tokenizer")
    tiny().tokenizer.save_pretrained(path)
    return str(path)


def export(run: Path, out: Path, name: str, *options: str) -> Path:
    export_command.main([str(run), str(out), "--format", name, *options])
    return out


def take_in(file: Path, run: Path, name: str, *options: str) -> list[Trajectory]:
    import_command.main([str(file), str(run), "--format", name.removesuffix("-files"), *options])
    return list(read_trajectories(run))


def imported(file: Path, name: str, tokenizer: str, *options: str) -> list[Trajectory]:
    trajectories = take_in(file, file.parent / "imported", name, "--tokenizer", tokenizer, *options)
    for trajectory in trajectories:
        check_trajectory(trajectory)
    return trajectories


# --- There and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHATS)
def test_a_conversation_comes_back_with_its_texts_and_images(tmp_path, tokenizer, name):
    one = scripted()
    write(tmp_path / "run", one)
    out = export(tmp_path / "run", tmp_path / "out", name)
    [back] = imported(out / CHATS[name], name, tokenizer)
    assert (back.system_prompt, back.prompt, back.question) == (one.system_prompt, one.prompt, "What?")
    assert [turn.text for turn in back.turns] == [turn.text for turn in one.turns]
    assert [turn.action for turn in back.turns] == ["code", "answer"]
    assert [turn.observation for turn in back.turns] == [turn.observation for turn in one.turns]
    assert back.images == one.images
    assert (back.answer, back.outcome) == ("7", Outcome.ANSWERED)
    # The scripted one was encoded with the same tokenizer.
    assert back.input_ids.tolist() == one.input_ids.tolist()
    assert back.loss_mask.tolist() == one.loss_mask.tolist()


@pytest.mark.parametrize("name", CHATS)
def test_what_the_format_does_not_hold_is_filled_in(tmp_path, tokenizer, name):
    write(tmp_path / "run", scripted(), scripted())
    out = export(tmp_path / "run", tmp_path / "out", name)
    _, back = imported(out / CHATS[name], name, tokenizer, "--accuracy", "0.5")
    assert not back.token_exact
    assert not back.logprobs.any()
    assert (back.reference, back.skills) == ("", ())
    assert back.reward == Reward(0.5, 1.0, pytest.approx(0.6))
    assert (back.lineage.run_seed, back.lineage.prompt) == (0, 1)
    assert back.versions["imported"] == name.removesuffix("-files")
    assert back.task_id.endswith("/1")


def test_parquet_gives_everything_back(tmp_path):
    one = replace(scripted(), token_exact=True, skills=("search",))
    write(tmp_path / "run", one, replace(one, task_id="second"))
    out = export(tmp_path / "run", tmp_path / "out", "parquet")
    back, _ = take_in(out, tmp_path / "back", "parquet")
    assert (tmp_path / "back" / "trajectories.jsonl").read_bytes() == (
        tmp_path / "run" / "trajectories.jsonl"
    ).read_bytes()
    assert back.images == one.images
    assert not (tmp_path / "back" / "tokenizer").exists()


def test_what_is_there_already_is_passed_over(tmp_path, tokenizer, capsys):
    write(tmp_path / "run", scripted(), scripted())
    out = export(tmp_path / "run", tmp_path / "out", "sft")
    imported(out / "sft.json", "sft", tokenizer)
    capsys.readouterr()
    assert len(imported(out / "sft.json", "sft", tokenizer)) == 2
    assert "2 were there already" in capsys.readouterr().out


def test_an_unanswered_last_observation_is_left_out(tmp_path, tokenizer):
    one = scripted()
    end = one.turns[1].start - 1
    cut = replace(
        one,
        turns=one.turns[:1],
        input_ids=one.input_ids[:end],
        loss_mask=one.loss_mask[:end],
        logprobs=one.logprobs[:end],
        answer=None,
        outcome=Outcome.TRUNCATED,
    )
    write(tmp_path / "run", cut)
    out = export(tmp_path / "run", tmp_path / "out", "sft")
    [record] = json.loads((out / "sft.json").read_text())
    assert [message["role"] for message in record["messages"]] == ["system", "user", "assistant"]
    assert len(record["images"]) == 1
    [back] = imported(out / "sft.json", "sft", tokenizer)
    assert (back.answer, back.outcome, back.reward) == (None, Outcome.TRUNCATED, NO_REWARD)


def test_a_group_shares_its_images_on_disk(tmp_path):
    write(tmp_path / "run", *(replace(scripted(), task_id=str(n)) for n in range(4)))
    for name in ("sft", "llama-factory", "openai-files"):
        out = export(tmp_path / "run", tmp_path / name, name)
        assert {path.name for path in (out / "images").iterdir()} == {
            f"{image.sha256}.png" for image in scripted().images
        }
        assert all((out / "images" / f"{i.sha256}.png").read_bytes() == i.data for i in scripted().images)


def test_other_containers_keep_their_bytes_and_names(tmp_path, tokenizer):
    import io

    buffer = io.BytesIO()
    noise_image(0).decode().save(buffer, "JPEG")
    photograph = EncodedImage.from_bytes(buffer.getvalue())
    assert container(photograph) == "JPEG"
    transcript = Transcript(vocabulary(), name="jpeg")
    transcript.start("", seen("<image>?", photograph))
    transcript.append_text(ANSWER)
    one = replace(
        scripted(),
        prompt="<image>?",
        system_prompt="",
        input_ids=transcript.input_ids,
        loss_mask=transcript.loss_mask,
        logprobs=transcript.logprobs,
        images=(photograph,),
        image_spans=transcript.image_spans,
        turns=transcript.turns,
    )
    write(tmp_path / "run", one)
    for name, file in CHATS.items():
        out = export(tmp_path / "run", tmp_path / name, name)
        assert imported(out / file, name, tokenizer)[0].images == (photograph,)
    assert (tmp_path / "sft" / "images" / f"{photograph.sha256}.jpeg").is_file()
    assert "data:image/jpeg;base64," in (tmp_path / "openai" / "messages.jsonl").read_text()


# --- The command's choices ---------------------------------------------------------------------------------


def varied(run: Path) -> None:
    wrong = Reward(0.0, 1.0, 0.2)
    write(
        run,
        replace(scripted(), task_id="right"),
        replace(scripted(), task_id="wrong", reward=wrong, family="other"),
        replace(scripted(), task_id="cut", reward=NO_REWARD, outcome=Outcome.TRUNCATED),
        replace(scripted(), task_id="down", outcome=Outcome.INFRA_FAILED),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["right", "wrong", "cut"]),
        (["--only", "right"], ["right"]),
        (["--only", "wrong"], ["wrong", "cut"]),
        (["--outcome", "truncated", "infra_failed"], ["cut", "down"]),
        (["--family", "other"], ["wrong"]),
        (["--only", "right", "--family", "other"], []),
    ],
)
def test_trajectories_are_chosen(tmp_path, options, expected):
    varied(tmp_path / "run")
    export(tmp_path / "run", tmp_path / "out", "parquet", *options)
    back = take_in(tmp_path / "out", tmp_path / "back", "parquet")
    assert [one.task_id for one in back] == expected


def test_what_was_left_out_is_counted_with_the_reason(tmp_path, capsys):
    marked = replace(scripted(), system_prompt="An <image> is a picture.", task_id="marked")
    write(tmp_path / "run", marked, scripted(), replace(scripted(), reward=NO_REWARD))
    export(tmp_path / "run", tmp_path / "out", "sft", "--only", "right")
    out = capsys.readouterr().out
    assert "1 trajectories as sft" in out
    assert "1 left out by the filters" in out
    assert "1 left out because a turn or the system prompt holds <image>" in out


def test_media_of_llama_factory_are_refused(tmp_path, capsys):
    write(tmp_path / "run", replace(scripted(), system_prompt="A <video> is long."))
    out = export(tmp_path / "run", tmp_path / "out", "llama-factory")
    assert json.loads((out / "deepeyes.json").read_text()) == []
    assert "holds <video>" in capsys.readouterr().out


def test_an_output_that_is_there_is_kept(tmp_path):
    write(tmp_path / "run", scripted())
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        export(tmp_path / "run", tmp_path / "out", "sft")


def test_a_failed_export_leaves_nothing(tmp_path):
    write(tmp_path / "run", scripted(), replace(scripted(), task_id="b"))
    (tmp_path / "run" / "images" / scripted().images[1].sha256).unlink()
    for name in FORMATS:
        with pytest.raises(SystemExit, match="is missing"):
            export(tmp_path / "run", tmp_path / "out", name)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_directory_without_a_run_is_named(tmp_path):
    with pytest.raises(SystemExit, match="holds no trajectories"):
        export(tmp_path, tmp_path / "out", "sft")


def test_every_format_of_the_command_is_in_the_table(tmp_path):
    from typing import get_args

    assert list(get_args(export_command.FormatName)) == list(FORMATS)


def test_a_run_keeps_its_tokenizer(tmp_path, tokenizer):
    (tmp_path / "in.jsonl").write_text(json.dumps({"messages": chat("?", ANSWER)}))
    [one] = take_in(tmp_path / "in.jsonl", tmp_path / "run", "openai")  # the tiny model's, by default
    assert (tmp_path / "run" / "tokenizer" / "tokenizer.json").is_file()
    (tmp_path / "other.jsonl").write_text(json.dumps({"messages": chat("?", ANSWER)}))
    _, other = take_in(tmp_path / "other.jsonl", tmp_path / "run", "openai", "--tokenizer", tokenizer)
    assert one.input_ids.tolist() == other.input_ids.tolist()


# --- DeepEyesV2's own files --------------------------------------------------------------------------------


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


def test_released_sft_data_are_read(tmp_path, tokenizer):
    [one] = imported(upstream_sft(tmp_path, upstream_record()), "sft", tokenizer)
    assert one.task_id == f"sft/{tmp_path.name}/sft_part_0/0"
    assert (one.family, one.question) == ("sft_part_0", "What number is on the red locker?")
    assert one.system_prompt == "You are an agent."
    assert [turn.text for turn in one.turns] == [CODE, ANSWER]
    assert (one.turns[0].action, one.turns[0].observation) == ("code", SEEN)
    assert [(image.width, image.height) for image in one.images] == [(112, 56), (112, 56)]
    assert (one.answer, one.outcome, one.reward) == ("47", Outcome.ANSWERED, Reward(1.0, 1.0, 1.0))
    spoken = vocabulary().decode(one.input_ids[one.turns[1].start : one.turns[1].end])
    assert "<think>" + spoken == ANSWER  # as in a rollout: the second turn's <think> was given


def test_text_only_records_and_turns_without_reasoning_are_read(tmp_path, tokenizer):
    record = {"messages": chat("2 + 2?", "<code>\n```python\n4\n```\n</code>", "4", "It is 4.")}
    [one] = imported(upstream_sft(tmp_path, record), "sft", tokenizer)
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
def test_a_bad_record_is_named(tmp_path, tokenizer, changes, message):
    path = upstream_sft(tmp_path, upstream_record(), upstream_record(**changes))
    with pytest.raises(DatasetError, match=rf"sft_part_0\.json', row 1, column '.*{message}"):
        imported(path, "sft", tokenizer)


def test_bad_records_can_be_left_out(tmp_path, tokenizer, capsys):
    path = upstream_sft(tmp_path, upstream_record(images=[]), upstream_record())
    [one] = imported(path, "sft", tokenizer, "--skip-bad")
    assert one.lineage.prompt == 1
    assert "left out: file" in capsys.readouterr().out


def test_a_conversation_that_is_too_long_is_named(tmp_path, tokenizer):
    path = upstream_sft(tmp_path, upstream_record())
    with pytest.raises(DatasetError, match=r"row 0.* exceed 60; raise max_tokens"):
        imported(path, "sft", tokenizer, "--max-tokens", "60")


def test_large_images_are_shrunk_to_the_budget(tmp_path, tokenizer):
    path = upstream_sft(tmp_path, upstream_record())
    [one] = imported(path, "sft", tokenizer, "--max-pixels", str(2 * 56 * 28))
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


# --- Files of other libraries ------------------------------------------------------------------------------


def chat(*texts: str) -> list[dict]:
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


def data_url(image: EncodedImage) -> str:
    return "data:image/png;base64," + base64.b64encode(image.data).decode()


def test_openai_lines_are_read(tmp_path, tokenizer):
    picture = noise_image(0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a b.png").write_bytes(picture.data)
    urls = (data_url(picture), "photos/a b.png", (tmp_path / "photos" / "a b.png").as_uri())
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "high"}} for url in urls]
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Help."}]},
        {"role": "user", "content": [*parts, {"type": "text", "text": "An <image>?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "<think>1</think>"}]},
        {"role": "tool", "content": "nothing", "tool_call_id": "x"},
        {"role": "assistant", "content": ANSWER},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"messages": messages}) + "\n\n")
    [one] = imported(path, "openai", tokenizer)
    assert one.system_prompt == "Help."
    assert one.prompt == "<image><image><image>An ‹image>?"
    assert one.images == (picture, picture, picture)
    assert one.turns[0].observation == "nothing"


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"role": "critic", "content": "x"}, "unknown role 'critic'"),
        ({"role": "user", "content": None}, "a user message has no content"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "a part of a user message cannot be read"),
        ({"role": "assistant", "content": "x", "tool_calls": [{}]}, "has tool_calls"),
        ("x", "unknown role None"),
    ],
)
def test_a_bad_openai_message_is_named(tmp_path, tokenizer, message, problem):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"messages": chat("?", ANSWER)}) + "\n" + json.dumps({"messages": [message]}))
    with pytest.raises(DatasetError, match=rf"in\.jsonl', row 1, column 'messages': .*{problem}"):
        imported(path, "openai", tokenizer)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.org/a.png", "nothing is fetched by https"),
        ("../secret.png", "lies outside"),
        ("file:///etc/hostname", "lies outside"),
        ("none.png", "No such file"),
        ("data:image/png;base64,%%%", "no base64"),
        ("data:image/png,abc", "must be base64"),
        ("data:image/png;base64,AAAA", "does not decode"),
    ],
)
def test_a_bad_address_is_named(tmp_path, tokenizer, url, problem):
    (tmp_path / "secret.png").write_bytes(noise_image(0).data)
    path = tmp_path / "in" / "in.jsonl"
    path.parent.mkdir()
    content = [{"type": "image_url", "image_url": {"url": url}}]
    path.write_text(json.dumps({"messages": [{"role": "user", "content": content}, *chat("?", ANSWER)[1:]]}))
    with pytest.raises(DatasetError, match=rf"row 0, column 'messages': image .*{problem}"):
        imported(path, "openai", tokenizer)


def test_lines_that_are_no_json_are_named(tmp_path, tokenizer):
    path = tmp_path / "in.jsonl"
    path.write_text('{"messages": []\n')
    with pytest.raises(DatasetError, match=r"in\.jsonl', row 0: not JSON"):
        imported(path, "openai", tokenizer)
    path.write_text("[]\n")
    with pytest.raises(DatasetError, match=r"row 0, column 'messages': there is no list of messages"):
        imported(path, "openai", tokenizer)


def llama_factory(folder: Path, info: dict, records: list, file: str = "data.json") -> Path:
    (folder / "a.png").write_bytes(noise_image(0).data)
    lines = "\n".join(map(json.dumps, records))
    (folder / file).write_text(lines if file.endswith("l") else json.dumps(records))
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({"mine": {"file_name": file, "formatting": "sharegpt"} | info}))
    return path


@pytest.mark.parametrize("file", ["data.json", "data.jsonl"])
def test_llama_factorys_default_tags_are_read(tmp_path, tokenizer, file):
    record = {
        "conversations": [
            {"from": "human", "value": "<image>Which?"},
            {"from": "function_call", "value": CODE},
            {"from": "observation", "value": "Nothing."},
            {"from": "gpt", "value": ANSWER},
        ],
        "picture": "a.png",
        "rules": "Be brief.",
    }
    columns = {"messages": "conversations", "images": "picture", "system": "rules"}
    [one] = imported(
        llama_factory(tmp_path, {"columns": columns}, [record], file), "llama-factory", tokenizer
    )
    assert (one.system_prompt, one.question, one.images) == ("Be brief.", "Which?", (noise_image(0),))
    assert [turn.text for turn in one.turns] == [CODE, ANSWER]
    assert one.turns[0].observation == "Nothing."


@pytest.mark.parametrize(
    ("info", "records", "problem"),
    [
        ({"formatting": "alpaca"}, [], "dataset_info.*'mine' has the formatting 'alpaca'"),
        ({"file_name": "x.parquet"}, [], r"only \.json and \.jsonl are read"),
        ({"file_name": 3}, [], "has no file_name"),
        ({}, [{}], "data.json', row 0, column 'conversations': there is no list of messages"),
        (
            {},
            [{"conversations": [{"from": "user"}]}],
            "row 0.* unknown role 'user'; the tags in dataset_info",
        ),
    ],
)
def test_a_bad_llama_factory_data_set_is_named(tmp_path, tokenizer, info, records, problem):
    with pytest.raises(DatasetError, match=problem):
        imported(llama_factory(tmp_path, info, records), "llama-factory", tokenizer)


def test_llama_factory_gets_the_description_of_the_released_data(tmp_path):
    write(tmp_path / "run", scripted())
    out = export(tmp_path / "run", tmp_path / "out", "llama-factory")
    info = json.loads((out / "dataset_info.json").read_text())["deepeyes"]
    [record] = json.loads((out / info["file_name"]).read_text())
    assert info["formatting"] == "sharegpt"
    assert set(info["columns"].values()) == set(record)
    assert {message[info["tags"]["role_tag"]] for message in record["messages"]} == {
        info["tags"][tag] for tag in ("system_tag", "user_tag", "assistant_tag")
    }
    assert all((out / image).is_file() for image in record["images"])


def test_a_damaged_trajectory_file_stops_the_import(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"nonsense")
    with pytest.raises(SystemExit, match="cannot be read as parquet"):
        take_in(tmp_path / "x.parquet", tmp_path / "run", "parquet")
    with pytest.raises(DatasetError, match=r"holds no \.parquet file"):
        take_in(tmp_path / "run", tmp_path / "back", "parquet")


def test_an_impossible_accuracy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"accuracy = 2\.0"):
        take_in(tmp_path / "x.json", tmp_path / "run", "sft", "--accuracy", "2")


def test_the_question_is_found_in_every_prompt_variant(tmp_path, tokenizer):
    path = tmp_path / "in.jsonl"
    prompts = [user_prompt("How many?", (), EnvConfig(prompt=p)) for p in ("full", "code_only", "minimal")]
    path.write_text("\n".join(json.dumps({"messages": chat(prompt, ANSWER)}) for prompt in prompts))
    assert {one.question for one in imported(path, "openai", tokenizer)} == {"How many?"}


def test_a_run_that_is_damaged_stops_the_export(tmp_path):
    write(tmp_path / "run", scripted())
    path = tmp_path / "run" / "trajectories.jsonl"
    path.write_text("{}\n")
    with TrajectoryReader(tmp_path / "run") as reader, pytest.raises(StoreError):
        reader[0]
    with pytest.raises(SystemExit, match=r"trajectories\.jsonl:1: the record is damaged"):
        export(tmp_path / "run", tmp_path / "out", "parquet")
