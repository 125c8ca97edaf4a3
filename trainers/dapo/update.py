"""A step's optimiser updates on the groups that train."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np
import torch

from agents.batch import token_logprobs_and_entropy
from trainers.batching import micro_batches, shuffled
from trainers.config import DapoConfig
from trainers.dapo.experience import Experience, corrected, experience, padded
from trainers.dapo.objective import Clip, LossStats, TokenBatch, dapo_loss
from trainers.dapo.sampling import Group
from trainers.distributed.engine import Engine, training
from trainers.distributed.shares import with_pictures
from trainers.runs.metrics import Metrics
from trainers.runs.run import Run
from trainers.scoring import Scorer


def update(
    config: DapoConfig,
    step: int,
    engine: Engine,
    scorer: Scorer,
    groups: Sequence[Group],
    run: Run,
    max_turns: int,
) -> Metrics:
    """All optimiser updates of a step; none without a token that trains.

    Args:
        config: Settings.
        step: Number of the step, from 0.
        engine: Model and optimiser.
        scorer: Makes batches.
        groups: What trains.
        run: Is told what is being done.
        max_turns: Turns after which the environment ends an episode.
    """
    members = [experience(config, group, max_turns) for group in groups]
    valid = sum(sum(group.valid) for group in groups)
    metrics: Metrics = {"trajectories_masked": valid - sum(map(len, members))}
    if config.mismatch != "off" and any(members):
        run.recorder.working("scoring")
        members, mismatch = _corrected(config, engine, scorer, members)
        metrics |= mismatch
    # What has no token that trains costs no forward pass, and no mini-batch is without one.
    trained = [[one for one in group if one.mask.any()] for group in members]
    trained = [group for group in trained if group]
    if not trained:
        return metrics | {"updates": 0}
    run.recorder.working("updating")
    return metrics | _updates(config, step, engine, scorer, trained)


def _corrected(
    config: DapoConfig, engine: Engine, scorer: Scorer, groups: Sequence[Sequence[Experience]]
) -> tuple[list[list[Experience]], Metrics]:
    """`corrected`, group by group: all are scored before the first update."""
    done, metrics = corrected(config, engine, scorer, [one for group in groups for one in group])
    each = iter(done)
    return [[next(each) for _ in group] for group in groups], metrics


def _updates(
    config: DapoConfig, step: int, engine: Engine, scorer: Scorer, groups: Sequence[Sequence[Experience]]
) -> Metrics:
    count = min(config.minibatches, len(groups))
    # Every token of the step weighs the same, whichever mini-batch it falls into (as TRL's `dapo`). Those
    # that a mask took out are not counted (as verl's `token-mean` over what its masks leave).
    tokens = sum(int(one.mask.sum()) for group in groups for one in group)
    losses, stats, norms, rate, skipped = [], LossStats(), [], 0.0, 0
    for inner in range(config.inner_updates):
        order = shuffled(len(groups), config.seed, step, inner)
        for part in np.array_split(order, count):
            members = [one for i in part for one in groups[i]]
            loss, part_stats = minibatch(config, engine, scorer, members, tokens / count)
            done = engine.update()
            if done.skipped:  # its figures are no numbers
                skipped += 1
                continue
            losses.append(loss)
            stats += part_stats
            norms.append(done.grad_norm)
            rate = done.learning_rate
    counts: Metrics = {"updates": len(losses), "updates_skipped": skipped}
    if not losses:
        return counts
    return {
        **counts,
        "loss": float(np.mean(losses)),
        "grad_norm": float(np.mean(norms)),
        "learning_rate": rate,
        **stats.means(),
    }


def minibatch(
    config: DapoConfig, engine: Engine, scorer: Scorer, members: Sequence[Experience], normaliser: float
) -> tuple[float, LossStats]:
    """Add up the gradient of this process's share of one mini-batch, one forward pass after the other.

    Returns:
        Loss and sums of all shares.
    """
    own = engine.share([len(one.trajectory.input_ids) for one in members])
    seen = with_pictures(engine.ranks, [one.trajectory for one in members], own)
    members = [replace(members[i], trajectory=one) for i, one in zip(own, seen, strict=True)]
    clip = Clip(config.clip_low, config.clip_high, config.dual_clip or math.inf)
    total, stats = 0.0, LossStats()
    with training(engine.model):
        for part in engine.passes(micro_batches(seen, config.micro_batch_size)):
            batch = token_batch(engine, scorer, [members[i] for i in part])
            loss, part_stats = dapo_loss(batch, clip, normaliser)
            engine.backward(loss)
            total += float(loss.detach())
            stats += part_stats
    total, *sums = engine.ranks.total([total, *astuple(stats)])
    return total, LossStats(*sums)


def token_batch(engine: Engine, scorer: Scorer, members: Sequence[Experience]) -> TokenBatch:
    """Score `members` under the current weights, with gradient: one forward pass."""
    inputs = scorer.batch([one.trajectory for one in members])
    logprobs, entropy = token_logprobs_and_entropy(engine.model, inputs, scorer.banned)
    return TokenBatch(
        logprobs=logprobs,
        old_logprobs=padded([one.old_logprobs for one in members], logprobs),
        advantages=torch.tensor([one.advantage for one in members], device=logprobs.device),
        mask=padded([one.mask for one in members], logprobs),
        entropy=entropy,
        weights=padded([one.weights for one in members], logprobs),
    )
