"""Settings of both trainers: frozen dataclasses, importable without torch; TOML on disk, flags for the CLI.

Defaults are the paper's (arXiv 2511.05271); "reference" is this project's digest of the paper and the
released code.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from deepeyes_env.errors import ConfigError

Tracker = Literal["tensorboard", "wandb", "trackio"]
"""Where metrics can go besides the console and `metrics.jsonl`: trackers that `accelerate` knows."""

Precision = Literal["float32", "bfloat16"]
"""Of the weights in memory. What is computed in is up to `accelerate launch --mixed_precision`."""

MismatchMode = Literal["off", "token_truncate", "token_mask", "sequence_mask"]
"""What is done where trainer and sampler disagree; the names are those of TRL's
`vllm_importance_sampling_mode`, `objective.mismatch_correction` says what each does."""

FREE: dict[str, Any] = {"free_on_resume": True}
"""Marks a setting that a resumed run may change: it steers no draw, no loss and no update, or only what
becomes of episodes that the infrastructure fails."""


def _require(condition: bool, key: str, value: object, wanted: str) -> None:
    if not condition:
        raise ConfigError(f"{key} = {value!r}: {wanted}")


@dataclass(frozen=True, slots=True)
class SftConfig:
    """Cold start (reference 4.2).

    Attributes:
        seed: Fixes the order of the batches.
        epochs: Passes over the trajectories.
        batch_size: Trajectories per optimiser step.
        micro_batch_size: Trajectories per forward pass; trades memory for speed.
        learning_rate: Peak rate of AdamW; after the warm-up it falls to 0 on a cosine.
        warmup: Share of all steps in which the rate rises from 0.
        weight_decay: Decoupled weight decay.
        max_grad_norm: Gradients are clipped to this norm.
        freeze_vision: Keep the vision tower and its projector as they are.
        packing: Tokens of a row that takes as many trajectories of a batch as fit, without padding; one row
            is one forward pass. 0 pads `micro_batch_size` of them to the longest instead.
        gradient_checkpointing: Compute the activations of a layer again on the way back instead of keeping
            them: a third more arithmetic for a small part of the memory.
        lora_rank: Rank of adapters that are trained in place of the language model's weights
            (`trainers.lora`); 0 trains the weights themselves.
        lora_alpha: The adapters are scaled by `lora_alpha / lora_rank`.
        save_every: Steps between checkpoints; one more is written at the end.
        keep: Checkpoints to keep, newest first.
        trackers: Where metrics go besides console and file.
        progress: Show a progress bar.
    """

    seed: int = 0
    epochs: int = 3
    batch_size: int = 128
    micro_batch_size: int = 4
    learning_rate: float = 1e-5
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    freeze_vision: bool = True
    packing: int = 0
    gradient_checkpointing: bool = field(default=False, metadata=FREE)
    lora_rank: int = 0
    lora_alpha: int = 32
    save_every: int = field(default=500, metadata=FREE)
    keep: int = field(default=10, metadata=FREE)
    trackers: tuple[Tracker, ...] = field(default=(), metadata=FREE)
    progress: bool = field(default=True, metadata=FREE)

    def __post_init__(self) -> None:
        for key in ("epochs", "batch_size", "micro_batch_size", "save_every", "keep"):
            _require(getattr(self, key) >= 1, key, getattr(self, key), "must be at least 1")
        _require(self.seed >= 0, "seed", self.seed, "must be at least 0")
        for key in ("learning_rate", "max_grad_norm"):
            _require(getattr(self, key) > 0, key, getattr(self, key), "must be above 0")
        _require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "must be at least 0")
        _require(0 <= self.warmup < 1, "warmup", self.warmup, "is a share of all steps, in [0, 1)")
        _require(self.packing >= 0, "packing", self.packing, "must be at least 0")
        _check_lora(self)
        frozen = self.freeze_vision or not self.lora_rank
        _require(frozen, "freeze_vision", self.freeze_vision, "adapters are the language model's alone")


@dataclass(frozen=True, slots=True)
class DapoConfig:
    """Reinforcement learning (reference 4.4; DAPO: arXiv 2503.14476).

    Attributes:
        seed: Fixes the order of the prompts, every sample and the mini-batches.
        steps: Sampling-and-update steps (paper, figure 8: 60).
        prompts_per_step: Groups that train in one step.
        group_size: Rollouts per prompt.
        minibatches: Optimiser updates per pass over a step's groups (reference 4.4: 256 / 32 prompts).
        inner_updates: Passes over a step's groups.
        micro_batch_size: Trajectories per forward pass; trades memory for speed.
        clip_low: The importance ratio is clipped at `1 - clip_low`.
        clip_high: The importance ratio is clipped at `1 + clip_high`.
        dual_clip: The importance ratio of tokens of negative advantage is clipped here too (Ye et al. 2020;
            the released code: 3.0); 0, as in the paper, switches it off.
        mismatch: How to correct for a sampler that computes other log-probabilities than the trainer.
            Anything but `off` scores every trajectory once more before the first update, clips the ratio
            against that score, and weighs or masks tokens by how much it differs from the sampler's. `off`,
            because the policy in this process differs by rounding alone where both compute in the same
            precision (1e-6 in float32, `deepeyes bench mismatch`), and scoring costs a third of an update.
            Turn it on with an engine such as vLLM, or under `accelerate launch --mixed_precision bf16`.
        mismatch_cap: Tokens weigh at most this much; masks leave out what is outside `[1 / cap, cap]` (TIS
            and verl: 2.0).
        mask_overlong: Trajectories that were truncated for their length (tokens of a turn or a conversation,
            images, time) have no loss (DAPO, section 3.4: overlong filtering). Off, as in the paper.
        mask_overturn: Trajectories that used up their turns have no loss, so that a policy is not taught to
            hurry (Mini-o3, arXiv 2509.07969: over-turn masking). Off, as in the paper.
        max_rounds: Rounds of sampling in a step, after which it trains on what there is (DAPO's recipe: 10).
        staleness: Steps that sampling is ahead of training; 0 takes turns. While the trainer updates, the
            policy, on weights of its own, samples for this many steps more, so samples are this many steps
            old. One is what a sampler as fast as the trainer needs; each further one costs a copy of the
            weights and only evens out steps of differing length.
        max_prompt_tokens: Prompts of more tokens, pictures expanded, are passed over and counted (reference
            4.4, 8.2: 8192). None longer than `max_tokens` is ever begun.
        max_turn_tokens: Tokens per turn (reference 1.5).
        max_tokens: Tokens of a conversation after which it is truncated (reference 1.5: 8192 + 16384).
        infra_retries: How often an episode is begun anew when sandbox, search or judge failed; then it is
            masked.
        lockstep: Wait for all tools before the policy goes on. A run, resumed or not, then repeats to the
            last bit; without it slow tools hold nobody back, but batches and roundings depend on the clock.
        tool_seconds: Wall time after which a tool call counts as failed infrastructure; only without
            `lockstep`, because it depends on the clock. None leaves it to the tools' own limits.
        overlong_length: Policy tokens at which a trajectory gets the full overlong penalty of -1; 0, as in
            the paper, switches the shaping off.
        overlong_buffer: Policy tokens before `overlong_length` over which the penalty grows (DAPO: 4096).
        learning_rate: Rate of AdamW, constant after the warm-up.
        warmup_steps: Steps in which the rate rises from 0.
        weight_decay: Decoupled weight decay.
        max_grad_norm: Gradients are clipped to this norm.
        gradient_checkpointing: Compute the activations of a layer again on the way back instead of keeping
            them: a third more arithmetic for a small part of the memory.
        lora_rank: Rank of adapters that are trained in place of the language model's weights
            (`trainers.lora`); 0 trains the weights themselves.
        lora_alpha: The adapters are scaled by `lora_alpha / lora_rank`.
        save_every: Steps between checkpoints; one more is written at the end.
        keep: Checkpoints to keep, newest first.
        eval_every: Steps between calls of the evaluation hook; it also runs after the last step.
        trackers: Where metrics go besides console and file.
        progress: Show a progress bar.
    """

    seed: int = 0
    steps: int = field(default=60, metadata=FREE)
    prompts_per_step: int = 256
    group_size: int = 16
    minibatches: int = 8
    inner_updates: int = 1
    micro_batch_size: int = 4
    clip_low: float = 0.20
    clip_high: float = 0.30
    dual_clip: float = 0.0
    mismatch: MismatchMode = "off"
    mismatch_cap: float = 2.0
    mask_overlong: bool = False
    mask_overturn: bool = False
    max_rounds: int = 10
    staleness: int = 0
    max_prompt_tokens: int = 8192
    max_turn_tokens: int = 8192
    max_tokens: int = 24576
    infra_retries: int = field(default=1, metadata=FREE)
    lockstep: bool = True
    tool_seconds: float | None = field(default=None, metadata=FREE)
    overlong_length: int = 0
    overlong_buffer: int = 4096
    learning_rate: float = 1e-6
    warmup_steps: int = 0
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    gradient_checkpointing: bool = field(default=False, metadata=FREE)
    lora_rank: int = 0
    lora_alpha: int = 32
    save_every: int = field(default=4, metadata=FREE)
    keep: int = field(default=3, metadata=FREE)
    eval_every: int = field(default=4, metadata=FREE)
    trackers: tuple[Tracker, ...] = field(default=(), metadata=FREE)
    progress: bool = field(default=True, metadata=FREE)

    def __post_init__(self) -> None:
        least = dict.fromkeys(("steps", "prompts_per_step", "minibatches", "inner_updates"), 1)
        least |= dict.fromkeys(("micro_batch_size", "max_rounds", "overlong_buffer"), 1)
        least |= dict.fromkeys(("max_prompt_tokens", "max_turn_tokens", "max_tokens"), 1)
        least |= dict.fromkeys(("save_every", "keep", "eval_every"), 1)
        least |= {
            "group_size": 2,
            "staleness": 0,
            "overlong_length": 0,
            "warmup_steps": 0,
            "seed": 0,
            "infra_retries": 0,
        }
        for key, lowest in least.items():
            _require(getattr(self, key) >= lowest, key, getattr(self, key), f"must be at least {lowest}")
        for key in ("learning_rate", "max_grad_norm", "clip_low", "clip_high"):
            _require(getattr(self, key) > 0, key, getattr(self, key), "must be above 0")
        _require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "must be at least 0")
        _require(self.clip_low < 1, "clip_low", self.clip_low, "must be below 1")
        if self.dual_clip:
            least_dual = 1 + self.clip_high
            _require(
                self.dual_clip > least_dual, "dual_clip", self.dual_clip, f"must be 0 or above {least_dual}"
            )
        _require(self.mismatch_cap > 1, "mismatch_cap", self.mismatch_cap, "must be above 1")
        if self.tool_seconds is not None:
            _require(self.tool_seconds > 0, "tool_seconds", self.tool_seconds, "must be above 0")
            _require(not self.lockstep, "tool_seconds", self.tool_seconds, "needs lockstep = false")
        _check_lora(self)
        groups = self.prompts_per_step
        _require(
            self.minibatches <= groups, "minibatches", self.minibatches, f"there are {groups} groups to split"
        )


def _check_lora(config: SftConfig | DapoConfig) -> None:
    _require(config.lora_rank >= 0, "lora_rank", config.lora_rank, "must be at least 0")
    _require(config.lora_alpha >= 1, "lora_alpha", config.lora_alpha, "must be at least 1")


def check_precision(dtype: Precision, config: SftConfig | DapoConfig) -> None:
    """Refuse weights that are too coarse to be trained.

    Raises:
        ConfigError: AdamW is to step in bfloat16, whose 8 bits lose every step below 1/256 of a weight.
    """
    trained = dtype == "float32" or config.lora_rank > 0
    wanted = "only for weights that stay as they are; set train.lora_rank, or keep float32 and launch with "
    wanted += "`accelerate launch --mixed_precision bf16`"
    if isinstance(config, DapoConfig):
        wanted += ' (which needs train.mismatch = "token_truncate" where the policy samples in this process)'
    _require(trained, "dtype", dtype, wanted)


def fixed_settings(config: SftConfig | DapoConfig) -> dict[str, Any]:
    """The settings that a resumed run must share with the run that it continues."""
    free = {f.name for f in fields(config) if f.metadata.get("free_on_resume")}
    return {key: value for key, value in asdict(config).items() if key not in free}
