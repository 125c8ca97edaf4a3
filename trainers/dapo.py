"""DAPO: sample groups in the environment, keep those whose accuracy varies, update; again.

`train_dapo` is the whole algorithm, top to bottom; the objective is in `objective`, which groups train is
decided in `sampling`, and what happens between steps (records, evaluation, checkpoints, Ctrl-C) in `run`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.optim import AdamW
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_constant_schedule_with_warmup

from agents.batch import token_logprobs_and_entropy
from agents.event_loop import run as run_in_loop
from agents.metrics import summarise
from agents.pixels import PixelCache
from agents.policy import Policy, SamplingParams
from agents.rollout import RolloutLimits, group_requests, rollout
from agents.sampling import banned_mask
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from trainers.batching import micro_batches, prompt_index, shuffled
from trainers.checkpoint import Progress
from trainers.config import DapoConfig
from trainers.engine import Engine, accelerator, training
from trainers.metrics import Evaluate, Metrics, OnStep, StepReport, Stopwatch
from trainers.objective import Clip, LossStats, TokenBatch, dapo_loss, group_advantages, overlong_penalty
from trainers.run import Hooks, Run, open_run
from trainers.sampling import Group, Selection, StepSampler
from trainers.scoring import Scorer

SHOWN = ("reward", "accuracy", "tool_use", "entropy", "groups_trained")
"""Metrics next to the progress bar."""


class NothingScored(RuntimeError):
    """Every rollout of a step ended in an infrastructure failure."""


def train_dapo(
    config: DapoConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    env: DeepEyesAsyncEnv,
    *,
    policy: Policy | None = None,
    run_dir: Path | None = None,
    resume: Path | None = None,
    on_step: OnStep | None = None,
    evaluate: Evaluate | None = None,
) -> list[Metrics]:
    """Train `model` in place on rollouts in `env`.

    Args:
        config: Settings.
        model: Qwen2.5-VL; trained in place.
        tokenizer: Its tokenizer.
        env: Where the policy acts; tasks come from its `train` split.
        policy: Samples the rollouts, with the model's weights from step to step and for every evaluation;
            default: the model itself, in this process.
        run_dir: Where checkpoints, `metrics.jsonl` and tracker files go; None writes nothing.
        resume: Checkpoint directory to continue from.
        on_step: Called after every step.
        evaluate: Called every `config.eval_every` steps and after the last one. It may use `env`.

    Returns:
        One dictionary of metrics per step.

    Raises:
        ConfigError: The policy is not token-exact.
        Interrupted: Ctrl-C; the state after the last whole step is saved in `run_dir`.
        CheckpointError: `resume` is no checkpoint of this configuration, or saving failed.
        NothingScored: The infrastructure failed in every rollout of a step.
    """
    engine = _engine(config, model, run_dir)
    policy = TransformersPolicy(model, tokenizer) if policy is None else require_token_exact(policy)
    scorer = _scorer(engine, model, policy)

    def hand_over() -> None:
        run_in_loop(policy.update_weights(engine.accelerator.unwrap_model(engine.model)))

    hooks = Hooks(run_dir, resume, on_step, evaluate and partial(_evaluate_anew, hand_over, evaluate))
    data = {"env": asdict(env.config), "tasks": env.tasks.name, "num_envs": env.num_envs}
    with open_run(
        "dapo", config, engine, tokenizer, hooks, data=data, total=config.steps, shown=SHOWN
    ) as run:
        for step in range(run.progress.step, config.steps):
            watch = Stopwatch()
            with watch("rollout"):
                hand_over()
                sampled = _sample(config, step, policy, env, run)
            metrics = _rollout_metrics(sampled)
            with watch("update"):
                metrics |= _update(config, step, engine, scorer, sampled.selection.train, run)
            report = StepReport(step + 1, metrics, watch.seconds, sampled.trajectories)
            run.end_step(report, Progress(step + 1, sampled.drawn, sampled.selection.carried))
        return run.history


def require_token_exact(policy: object) -> Policy:
    """The policy, if DAPO can train on what it samples.

    Raises:
        ConfigError: It gives text instead of the sampled ids and their log-probabilities.
    """
    if isinstance(policy, Policy):
        return policy
    raise ConfigError(
        f"policy = {type(policy).__name__}: not token-exact. DAPO trains on exactly the tokens that were "
        "sampled and on their log-probabilities, which chat APIs and scripts do not give; sample with "
        "`transformers` or `vllm`, or use what it says as SFT data"
    )


def _evaluate_anew(hand_over: Callable[[], None], evaluate: Evaluate, step: int) -> Mapping[str, float]:
    """Evaluate what the last update made of the model, not what this step's rollouts were sampled with."""
    hand_over()
    return evaluate(step)


def _scorer(engine: Engine, model: PreTrainedModel, policy: Policy) -> Scorer:
    """Prepares each picture once for policy and trainer, where they are in one process."""
    pixels = policy.pixels if isinstance(policy, TransformersPolicy) else PixelCache()
    banned = banned_mask(policy.vocabulary, model.config.text_config.vocab_size)
    return Scorer(policy.vocabulary, pixels, banned, engine.accelerator.device)


def _engine(config: DapoConfig, model: PreTrainedModel, run_dir: Path | None) -> Engine:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
    updates_per_step = config.minibatches * config.inner_updates
    schedule = get_constant_schedule_with_warmup(optimizer, config.warmup_steps * updates_per_step)
    return Engine(accelerator(config, run_dir), model, optimizer, schedule, config.max_grad_norm)


# --- Sampling ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """What a step sampled.

    Attributes:
        groups: Groups sampled in this step, in order of draw.
        selection: What became of them and of those carried over.
        drawn: Prompts drawn in the run so far.
    """

    groups: tuple[Group, ...]
    selection: Selection
    drawn: int

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        return tuple(member for group in self.groups for member in group.members)


def _sample(config: DapoConfig, step: int, policy: Policy, env: DeepEyesAsyncEnv, run: Run) -> _Sampled:
    """Dynamic sampling: round after round, until enough groups train or the budget is used up."""
    sampler = StepSampler(config.prompts_per_step, config.max_rounds, run.progress.carried)
    groups: list[Group] = []
    drawn = run.progress.drawn
    while count := sampler.next_round():
        new = _sample_groups(config, step, range(drawn, drawn + count), policy, env, run)
        sampler.add(new)
        groups += new
        drawn += count
    return _Sampled(tuple(groups), sampler.selection(), drawn)


def _sample_groups(
    config: DapoConfig,
    step: int,
    draws: range,
    policy: Policy,
    env: DeepEyesAsyncEnv,
    run: Run,
) -> list[Group]:
    """Roll out one group per draw; a requested stop drops them all."""
    requests = [request for draw in draws for request in _group_requests(config, step, draw, env)]
    members: dict[int, dict[int, Trajectory]] = defaultdict(dict)
    episodes = rollout(
        policy,
        env,
        requests,
        SamplingParams(max_tokens=config.max_turn_tokens),
        limits=RolloutLimits(config.max_tokens, tool_seconds=config.tool_seconds),
        infra_retries=config.infra_retries,
        lockstep=config.lockstep,
    )
    with closing(episodes) as finished:  # at a stop too, and not only when its traceback is collected
        for done, trajectory in enumerate(finished, start=1):
            if run.stop.made:
                run.interrupt()
            run.recorder.working(f"rollout {done}/{len(requests)}")
            members[trajectory.lineage.prompt][trajectory.lineage.sample] = trajectory
    return [Group(draw, step, tuple(members[draw][i] for i in range(config.group_size))) for draw in draws]


def _group_requests(config: DapoConfig, step: int, draw: int, env: DeepEyesAsyncEnv) -> list[RolloutRequest]:
    index = prompt_index(config.seed, draw, env.tasks.size("train"))
    return group_requests(index, config.group_size, SeedLineage(config.seed, step, draw))


# --- Update --------------------------------------------------------------------------------------------


def _update(
    config: DapoConfig, step: int, engine: Engine, scorer: Scorer, groups: Sequence[Group], run: Run
) -> Metrics:
    """All optimiser updates of a step; none without groups."""
    if not groups:
        return {"updates": 0}
    run.recorder.working("updating")
    advantages = [advantages_of(config, group) for group in groups]
    count = min(config.minibatches, len(groups))
    # Every token of the step weighs the same, whichever mini-batch it falls into (as TRL's `dapo`).
    tokens = sum(int(m.loss_mask.sum()) for group in groups for m in _valid(group))
    losses, stats, norms, rate = [], LossStats(), [], 0.0
    for inner in range(config.inner_updates):
        order = shuffled(len(groups), config.seed, step, inner)
        for part in np.array_split(order, count):
            members = [member for i in part for member in _valid(groups[i])]
            signals = torch.cat([advantages[i] for i in part])
            loss, part_stats = _minibatch(config, engine, scorer, members, signals, tokens / count)
            update = engine.update()
            losses.append(loss)
            stats += part_stats
            norms.append(update.grad_norm)
            rate = update.learning_rate
    return {
        "updates": len(losses),
        "loss": float(np.mean(losses)),
        "grad_norm": float(np.mean(norms)),
        "learning_rate": rate,
        **stats.means(),
    }


def _minibatch(
    config: DapoConfig,
    engine: Engine,
    scorer: Scorer,
    members: Sequence[Trajectory],
    advantages: torch.Tensor,
    normaliser: float,
) -> tuple[float, LossStats]:
    """Add up the gradient of one mini-batch, one forward pass after the other."""
    clip = Clip(config.clip_low, config.clip_high)
    total, stats = 0.0, LossStats()
    with training(engine.model):
        for part in micro_batches(members, config.micro_batch_size):
            inputs = scorer.batch([members[i] for i in part])
            logprobs, entropy = token_logprobs_and_entropy(engine.model, inputs, scorer.banned)
            batch = TokenBatch(
                logprobs=logprobs,
                old_logprobs=inputs.logprobs[:, 1:],
                advantages=advantages[part].to(logprobs.device),
                mask=inputs.loss_mask[:, 1:],
                entropy=entropy,
            )
            loss, part_stats = dapo_loss(batch, clip, normaliser)
            engine.backward(loss)
            total += float(loss.detach())
            stats += part_stats
    return total, stats


def advantages_of(config: DapoConfig, group: Group) -> torch.Tensor:
    """Advantages of the `V` valid members of a group, float `[V]`."""
    rewards = torch.tensor([member.reward.total for member in group.members])
    if config.overlong_length:
        lengths = torch.tensor([int(member.loss_mask.sum()) for member in group.members])
        rewards = rewards + overlong_penalty(lengths, config.overlong_length, config.overlong_buffer)
    valid = torch.tensor(group.valid)
    return group_advantages(rewards, valid)[valid]


def _valid(group: Group) -> list[Trajectory]:
    return [member for member, ok in zip(group.members, group.valid, strict=True) if ok]


# --- Metrics -------------------------------------------------------------------------------------------


def _rollout_metrics(sampled: _Sampled) -> Metrics:
    """What the policy did, over all that was sampled, and which groups train.

    Raises:
        NothingScored: No rollout could be scored.
    """
    summary = summarise(sampled.trajectories)
    if not summary.scored:
        raise NothingScored(
            f"all {summary.episodes} rollouts of this step failed for infrastructure reasons, so there is "
            "nothing to learn from; check the sandbox and the search engine (`deepeyes play` runs one "
            "episode), then resume"
        )
    selection = sampled.selection
    unscored = sum(len(group.accuracies) < 2 for group in selection.dropped)
    solved = sum(len(group.accuracies) >= 2 and min(group.accuracies) > 0 for group in selection.dropped)
    return {
        **summary.as_dict(),
        "groups_drawn": len(sampled.groups),
        "groups_trained": len(selection.train),
        "groups_carried": len(selection.carried),
        "groups_all_right": solved,
        "groups_all_wrong": len(selection.dropped) - solved - unscored,
        "groups_unscored": unscored,
        "sampling_rounds": selection.rounds,
        "sampling_exhausted": int(selection.exhausted),
        "steps_skipped": int(not selection.train),
    }
