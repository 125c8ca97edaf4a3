"""Our agent inside lmms-eval's own run, on a few local pictures: policy, tools and scores are real."""

import base64
import io
import json
from pathlib import Path

import pytest
from chat_server import ChatServer, says
from PIL import Image

from agents.qwen import save_qwen
from agents.tiny import build_tiny

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (20, 60, 230)}

TASK = """
task: colours
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_messages: !function colours.messages
doc_to_text: "{{{{question}}}}"
doc_to_visual: !function colours.pictures
doc_to_target: "{{{{answer}}}}"
process_results: !function colours.score
metric_list: [{{metric: right, aggregation: mean, higher_is_better: true}}]
generation_kwargs: {{max_new_tokens: 16}}
"""

FUNCTIONS = """
import base64, io
from PIL import Image
def pictures(doc):
    return [Image.open(io.BytesIO(base64.b64decode(doc["image"]))).convert("RGB")]
def messages(doc, lmms_eval_specific_kwargs=None):
    content = [{"type": "image", "url": pictures(doc)[0]}, {"type": "text", "text": doc["question"]}]
    return [{"role": "user", "content": content}]
def score(doc, results):
    return {"right": float(results[0] == doc["answer"])}
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A folder for `--include_path` with one task of three questions."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    with (folder / "colours.jsonl").open("w") as file:
        for name, colour in COLOURS.items():
            encoded = io.BytesIO()
            Image.new("RGB", (84, 56), colour).save(encoded, format="PNG")
            image = base64.b64encode(encoded.getvalue()).decode()
            record = {"question": "What colour is the picture?", "answer": name, "image": image}
            file.write(json.dumps(record) + "\n")
    (folder / "colours.py").write_text(FUNCTIONS)
    (folder / "colours.yaml").write_text(TASK.format(data=folder / "colours.jsonl"))
    return folder


def evaluated(lmms_eval, task: Path, out: Path, arguments: str) -> tuple[float, list[dict]]:
    """The task's score and its samples, from lmms-eval's command line."""
    printed = lmms_eval(
        *("-m", "lmms_eval", "--model", "deepeyes", "--model_args", arguments),
        *("--tasks", "colours", "--include_path", str(task), "--batch_size", "1", "--device", "cpu"),
        *("--log_samples", "--output_path", str(out), "--verbosity", "ERROR"),
        HF_HOME=str(out / "cache"),
    )
    assert list(out.rglob("*_results.json")), printed  # lmms-eval ends with status 0 after an error
    (results,) = out.rglob("*_results.json")
    (samples,) = out.rglob("*_samples_colours.jsonl")
    score = json.loads(results.read_text())["results"]["colours"]["right,none"]
    return score, [json.loads(line) for line in samples.read_text().splitlines()]


def looks_then_answers(server: ChatServer, request: dict):
    """Crops with code first; then answers with the colour that the first picture has."""
    said = [one for one in request["messages"] if one["role"] == "assistant"]
    if not said:
        code = "print(image_1.size)\nimage_1.crop((0, 0, 56, 56)).show()"
        return says(f"<think>look</think>\n<code>\n```python\n{code}\n```\n</code>")(server, request)
    urls = [
        part["image_url"]["url"]
        for one in request["messages"]
        if isinstance(one["content"], list)
        for part in one["content"]
        if part["type"] == "image_url"
    ]
    assert len(urls) == 2, "the cell's picture has come back"
    picture = Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2]))).convert("RGB")
    seen = picture.getpixel((20, 20))
    nearest = min(COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(COLOURS[name], seen, strict=True)))
    return says(f"<think>seen</think>\n<answer>{nearest}</answer>")(server, request)


def test_an_agent_that_looks_is_right_in_lmms_eval(lmms_eval, task, tmp_path):
    with ChatServer(looks_then_answers) as server:
        arguments = f"policy=scripted,backend=api,urls={server.url},num_envs=2"
        score, samples = evaluated(lmms_eval, task, tmp_path / "out", arguments)
    assert score == 1.0
    assert [one["filtered_resps"] for one in samples] == list(COLOURS)
    assert len(server.requests) == 6


def test_a_tiny_model_plays_in_lmms_eval(lmms_eval, task, tmp_path):
    save_qwen(build_tiny(0), tmp_path / "tiny")
    arguments = f"policy={tmp_path / 'tiny'},max_turn_tokens=8,num_envs=3"
    score, samples = evaluated(lmms_eval, task, tmp_path / "out", arguments)
    assert score == 0.0
    assert [one["filtered_resps"] for one in samples] == ["", "", ""]
