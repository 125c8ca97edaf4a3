"""`--dry-run`: check everything, print what a run will take, and touch no GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from agents.qwen import ModelError
from deepeyes_env.errors import ConfigError
from trainers.preflight import plan
from trainers.preflight.checks import FIRST, Check, Finding, examine, model_check, read_config
from trainers.preflight.env_checks import env_checks
from trainers.preflight.plan import GIB, Memory, ModelSize, Training, model_size, training_memory

if TYPE_CHECKING:
    from trainers.config import DapoConfig, SftConfig
    from trainers.dapo.command import DapoOptions
    from trainers.sft.command import SftOptions

PIXELS_PER_TOKEN = 28 * 28
"""Pixels that one visual token stands for (`deepeyes_env.images.PATCH_FACTOR` squared)."""


Row = tuple[str, str, str]
"""What is told, of conversations of usual length and of the longest."""


class NotReady(RuntimeError):
    """A check of a dry run failed; the message names each of them and its mend."""


def dry_run_dapo(options: DapoOptions) -> None:
    """Check and plan a run of `deepeyes dapo`.

    Raises:
        NotReady: A check failed.
    """
    checks = [model_check(options.model), *env_checks(options.env, options.eval_tasks)]
    if options.backend == "vllm":
        checks.append(_vllm_check(options))
    train, env = options.train, options.env
    # The turn that begins below the limit comes on top of it.
    longest = train.max_tokens + train.max_turn_tokens
    pictures = train.micro_batch_size * (env.max_pixels + (env.max_turns - 1) * env.tool_max_pixels)
    training = _training(
        options, train, longest * train.micro_batch_size, visual=pictures // PIXELS_PER_TOKEN
    )
    lengths = (train.max_tokens * plan.MEAN_SHARE, float(longest))

    def rows(size: ModelSize) -> list[Row]:
        trajectories = train.prompts_per_step * train.group_size
        times = [_dapo_times(size, training, options, length) for length in lengths]
        sampler = [plan.cache_bytes(size, _conversations(options)) * length / GIB for length in lengths]
        return [
            ("trajectories a step", f"{trajectories:,}", f"{trajectories:,}"),
            *[(name, a, b) for (name, a), (_, b) in zip(*times, strict=True)],
            (
                "keys and values of the sampler",
                f"{sampler[0]:.0f} GiB",
                f"{sampler[1]:.0f} GiB",
            ),
        ]

    copied = train.staleness > 0 and options.backend == "transformers"
    _report("dapo", options, checks, training, rows, lengths, copied=copied)


def _conversations(options: DapoOptions) -> int:
    """How many one sampler holds at once: servers those of all processes, a policy those of its own."""
    from trainers.distributed.ranks import launched

    train = options.train
    processes = max(launched(), options.gpus) if options.urls else 1
    return min(options.num_envs * processes, train.prompts_per_step * train.group_size)


def dry_run_sft(options: SftOptions) -> None:
    """Check and plan a run of `deepeyes sft`.

    Raises:
        NotReady: A check failed.
    """
    checks = [model_check(options.model), Check("demonstrations", lambda: _demonstrations(options))]
    longest = max(options.max_tokens, options.train.packing)
    if not options.train.packing:
        longest *= options.train.micro_batch_size
    training = _training(options, options.train, longest, visual=longest)
    lengths = (options.max_tokens * plan.MEAN_SHARE, float(options.max_tokens))

    def rows(size: ModelSize) -> list[Row]:
        found = []
        for length in lengths:
            flops = plan.training_flops(size, training, options.train.batch_size, length)
            found.append((f"{flops:.1e}", _time(plan.training_seconds(flops, options.gpus))))
        return [
            ("operations a step", found[0][0], found[1][0]),
            ("a step", found[0][1], found[1][1]),
        ]

    _report("sft", options, checks, training, rows, lengths)


def _report(
    command: str,
    options: DapoOptions | SftOptions,
    checks: Sequence[Check],
    training: Training,
    rows: Callable[[ModelSize], list[Row]],
    lengths: tuple[float, float],
    *,
    copied: bool = False,
) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    findings = examine(checks)
    console.print(_findings(findings))
    try:
        size = model_size(read_config(options.model))
    except ModelError:
        size = None  # the model's check says why
    if size is not None:
        console.print(_memory(size, training, options.gpus, copied))
        mean, longest = lengths
        table = _table("time", "", f"{mean:,.0f} tokens each", f"{longest:,.0f} tokens each")
        for row in rows(size):
            table.add_row(*row)
        console.print(table)
        console.print(ASSUMPTIONS)
    failed = [finding for finding in findings if not finding.ok]
    if failed:
        listed = "\n".join(f"  {finding.name}: {finding.text}" for finding in failed)
        raise NotReady(f"{len(failed)} of {len(findings)} checks failed\n{listed}")
    console.print(f"all {len(findings)} checks passed: `deepeyes {command}` can start")


ASSUMPTIONS = (
    f"assumed: {plan.PEAK_SHARE:.0%} of the {plan.PEAK_FLOPS / 1e12:.0f} TFLOP/s that an H100 or H200 has in "
    f"bfloat16; conversations of {plan.MEAN_SHARE:.0%} of the limit on average; {plan.SAMPLED_SHARE:.0%} of "
    f"their tokens sampled, at {plan.GENERATED_PER_SECOND:,.0f} a second and GPU with the 7B model. Tools, "
    "judge and the longest turn come on top; in memory, what allocators waste, and a sampler on the same GPU."
)


def _findings(findings: Sequence[Finding]) -> Table:
    table = _table("checks", "", "", "")
    for finding in findings:
        table.add_row(finding.name, "ok" if finding.ok else "FAILED", finding.text)
    return table


def _memory(size: ModelSize, training: Training, gpus: int, copied: bool) -> Table:
    """Every part, on one GPU that holds all of the model, and on one of those that share it.

    With `copied` the policy that samples has weights of its own (`DapoConfig.staleness`).
    """
    layouts = {"each GPU has all": 1} | ({f"spread over {gpus} (FSDP2, ZeRO-3)": gpus} if gpus > 1 else {})
    plans = [training_memory(size, training, shards) for shards in layouts.values()]
    table = _table(f"memory of a GPU in GiB, {training.tokens:,} tokens at once", "", *layouts)
    for name in (*Memory.__dataclass_fields__, "total"):
        table.add_row(name, *[f"{getattr(one, name) / GIB:.1f}" for one in plans])
    if copied:
        copy = f"{size.parameters * training.weight_bytes / GIB:.1f}"
        table.add_row("weights of the policy that samples", *[copy] * len(plans))
    other = training_memory(size, replace(training, checkpointing=not training.checkpointing))
    how = "all kept" if training.checkpointing else "checkpointed"
    table.add_row(f"activations, {how}", *[f"{other.activations / GIB:.1f}"] * len(plans))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(
            column, justify="left" if number == 0 or title == "checks" else "right", overflow="fold"
        )
    return table


def _training(
    options: DapoOptions | SftOptions, train: DapoConfig | SftConfig, tokens: int, visual: int
) -> Training:
    return Training(
        tokens=tokens,
        visual_tokens=min(tokens, visual),
        weight_bytes=2 if options.dtype == "bfloat16" else 4,
        freeze_vision=getattr(train, "freeze_vision", False),
        lora_rank=train.lora_rank,
        checkpointing=train.gradient_checkpointing,
        packed=getattr(train, "packing", 0),
    )


def _dapo_times(
    size: ModelSize, training: Training, options: DapoOptions, tokens: float
) -> list[tuple[str, str]]:
    train = options.train
    trajectories = train.prompts_per_step * train.group_size
    flops = train.inner_updates * plan.training_flops(size, training, trajectories, tokens)
    updating = plan.training_seconds(flops, options.gpus)
    scored = plan.scoring_flops(size, training, trajectories, tokens) if train.mismatch != "off" else 0.0
    scoring = plan.training_seconds(scored, options.gpus)
    sampling = plan.generation_seconds(size, plan.SAMPLED_SHARE * tokens * trajectories, options.gpus)
    training_time = scoring + updating
    # A policy of its own samples while the model trains.
    step = max(training_time, sampling) if train.staleness else training_time + sampling
    return [
        ("operations of the updates", f"{flops:.1e}"),
        *([("scoring what was sampled", _time(scoring))] if scored else []),
        ("updates", _time(updating)),
        ("sampling, one round", _time(sampling)),
        (f"{train.steps} steps", _time(train.steps * step)),
    ]


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _demonstrations(options: SftOptions) -> str:
    from transformers import AutoTokenizer

    from agents.vocabulary import Vocabulary
    from trainers.sft.demonstrations import look_into

    vocabulary = Vocabulary(AutoTokenizer.from_pretrained(options.model))
    found = [look_into(path, vocabulary, options.limits, options.image_root, FIRST) for path in options.data]
    return "\n".join(found)


def _vllm_check(options: DapoOptions) -> Check:
    if options.urls:
        return Check("vLLM servers", lambda: _servers(options))
    return Check("vLLM engine", lambda: _engine(options))


def _engine(options: DapoOptions) -> str:
    from importlib.util import find_spec

    from trainers.dapo.command import require_room
    from trainers.distributed.ranks import launched

    require_room(options, max(launched(), options.gpus))
    if find_spec("vllm") is None:
        raise ConfigError(
            "backend = 'vllm' without urls: vLLM is not installed here; pip install 'deepeyes-gym[vllm]', or "
            "start servers (`deepeyes serve vllm`) and name them with --urls ADDRESS ..."
        )
    return "vLLM is installed; its engine shares this process's GPU"


def _servers(options: DapoOptions) -> str:
    from agents.actor import vllm_policy
    from agents.event_loop import run

    run(vllm_policy(options.model, options.urls, "auto").close())
    return f"{len(options.urls)} reachable, with the flags that training needs"
