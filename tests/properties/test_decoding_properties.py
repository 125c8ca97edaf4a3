"""Whatever is decoded together, in however many rows and with whatever kept: a request gives its sample."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from agents.policy import Sample, SamplingParams
from agents.qwen import Qwen
from agents.tiny import TinyShape, build_tiny
from agents.transcript import Transcript
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage


@cache
def qwen() -> Qwen:
    built = build_tiny(seed=1, shape=TinyShape(hidden=32, layers=2, vision_layers=1))
    with torch.no_grad():
        for parameter in built.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return built


@cache
def image(seed: int, columns: int, rows: int) -> EncodedImage:
    pixels = np.random.default_rng(seed).integers(0, 255, (28 * rows, 28 * columns, 3), dtype=np.uint8)
    return EncodedImage.from_pil(Image.fromarray(pixels))


@dataclass(frozen=True)
class Script:
    """A conversation: what is shown before each of its turns, and how long these may get."""

    shown: tuple[Observation, ...]
    max_tokens: int


IMAGES = st.lists(st.builds(image, st.integers(0, 3), st.integers(2, 4), st.integers(2, 3)), max_size=2)
OBSERVATIONS = st.builds(
    lambda images, words: Observation("<image>" * len(images) + "word " * words, tuple(images)),
    IMAGES,
    st.integers(0, 15),
)
SCRIPTS = st.builds(Script, st.lists(OBSERVATIONS, min_size=1, max_size=3).map(tuple), st.integers(1, 10))
GROUPS = st.lists(st.tuples(SCRIPTS, st.integers(1, 3)), min_size=1, max_size=3)


def play(scripts: list[Script], max_rows: int, cache_bytes: int) -> list[list[Sample]]:
    """All conversations side by side, turn by turn; a conversation's seed is its number."""
    policy = TransformersPolicy(qwen().model, qwen().tokenizer, max_rows=max_rows, cache_bytes=cache_bytes)
    talks = [Transcript(Vocabulary(qwen().tokenizer), name=str(n)) for n in range(len(scripts))]
    said: list[list[Sample]] = [[] for _ in scripts]
    for turn in range(max(len(script.shown) for script in scripts)):
        for tokens in {script.max_tokens for script in scripts}:
            due = [n for n, s in enumerate(scripts) if s.max_tokens == tokens and len(s.shown) > turn]
            for n in due:
                if turn:
                    talks[n].append_observation(scripts[n].shown[turn])
                else:
                    talks[n].start("system", scripts[n].shown[0])
            requests = [talks[n].to_request(n) for n in due]
            samples = policy.generate_all(requests, SamplingParams(1.0, tokens))
            for n, sample in zip(due, samples, strict=True):
                talks[n].append_sample(sample)
                said[n].append(sample)
    return said


@settings(max_examples=12)
@given(GROUPS, st.integers(1, 6), st.sampled_from([0, 20_000, 60_000, 2**30]))
def test_neither_rows_nor_kept_prefixes_change_a_sample(groups, max_rows, cache_bytes):
    scripts = [script for script, copies in groups for _ in range(copies)]
    expected = play(scripts, max_rows=1, cache_bytes=0)
    for own, others in zip(play(scripts, max_rows, cache_bytes), expected, strict=True):
        for sample, other in zip(own, others, strict=True):
            np.testing.assert_array_equal(sample.token_ids, other.token_ids)
            np.testing.assert_allclose(sample.logprobs, other.logprobs, atol=1e-4)
            assert sample.finish_reason == other.finish_reason
