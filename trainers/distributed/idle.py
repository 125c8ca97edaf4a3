"""Passes that add nothing, for processes that have fewer to make than others.

Where a model is sharded, a pass needs all processes: one that has no trajectory left goes through a blank
picture instead.
"""

from __future__ import annotations

from typing import Any

import torch

from agents.batch import token_logprobs
from agents.trajectory import SeedLineage, Trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.episode import Observation
from deepeyes_env.outcome import Outcome
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.rewards.base import NO_REWARD
from trainers.distributed.blank import blank_picture
from trainers.scoring import Scorer


def idle_loss(model: Any, scorer: Scorer) -> torch.Tensor:
    """0, after a pass through all of the model; its gradient is 0 for every parameter.

    Args:
        model: What is called to score a batch.
        scorer: Makes the batch.
    """
    return 0.0 * token_logprobs(model, scorer.batch([_idler(scorer.vocabulary)]), scorer.banned).sum()


def _idler(vocabulary: Vocabulary) -> Trajectory:
    transcript = Transcript(vocabulary, name="idle")
    transcript.start("", Observation(IMAGE_MARKER, (blank_picture(),)))
    transcript.append_text("<answer></answer>")
    transcript.annotate("answer")
    return transcript.to_trajectory(
        family="idle",
        question="",
        reference="",
        answer="",
        reward=NO_REWARD,
        outcome=Outcome.ANSWERED,
        lineage=SeedLineage(0),
    )
