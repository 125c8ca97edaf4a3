"""The texts a tiny model's tokenizer learns its words from: what it will read and write in the quickstart."""

from __future__ import annotations

import random

from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.images import EncodedImage
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.tasks.worlds.oracles.turns import UNKNOWN, answer, code
from deepeyes_env.tasks.worlds.perception import cards

REPEATS = 50
"""How often the texts are repeated, so that their words become single tokens before anything else."""

ENV = EnvConfig(prompt="minimal", sandbox_pixels="original")
"""The prompt that a tiny model reads."""

OBSERVATIONS = (
    "Code execution result:\nstdout:\n```\n\n```\n\nstderr:\n```\n\n```\n\nImages:\n<image>",
    "Error: the tool 'code' is not available.",
)
"""What the environment says after a turn (reference 1.4)."""

ENGLISH = (
    "You are a helpful assistant. Answer the question about the image. Think step by step inside "
    "<think> </think>, run Python inside <code> </code> to look closer at image_1, and put the final answer "
    "inside <answer> </answer>. Search the web with <tool_call> </tool_call>.",
    "image_1.crop((0,0,28,28)).resize((56,56)) image_1.size print() import matplotlib.pyplot as plt",
    "Look at the image: it is 448x448 in size. It is 1. I can read 2. Look: 3. The answer is 4.",
)
"""Words of the protocol that every prompt variant uses."""


def quickstart_corpus() -> list[str]:
    """Questions, turns and observations of the card tasks, and the words of the protocol."""
    canvas = EncodedImage.from_pil(Image.new("RGB", (cards.CANVAS, cards.CANVAS)))
    texts: list[str] = [system_prompt(ENV), *OBSERVATIONS, *ENGLISH]
    for colour in cards.COLOURS:
        texts.append(user_prompt(cards.question(colour), [canvas], ENV))
        texts.append(cards.where_question(colour))
    rng = random.Random(0)
    for large in (False, True):
        picture = cards.random_picture(rng, large=large)
        texts.append(code(cards.looking(picture), cards.crop_code((0, 0, 28, 28))))
        texts.append(answer(cards.reading(picture), "0"))
    texts.extend(answer(cards.READ_THOUGHT, text) for text in ("0", UNKNOWN))
    return texts * REPEATS
