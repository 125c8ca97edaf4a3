"""Conversations for the tests of the agent core."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image

from agents.policy import GenerationRequest
from agents.qwen import Qwen
from agents.tiny import TinyShape, build_tiny
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward

SYSTEM = "You are a helpful assistant."


@cache
def tiny() -> Qwen:
    """A tiny model whose weights are sharpened, so that it has opinions."""
    qwen = build_tiny(seed=3, shape=TinyShape(hidden=64, layers=2, vision_layers=2))
    with torch.no_grad():
        for parameter in qwen.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(1.5)
    return qwen


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(tiny().tokenizer)


@cache
def noise_image(seed: int, columns: int = 3, rows: int = 2) -> EncodedImage:
    pixels = np.random.default_rng(seed).integers(0, 255, (28 * rows, 28 * columns, 3), dtype=np.uint8)
    return EncodedImage.from_pil(Image.fromarray(pixels))


def seen(text: str, *images: EncodedImage) -> Observation:
    return Observation(text, images)


def finish(transcript: Transcript, outcome: Outcome = Outcome.ANSWERED) -> Trajectory:
    return transcript.to_trajectory(
        family="test",
        question="What?",
        reference="7",
        answer="7",
        reward=Reward(1.0, 1.0, 1.0),
        outcome=outcome,
        lineage=SeedLineage(1, 2, 3, 4),
        versions={"policy": "tiny"},
    )


def scripted(*, name: str = "t") -> Trajectory:
    """Two images, two turns, made without sampling."""
    transcript = Transcript(vocabulary(), name=name)
    transcript.start(SYSTEM, seen("<image>\nWhat?", noise_image(0)))
    transcript.append_text("<think>look</think><code>\n```python\nimage_1.show()\n```\n</code>")
    transcript.annotate("code", True)
    transcript.append_observation(seen("Images:\n<image>", noise_image(1, 2, 4)))
    transcript.append_text("<think>seven</think><answer>7</answer>")
    transcript.annotate("answer")
    return finish(transcript)


def prompt(images: int, words: int, first: int = 0) -> Transcript:
    """A conversation's beginning: so many images of different sizes, so many words."""
    transcript = Transcript(vocabulary(), name=f"{images}-{words}")
    pictures = [noise_image(first + n, 2 + n, 3) for n in range(images)]
    transcript.start(SYSTEM, seen("<image>" * images + "word " * words, *pictures))
    return transcript


def mixed() -> list[GenerationRequest]:
    """Requests of different lengths, two of them with the same prompt."""
    shapes = [(0, 3), (1, 9), (2, 1), (0, 40), (3, 4), (1, 9)]
    return [prompt(*shape).to_request(seed) for seed, shape in enumerate(shapes)]
