"""DAPO: sample groups in the environment, keep those whose accuracy varies, update; again.

`train_dapo` is the whole algorithm, top to bottom. The objective is in `objective`, which groups train is
decided in `sampling`; `group_rollout` and `update` are a step's two halves, which `sampling_ahead` lets
overlap, and what happens between steps (records, evaluation, checkpoints, Ctrl-C) is in `run`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from torch.optim import AdamW
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_constant_schedule_with_warmup

from agents.pixels import PixelCache
from agents.policy import Policy
from agents.sampling import banned_mask
from agents.transformers_policy import TransformersPolicy
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from deepeyes_env.remote.host import RemoteTasks
from trainers.config import DapoConfig
from trainers.curation.keys import canonical
from trainers.dapo.group_rollout import Sampler, rollout_metrics
from trainers.dapo.own_policy import check_precisions, move_policy, own_policy
from trainers.dapo.sampling import Keep, accuracy_varies
from trainers.dapo.sampling_ahead import check_ahead, open_rollouts
from trainers.dapo.update import update
from trainers.distributed.engine import Engine, accelerator, checkpointing
from trainers.distributed.handover import hand_over, require_whole_model
from trainers.distributed.idle import idle_loss
from trainers.distributed.ranks import Ranks
from trainers.env_settings import deciding
from trainers.lora import adapted
from trainers.runs.metrics import Evaluate, Metrics, OnStep, StepReport, Stopwatch
from trainers.runs.progress import Progress
from trainers.runs.run import Hooks, open_run
from trainers.scoring import Scorer
from trainers.source_name import source_name

SHOWN = ("reward", "accuracy", "tool_use", "entropy", "groups_trained")
"""Metrics next to the progress bar."""


def train_dapo(
    config: DapoConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    env: DeepEyesAsyncEnv,
    *,
    policy: Policy | None = None,
    run_dir: Path | None = None,
    resume: Path | None = None,
    keep: Keep = accuracy_varies,
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
            default: the model itself, in this process, or with `config.staleness` a copy of it.
        run_dir: Where checkpoints, `metrics.jsonl` and tracker files go; None writes nothing.
        resume: Checkpoint directory to continue from.
        keep: Which groups train; the default is the project's rule, others are for experiments about it.
        on_step: Called after every step.
        evaluate: Called every `config.eval_every` steps and after the last one. It may use `env`.

    Returns:
        One dictionary of metrics per step.

    Raises:
        ConfigError: The policy is not token-exact, cannot sample ahead (`check_ahead`) or computes in another
            precision than the trainer (`check_precisions`); or there is no task that can be trained on.
        Interrupted: Ctrl-C; the state after the last whole step is saved in `run_dir`.
        CheckpointError: `resume` is no checkpoint of this configuration, or saving failed.
        NothingScored: The infrastructure failed in every rollout of a step.
        NotFinite: Gradients are infinite or no numbers, update after update.
    """
    policy = own_policy(config, model, tokenizer) if policy is None else require_token_exact(policy)
    with (
        adapted(model, config.lora_rank, config.lora_alpha, config.seed),
        checkpointing(model, config.gradient_checkpointing),
    ):
        return _train(config, model, tokenizer, env, policy, run_dir, resume, keep, on_step, evaluate)


def _train(
    config: DapoConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    env: DeepEyesAsyncEnv,
    policy: Policy,
    run_dir: Path | None,
    resume: Path | None,
    keep: Keep,
    on_step: OnStep | None,
    evaluate: Evaluate | None,
) -> list[Metrics]:
    if env.tasks.size("train") == 0:
        raise ConfigError(f"the source {env.tasks.name!r} has no train tasks; name files for that split")
    engine = _engine(config, model, run_dir)
    check_ahead(config, model, policy, engine.ranks.size)
    require_whole_model(engine, policy)
    check_precisions(config, policy, engine.accelerator.mixed_precision)
    move_policy(policy, engine.accelerator.device)
    scorer = _scorer(engine, model, policy)
    engine.idle = partial(idle_loss, engine.model, scorer)
    give_weights = partial(hand_over, engine, policy)
    anew = evaluate and partial(_evaluate_anew, give_weights, evaluate)
    hooks = Hooks(run_dir, resume, on_step, anew, config.eval_every)
    data = {"env": deciding(env.config), "tasks": _name_of(env, engine.ranks)}
    with open_run(
        "dapo", config, engine, tokenizer, hooks, data=data, total=config.steps, shown=SHOWN, health=True
    ) as run:
        # Sampling ahead, they talk of samples while others of their threads talk of updates.
        ranks = run.ranks.apart() if config.staleness else run.ranks
        # A prompt comes again in every epoch; what is wrong with it is told once.
        tell = cache(run.recorder.tell)
        sampler = Sampler(config, policy, env, run.recorder.working, tell, run.stop, ranks, keep)
        with open_rollouts(sampler, config.staleness, give_weights, engine.plain, run) as rollouts:
            for step in range(run.progress.step, config.steps):
                watch = Stopwatch()
                with watch("rollout"), run.sparing():
                    sampled = rollouts.take(step)
                metrics = rollout_metrics(step, sampled)
                with watch("update"):
                    train, turns = sampled.selection.train, env.config.max_turns
                    metrics |= update(config, step, engine, scorer, train, run, turns)
                report = StepReport(step + 1, metrics, watch.seconds, sampled.trajectories)
                run.end_step(report, Progress(step + 1, sampled.drawn, sampled.carried))
        return run.history


def _name_of(env: DeepEyesAsyncEnv, ranks: Ranks) -> dict[str, Any]:
    """What tells a resumed run whether its tasks are the same; of a server's, only how many they are."""
    named = {"name": env.tasks.name, "size": env.tasks.size("train")}
    if isinstance(env.tasks, RemoteTasks):
        return named
    digest = ""
    with ranks.together("reading the tasks"):
        if ranks.first:  # all have the same ones, and they may be gigabytes
            digest = hashlib.sha256(canonical(source_name(env.config.source, "train"))).hexdigest()
    return named | {"sha256": ranks.tell(digest)[0]}


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


def _evaluate_anew(give_weights: Callable[[], None], evaluate: Evaluate, step: int) -> Mapping[str, float]:
    """Evaluate what the last update made of the model, not what this step's rollouts were sampled with."""
    give_weights()
    return evaluate(step)


def _scorer(engine: Engine, model: PreTrainedModel, policy: Policy) -> Scorer:
    """Prepares each picture once for policy and trainer, where they are in one process."""
    pixels = policy.pixels if isinstance(policy, TransformersPolicy) else PixelCache()
    banned = banned_mask(policy.vocabulary, model.config.text_config.vocab_size)
    return Scorer(policy.vocabulary, pixels, banned, engine.accelerator.device, engine.sharded)


def _engine(config: DapoConfig, model: PreTrainedModel, run_dir: Path | None) -> Engine:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
    updates_per_step = config.minibatches * config.inner_updates
    schedule = get_constant_schedule_with_warmup(optimizer, config.warmup_steps * updates_per_step)
    return Engine(accelerator(config, run_dir), model, optimizer, schedule, config.max_grad_norm)
