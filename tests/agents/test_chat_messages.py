"""Conversations as chat messages: every image in its place, as every service can read it."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from talk import SYSTEM, noise_image, scripted, seen, vocabulary

from agents.chat.messages import chat_messages
from agents.transcript import Transcript
from deepeyes_env.chat_parts import data_url
from deepeyes_env.images import EncodedImage


def decoded(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64", "data:image/webp;base64")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def kinds(message: dict[str, Any]) -> list[str]:
    return [part["text"] if part["type"] == "text" else "<image>" for part in message["content"]]


def test_a_trajectory_and_its_transcript_read_the_same() -> None:
    trajectory = scripted()
    system, question, look, seen_again, answer = chat_messages(trajectory)
    assert system == {"role": "system", "content": SYSTEM}
    assert question["role"] == seen_again["role"] == "user"
    assert kinds(question) == ["<image>", "\nWhat?"]
    assert kinds(seen_again) == ["Images:\n", "<image>"]
    assert [look["content"], answer["content"]] == [turn.text for turn in trajectory.turns]
    assert decoded(seen_again["content"][1]["image_url"]["url"]).size == (56, 112)


def test_images_stand_where_their_markers_stand() -> None:
    transcript = Transcript(vocabulary())
    images = [noise_image(number, 2 + number) for number in range(3)]
    transcript.start(SYSTEM, seen("a<image>b<image><image>c", *images))
    [_, message] = chat_messages(transcript)
    assert kinds(message) == ["a", "<image>", "b", "<image>", "<image>", "c"]
    shown = [part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url"]
    assert [decoded(url).width for url in shown] == [56, 84, 112]


def test_a_message_is_never_empty() -> None:
    transcript = Transcript(vocabulary())
    transcript.start(SYSTEM, seen(""))
    [_, message] = chat_messages(transcript)
    assert kinds(message) == [" "]


def encoded(format: str, orientation: int = 1) -> EncodedImage:
    picture = Image.fromarray(np.full((28, 56, 3), 128, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, format, **({"exif": exif} if format != "BMP" else {}))
    return EncodedImage.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_services_take_is_sent_as_it_is(format: str) -> None:
    image = encoded(format)
    head, _, data = data_url(image).partition(",")
    assert head == f"data:image/{format.lower()};base64"
    assert base64.b64decode(data) == image.data


@pytest.mark.parametrize(("format", "orientation"), [("BMP", 1), ("GIF", 1), ("JPEG", 6), ("PNG", 8)])
def test_any_other_is_sent_as_png_and_upright(format: str, orientation: int) -> None:
    image = encoded(format, orientation)
    picture = decoded(data_url(image))
    assert picture.format == "PNG"
    assert picture.size == (image.width, image.height) == ((28, 56) if orientation > 4 else (56, 28))
    assert picture.getexif().get(0x0112) is None
