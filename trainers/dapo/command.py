"""`deepeyes dapo`: reinforcement learning in the environment."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch

from agents.actor import Backend, vllm_policy
from agents.chosen_tasks import with_tasks
from agents.event_loop import run as run_in_loop
from agents.metrics import summarise
from agents.policy import Policy, PolicyError, SamplingParams
from agents.qwen import ModelError, load_qwen
from agents.rollout import RolloutLimits, rollout
from agents.speaker import RolloutRequest
from agents.store import StoreError, TrajectoryWriter
from agents.trajectory import SeedLineage
from agents.transcript import ContextFull
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError, make_folder, require
from deepeyes_env.task import TaskSource
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.arguments import parse_options
from trainers.config import DapoConfig, Precision, check_precision
from trainers.dapo.group_rollout import NothingScored
from trainers.dapo.own_policy import own_policy
from trainers.dapo.prompts import Look, prompt_limit
from trainers.dapo.train import train_dapo
from trainers.distributed.layouts.base import NotFinite
from trainers.distributed.ranks import PeerFailed, Ranks, first_launched, launched
from trainers.distributed.shares import collected
from trainers.preflight.dry_run import NotReady, dry_run_dapo
from trainers.preflight.env_checks import add_validation
from trainers.runs.checkpoint import CheckpointError, latest_checkpoint
from trainers.runs.hub import HubError, push, require_token
from trainers.runs.interrupt import Interrupted
from trainers.runs.metrics import StepReport
from trainers.runs.run import require_run_dir


@dataclass(frozen=True, slots=True)
class DapoOptions:
    """Train a Qwen2.5-VL with DAPO on rollouts in the environment.

    Attributes:
        model: A Qwen2.5-VL checkpoint: directory or hub id.
        backend: What samples the rollouts: `transformers`, the model itself in this process (with
            `--train.staleness` a copy of it), or `vllm`, with the weights handed over at every step. A chat
            `api` is refused: it is not token-exact.
        urls: Addresses of vLLM servers (`deepeyes serve vllm`); none starts an engine in this process.
        weights: Folder through which the servers get new weights, under a name that they see too; default: a
            temporary one, for servers on this machine.
        run_dir: Where checkpoints, metrics and rollouts go; `deepeyes view RUN_DIR/rollouts/step-000001`
            shows what the first step sampled.
        resume: Go on from the newest checkpoint in `run_dir`.
        tasks: Other tasks than `env` has: families of its world, one JSON Lines file, parquet files, or a
            selection such as `deepeyes curate`'s `rl/tasks.json`.
        num_envs: Episodes at once, in each process.
        eval_tasks: Tasks of the validation split in an evaluation (greedy); 0 for none.
        keep_rollouts: Write the rollouts of every step.
        dtype: Precision of the weights in memory; `bfloat16` is for weights that stay as they are (LoRA).
        push_to_hub: Repository of the Hugging Face hub that gets the trained model at the end.
        dry_run: Check data, model, sandbox, search, judge and servers, print the plan of memory and time, and
            train nothing.
        gpus: GPUs that the plan is made for.
        env: The environment's settings.
        train: The trainer's settings.
    """

    model: str
    run_dir: Path
    backend: Backend = "transformers"
    urls: tuple[str, ...] = ()
    weights: Path | None = None
    resume: bool = False
    tasks: tuple[str, ...] = ()
    num_envs: int = 64
    eval_tasks: int = 64
    keep_rollouts: bool = True
    dtype: Precision = "float32"
    push_to_hub: str | None = None
    dry_run: bool = False
    gpus: int = 1
    env: EnvConfig = field(default_factory=EnvConfig)
    train: DapoConfig = field(default_factory=DapoConfig)


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: Something cannot be used, or training was interrupted; the message says what to do.
    """
    try:
        run(parse_options(DapoOptions, argv, "dapo"))
    except (
        ConfigError,
        ModelError,
        StoreError,
        DatasetError,
        CheckpointError,
        Interrupted,
        NothingScored,
        PolicyError,
        HubError,
        NotFinite,
        NotReady,
        PeerFailed,
    ) as error:
        raise SystemExit(f"deepeyes dapo: {error}") from error
    except ContextFull as error:
        raise SystemExit(
            f"deepeyes dapo: there is no room for the prompt: {error}; lower train.max_prompt_tokens or "
            "env.max_pixels"
        ) from error


def run(options: DapoOptions) -> None:
    """Train as `options` say."""
    _require_token_exact(options.backend)
    require(options.gpus >= 1, "gpus", options.gpus, "at least 1")
    check_precision(options.dtype, options.train)
    require(options.eval_tasks >= 0, "eval_tasks", options.eval_tasks, "at least 0")
    require(options.weights is None or bool(options.urls), "weights", str(options.weights), "with urls")
    options = replace(options, env=with_tasks(options.env, options.tasks, "train"))
    resume = latest_checkpoint(options.run_dir) if options.resume else None
    require_run_dir(options.run_dir, resume)
    if options.urls and options.backend == "transformers" and first_launched():
        print(f"{', '.join(options.urls)}: not asked, because backend = 'transformers' samples here")
    if options.dry_run:
        dry_run_dapo(options)
        return
    require_room(options)
    if options.push_to_hub is not None:
        require_token()
    make_folder("run_dir", options.run_dir)
    qwen = load_qwen(options.model, dtype=getattr(torch, options.dtype))
    policy: Policy = (
        vllm_policy(options.model, options.urls, "auto", options.weights)
        if options.backend == "vllm"
        else own_policy(options.train, qwen.model, qwen.tokenizer)
    )
    env = DeepEyesAsyncEnv(options.num_envs, options.env)
    validation = Validation(options, policy, env)
    try:
        _require_validation(options, env.tasks)
        train_dapo(
            options.train,
            qwen.model,
            qwen.tokenizer,
            env,
            policy=policy,
            run_dir=options.run_dir,
            resume=resume,
            on_step=RolloutLog(options.run_dir) if options.keep_rollouts else None,
            evaluate=validation if options.eval_tasks else None,
        )
    finally:
        env.close()
        run_in_loop(policy.close())
    if not Ranks().first:
        return
    trained = latest_checkpoint(options.run_dir)
    print(f"trained model: {trained / 'model'}")
    if options.push_to_hub is not None:
        print(f"pushed: {push(trained, options.push_to_hub, options.model)}")


def _require_validation(options: DapoOptions, tasks: TaskSource) -> None:
    if options.eval_tasks and tasks.size("validation") == 0:
        raise ConfigError(
            f"eval_tasks = {options.eval_tasks}: {tasks.name} has no validation tasks, so nothing tells "
            f"which model is best; {add_validation(options.env)}, or set --eval-tasks 0"
        )


def require_room(options: DapoOptions, processes: int | None = None) -> None:
    """Refuse an engine in every process, which would take the GPUs that the processes train on.

    Args:
        options: Of the command.
        processes: How many will train; default: as many as were launched.

    Raises:
        ConfigError: There are several, and no servers to sample with.
    """
    processes = launched() if processes is None else processes
    if options.backend == "vllm" and not options.urls and processes > 1:
        raise ConfigError(
            f"backend = 'vllm' without urls: no engine fits beside each of {processes} training processes; "
            "start servers on other GPUs (`deepeyes serve vllm`) and name them with --urls ADDRESS ..."
        )


def _require_token_exact(backend: Backend) -> None:
    if backend == "api":
        raise ConfigError(
            "backend = 'api': a chat API is not token-exact. DAPO trains on exactly the tokens that were "
            "sampled and on their log-probabilities; sample with `transformers` or `vllm`, or roll the API "
            "out with `deepeyes rollout --backend api` and use what it says as SFT data"
        )


@dataclass(frozen=True, slots=True)
class RolloutLog:
    """Writes the rollouts of each step to a directory of its own.

    Attributes:
        run_dir: Directory of the run.
    """

    run_dir: Path

    def __call__(self, report: StepReport) -> None:
        """Write one step's; a resumed run writes a step anew."""
        directory = self.run_dir / "rollouts" / f"step-{report.step:06d}"
        shutil.rmtree(directory, ignore_errors=True)
        with TrajectoryWriter(directory) as writer:
            for trajectory in report.trajectories:
                writer.append(trajectory)


@dataclass(frozen=True, slots=True)
class Validation:
    """Greedy answers to the first tasks of the validation split.

    Several processes answer a share each.

    Attributes:
        options: Of the command.
        policy: The policy in training.
        env: Where it acts.
        tell: Takes words about tasks that cannot be used.
    """

    options: DapoOptions
    policy: Policy
    env: DeepEyesAsyncEnv
    tell: Callable[[str], None] = field(default_factory=lambda: cache(_say))

    def __call__(self, step: int) -> Mapping[str, float]:
        """What the policy does after `step` steps."""
        train = self.options.train
        size = self.env.tasks.size("validation")
        count = self.options.eval_tasks if size is None else min(size, self.options.eval_tasks)
        requests = [RolloutRequest(i, "validation", SeedLineage(train.seed, step, i)) for i in range(count)]
        ranks, limit = Ranks(), prompt_limit(train, self.env, self.policy.vocabulary)
        with ranks.together("measuring prompts"):
            own_looks = [limit.look(one.index, one.split) for one in ranks.deal(requests)]
        looks = [Look(*one) for part in ranks.tell(own_looks) for one in part]
        unusable = [look.unusable for look in looks if look.unusable]
        for reason in unusable if ranks.first else ():
            self.tell(f"dapo: passed over in evaluations: {reason}")
        finished = rollout(
            self.policy,
            self.env,
            [one for one, look in zip(ranks.deal(requests), own_looks, strict=True) if look.fits],
            SamplingParams(temperature=0.0, max_tokens=train.max_turn_tokens),
            limits=RolloutLimits(train.max_tokens, tool_seconds=train.tool_seconds),
            infra_retries=train.infra_retries,
            lockstep=train.lockstep,
        )
        with ranks.together("evaluating"):
            own = list(finished)
        found = summarise(collected(ranks, own))
        counts = {"episodes": found.episodes, "scored": found.scored, "infra_failures": found.infra_failures}
        # Without a scored episode the rates are no zeros: there are none.
        figures = found.as_dict() if found.scored else counts
        too_long = count - found.episodes - len(unusable)
        return figures | {"prompts_too_long": too_long, "prompts_unusable": len(unusable)}


def _say(text: str) -> None:
    print(text, file=sys.stderr)
