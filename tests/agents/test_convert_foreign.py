"""Files of OpenAI and LLaMA-Factory users, as they write them."""

import base64
import json
from pathlib import Path

import pytest
from converting import ANSWER, CODE, chat, export, imported
from talk import noise_image, scripted
from test_store import write

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.dataset_error import DatasetError


def data_url(image: EncodedImage) -> str:
    return "data:image/png;base64," + base64.b64encode(image.data).decode()


def test_openai_lines_are_read(tmp_path):
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
    [one] = imported(path, "openai")
    assert one.system_prompt == "Help."
    assert one.prompt == "<image><image><image>An ‹image>?"
    assert one.images == (picture, picture, picture)
    assert one.turns[0].observation == "nothing"


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"role": "critic", "content": "x"}, "unknown role 'critic'"),
        ({"role": ["user"], "content": "x"}, "unknown role"),
        ({"role": "user", "content": None}, "a user message has no content"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "a part of a user message cannot be read"),
        ({"role": "assistant", "content": "x", "tool_calls": [{}]}, "has tool_calls"),
        ("x", "unknown role None"),
    ],
)
def test_a_bad_openai_message_is_named(tmp_path, message, problem):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"messages": chat("?", ANSWER)}) + "\n" + json.dumps({"messages": [message]}))
    with pytest.raises(DatasetError, match=rf"in\.jsonl', row 1, column 'messages': .*{problem}"):
        imported(path, "openai")


def test_an_image_of_the_system_is_refused(tmp_path):
    shown = {"type": "image_url", "image_url": {"url": data_url(scripted().images[0])}}
    messages = [{"role": "system", "content": [{"type": "text", "text": "Look "}, shown]}, *chat("?", ANSWER)]
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"messages": messages}))
    with pytest.raises(DatasetError, match="message 0, the system's, holds an image"):
        imported(path, "openai")


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
def test_a_bad_address_is_named(tmp_path, url, problem):
    (tmp_path / "secret.png").write_bytes(noise_image(0).data)
    path = tmp_path / "in" / "in.jsonl"
    path.parent.mkdir()
    content = [{"type": "image_url", "image_url": {"url": url}}]
    path.write_text(json.dumps({"messages": [{"role": "user", "content": content}, *chat("?", ANSWER)[1:]]}))
    with pytest.raises(DatasetError, match=rf"row 0, column 'messages': image .*{problem}"):
        imported(path, "openai")


def test_lines_that_are_no_json_are_named(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"messages": []\n')
    with pytest.raises(DatasetError, match=r"in\.jsonl', row 0: not JSON"):
        imported(path, "openai")
    path.write_text("[]\n")
    with pytest.raises(DatasetError, match=r"row 0, column 'messages': there is no list of messages"):
        imported(path, "openai")


def llama_factory(folder: Path, info: dict, records: list, file: str = "data.json") -> Path:
    (folder / "a.png").write_bytes(noise_image(0).data)
    lines = "\n".join(map(json.dumps, records))
    (folder / file).write_text(lines if file.endswith("l") else json.dumps(records))
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({"mine": {"file_name": file, "formatting": "sharegpt"} | info}))
    return path


@pytest.mark.parametrize("file", ["data.json", "data.jsonl"])
def test_llama_factorys_default_tags_are_read(tmp_path, file):
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
    [one] = imported(llama_factory(tmp_path, {"columns": columns}, [record], file), "llama-factory")
    assert (one.system_prompt, one.question, one.images) == ("Be brief.", "Which?", (noise_image(0),))
    assert [turn.text for turn in one.turns] == [CODE, ANSWER]
    assert one.turns[0].observation == "Nothing."


@pytest.mark.parametrize(
    ("info", "records", "problem"),
    [
        ({"formatting": "alpaca"}, [], "dataset_info.*'mine' has the formatting 'alpaca'"),
        ({"file_name": "x.parquet"}, [], r"only \.json and \.jsonl are read"),
        ({"file_name": 3}, [], "has no file_name"),
        ({"columns": None}, [], "'mine' has the columns None"),
        ({"tags": []}, [], r"'mine' has the tags \[\]"),
        ({}, [{"conversations": [{"from": ["human"], "value": "?"}]}], "row 0.* unknown role"),
        ({}, [{}], "data.json', row 0, column 'conversations': there is no list of messages"),
        (
            {},
            [{"conversations": [{"from": "user"}]}],
            "row 0.* unknown role 'user'; the tags in dataset_info",
        ),
    ],
)
def test_a_bad_llama_factory_data_set_is_named(tmp_path, info, records, problem):
    with pytest.raises(DatasetError, match=problem):
        imported(llama_factory(tmp_path, info, records), "llama-factory")


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
