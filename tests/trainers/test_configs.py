"""The shipped configurations through the real parsers, against the reference's numbers (4.2, 4.4, 1.5)."""

from __future__ import annotations

import re
from pathlib import Path

from released import released

from trainers.arguments import parse_options
from trainers.config import check_precision
from trainers.dapo.command import DapoOptions
from trainers.preflight.plan import Training, model_size, training_memory
from trainers.sft.command import SftOptions

CONFIGS = Path(__file__).parents[2] / "configs"


def dapo(name: str) -> DapoOptions:
    return parse_options(DapoOptions, ["--config", str(CONFIGS / name)], "dapo")


def test_every_file_is_tested() -> None:
    assert {path.name for path in CONFIGS.glob("*.toml")} == {
        "sft-7b.toml",
        "dapo-7b.toml",
        "dapo-3b-1gpu.toml",
    }


def test_sft_7b_is_the_papers() -> None:
    options = parse_options(SftOptions, ["--config", str(CONFIGS / "sft-7b.toml")], "sft")
    train = options.train
    assert (train.batch_size, train.learning_rate, train.warmup, train.epochs) == (128, 1e-5, 0.1, 3)
    assert (options.max_tokens, options.max_pixels, train.freeze_vision) == (20_480, 262_144, True)
    assert (train.save_every, train.keep, train.lora_rank) == (500, 10, 0)
    assert (train.packing, train.gradient_checkpointing) == (8_192, True)
    check_precision(options.dtype, train)


def test_dapo_7b_is_the_papers() -> None:
    options = dapo("dapo-7b.toml")
    train, env = options.train, options.env
    assert (train.prompts_per_step, train.group_size, train.steps) == (256, 16, 60)
    assert (train.learning_rate, train.warmup_steps, train.weight_decay, train.max_grad_norm) == (
        1e-6,
        0,
        0.01,
        1,
    )
    assert (train.clip_low, train.clip_high) == (0.20, 0.30)
    assert (train.max_turn_tokens, train.max_tokens) == (8_192, 8_192 + 16_384)
    assert train.max_prompt_tokens == 8_192
    assert train.prompts_per_step // train.minibatches == 32
    assert (train.inner_updates, train.overlong_length, train.lora_rank) == (1, 0, 0)
    assert (train.save_every, train.eval_every) == (4, 4)
    assert (env.max_turns, env.max_images, env.max_images_per_turn, env.search_hits) == (9, 50, 10, 5)
    assert (env.prompt, env.image_search, env.reward) == ("full", "original", "deepeyesv2")
    assert env.source.kind == "deepeyesv2"
    assert len(env.source.train) == 7
    assert env.source.validation
    assert (env.limits.cell_seconds, env.judge is not None) == (200.0, True)
    check_precision(options.dtype, train)


def test_dapo_3b_on_one_gpu_keeps_the_objective_and_shrinks_the_sizes() -> None:
    options, paper = dapo("dapo-3b-1gpu.toml"), dapo("dapo-7b.toml").train
    train = options.train
    assert (train.clip_low, train.clip_high) == (paper.clip_low, paper.clip_high)
    assert train.prompts_per_step * train.group_size < paper.prompts_per_step * paper.group_size
    assert train.max_tokens < paper.max_tokens
    assert (options.dtype, options.gpus, train.lora_rank > 0) == ("bfloat16", 1, True)
    assert options.env.source.kind == "fictional"
    check_precision(options.dtype, train)


def test_models_are_where_the_cold_starts_leave_them() -> None:
    sft = parse_options(SftOptions, ["--config", str(CONFIGS / "sft-7b.toml")], "sft")
    assert dapo("dapo-7b.toml").model == str(sft.run_dir / "model")
    assert f"path: {sft.run_dir / 'model'} #" in (CONFIGS / "verl" / "deepeyes-7b.yaml").read_text()
    text = (CONFIGS / "dapo-3b-1gpu.toml").read_text().replace(" \\\n#", "")
    [line] = re.findall(r"^# +deepeyes sft --config configs/sft-7b.toml (.*)$", text, re.MULTILINE)
    options = parse_options(SftOptions, ["--config", str(CONFIGS / "sft-7b.toml"), *line.split()], "sft")
    assert dapo("dapo-3b-1gpu.toml").model == str(options.run_dir / "model")
    check_precision(options.dtype, options.train)


def test_the_plan_of_the_single_gpu_fits_beside_the_sampler() -> None:
    """80 GB: 35 % for vLLM, the trainer in the rest; the larger half of it in weights and activations."""
    train = dapo("dapo-3b-1gpu.toml").train
    size = model_size(released(3))
    training = Training(
        (train.max_tokens + train.max_turn_tokens) * train.micro_batch_size,
        weight_bytes=2,
        lora_rank=train.lora_rank,
        checkpointing=train.gradient_checkpointing,
    )
    assert training_memory(size, training).total + 2 * size.parameters < 0.6 * 80e9
