import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.sft_json import Conversation, read_record

COLOURS = ("red", "lime", "blue")


def record(**changes: Any) -> dict[str, Any]:
    """A record as reference 4.1 describes it."""
    return {
        "messages": [
            {"role": "system", "content": "Act as an agent."},
            {"role": "user", "content": "<image>\nWhat is it?"},
            {"role": "assistant", "content": "<think>x</think>\n<code>\n```python\n1\n```\n</code>"},
            {"role": "user", "content": "Code execution result:\nImages:\n<image><image>"},
            {"role": "assistant", "content": "<think>y</think>\n<answer>A lamp</answer>"},
        ],
        "images": [f"images/7_00{place}.png" for place in range(3)],
    } | changes


def write(folder: Path, records: Any) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for place, colour in enumerate(COLOURS):
        Image.new("RGB", (30, 30), colour).save(folder / "images" / f"7_00{place}.png")
    path = folder / "sft_part_0.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def read(path: Path, image_root: Path | None = None) -> list[Conversation]:
    root = (image_root or path.parent).resolve()
    return [read_record(one, path, row, root) for row, one in enumerate(json.loads(path.read_text()))]


def test_markers_take_the_images_in_order(tmp_path: Path) -> None:
    (conversation,) = read(write(tmp_path, [record()]))
    assert conversation.name == "sft_part_0/0"
    assert [message.role for message in conversation.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert [len(message.images) for message in conversation.messages] == [0, 1, 0, 2, 0]
    shown = [image for message in conversation.messages for image in message.images]
    pixels = [image.decode().getpixel((0, 0)) for image in shown]
    assert pixels == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def test_text_only_conversations_have_no_images(tmp_path: Path) -> None:
    text = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}
    (conversation,) = read(write(tmp_path, [text]))
    assert all(message.images == () for message in conversation.messages)


def test_images_may_stand_in_another_folder(tmp_path: Path) -> None:
    path = write(tmp_path, [record()])
    moved = tmp_path / "parts"
    moved.mkdir()
    (conversation,) = read(path.rename(moved / path.name), image_root=tmp_path)
    assert sum(len(message.images) for message in conversation.messages) == 3


BAD = {
    "too few images": (record(images=["images/7_000.png"]), "3 <image> markers for 1 images"),
    "too many images": (record(images=["images/7_000.png"] * 4), "3 <image> markers for 4 images"),
    "no images": (record(images=None), "3 <image> markers for 0 images"),
    "missing image": (record(images=["images/7_000.png", "images/gone.png", "images/7_002.png"]), "gone.png"),
    "escaping image": (record(images=["../secret.png"] * 3), "lies outside"),
    "image that is no path": (record(images=["\0"] * 3), "is no path"),
    "not an image": (record(images=["sft_part_0.json"] * 3), "does not decode"),
    "unknown role": (record(messages=[{"role": "tool", "content": "x"}]), "unknown role 'tool'"),
    "no text": (record(messages=[{"role": "user", "content": None}]), "no text"),
    "no messages": ({"images": []}, "column 'messages'"),
    "empty": (record(messages=[], images=[]), "empty"),
    "not an object": (17, "not an object"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_named(tmp_path: Path, case: str) -> None:
    bad, problem = BAD[case]
    with pytest.raises(DatasetError, match=problem) as caught:
        read(write(tmp_path, [record(), bad]))
    assert caught.value.row == 1
    assert "sft_part_0.json" in str(caught.value)
