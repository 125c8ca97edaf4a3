"""What an update is measured on: conversations of a given length with pictures, made of random tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.policy import Sample
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from benchmarks.speed.pictures import picture
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from trainers.dapo.experience import Experience


@dataclass(frozen=True, kw_only=True)
class UpdateLoad:
    """The batch of one update.

    Attributes:
        trajectories: How many, half of them right.
        micro_batch: Trajectories per forward pass.
        tokens: Tokens of each, up to a turn; half of them or more are sampled.
        turn: Sampled tokens of a turn.
        side: Side of the pictures in pixels; there is one in the question and one in every second result.
    """

    trajectories: int
    micro_batch: int
    tokens: int
    turn: int
    side: int


def experiences(load: UpdateLoad, vocabulary: Vocabulary) -> list[Experience]:
    """The batch, as `trainers.dapo.update` takes it."""
    made = [_conversation(load, vocabulary, number) for number in range(load.trajectories)]
    return [
        Experience(one, 1.0 - 2.0 * (n % 2), one.loss_mask, one.logprobs, one.loss_mask.astype(np.float32))
        for n, one in enumerate(made)
    ]


def _conversation(load: UpdateLoad, vocabulary: Vocabulary, number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    plain = np.setdiff1d(np.arange(vocabulary.size), [*vocabulary.banned_ids, vocabulary.im_end])
    transcript = Transcript(vocabulary, name=f"load/{number}", max_tokens=2 * load.tokens + 4096)
    image = EncodedImage.from_pil(picture(load.side, number % 16))
    transcript.start("Look.", Observation("<image>\nWhat is it?", (image,)))
    while True:
        ids = rng.choice(plain, load.turn)
        logprobs = np.full(load.turn, -1.0, np.float32)
        transcript.append_sample(Sample(ids, logprobs, vocabulary.decode(ids), "stop"))
        transcript.annotate("code", True)
        if len(transcript) >= load.tokens:
            break
        shown = (image,) if len(transcript.turns) % 2 == 0 else ()
        words = "It is seven. " * (load.turn // 16)
        transcript.append_observation(Observation("<image>" * len(shown) + words, shown))
    return transcript.to_trajectory(
        family="load",
        question="What is it?",
        reference="7",
        answer=None,
        reward=Reward(0.0, 0.0, 0.0),
        outcome=Outcome.ANSWERED,
        lineage=SeedLineage(0, prompt=number),
    )


def training_flops(config: Any, batch: list[Experience]) -> float:
    """Floating-point operations that an update needs; what is computed twice counts once.

    Two a weight and token forward, twice as many backward (Kaplan et al. 2020, section 2.1), the causal half
    of the attention, the output layer on sampled tokens alone. The vision tower's windows are left out.

    Args:
        config: The model's.
        batch: The update's trajectories.
    """
    text, vision = config.text_config, config.vision_config
    width, heads = text.hidden_size, text.num_attention_heads
    attention = width * width * (2 + 2 * text.num_key_value_heads / heads)
    layer = attention + 3 * width * text.intermediate_size
    patch_layer = 4 * vision.hidden_size**2 + 3 * vision.hidden_size * vision.intermediate_size
    total = 0.0
    for one in batch:
        tokens, sampled = len(one.mask), int(one.mask.sum())
        total += text.num_hidden_layers * (2 * layer * tokens + 2 * tokens**2 * width)
        total += 2 * text.vocab_size * width * sampled
        for image in one.trajectory.image_spans:
            patches = int(np.prod(image.grid))
            total += vision.depth * 2 * patch_layer * patches
            total += len(vision.fullatt_block_indexes) * 4 * patches**2 * vision.hidden_size
    return 3 * total
