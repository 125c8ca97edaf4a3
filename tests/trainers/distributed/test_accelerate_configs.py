"""The shipped configurations, as accelerate's own launcher and plugins read them."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl

CONFIGS = Path(__file__).parents[3] / "configs" / "accelerate"


def launched_with(name: str) -> Namespace:
    """What `accelerate launch --config_file` makes of a file."""
    parser = launch_command_parser()
    flags = ["--config_file", str(CONFIGS / f"{name}.yaml"), "-m", "deepeyes_env.cli", "dapo"]
    args, _, _ = _validate_launch_command(parser.parse_args(flags))
    return args


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_knows_every_key(path: Path) -> None:
    config = load_config_from_file(str(path))
    known = {action.dest for action in launch_command_parser()._actions}
    for section in (config.fsdp_config, config.deepspeed_config):
        assert section.keys() <= known


def test_plain_data_parallelism() -> None:
    args = launched_with("ddp")
    assert (args.multi_gpu, args.use_fsdp, args.use_deepspeed) == (True, False, False)
    assert args.module
    assert args.training_script == "deepeyes_env.cli"


def test_fsdp2(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = prepare_multi_gpu_env(launched_with("fsdp2"))
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"
    for key in environment.keys() - os.environ.keys():
        monkeypatch.setenv(key, environment[key])
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy
    assert plugin.reshard_after_forward is True
    assert not plugin.activation_checkpointing
    [layer] = plugin.transformer_cls_names_to_wrap
    assert hasattr(modeling_qwen2_5_vl, layer)


def test_zero3() -> None:
    args = launched_with("deepspeed-zero3")
    assert args.use_deepspeed
    args.deepspeed_fields_from_accelerate_config = ""
    _, environment = prepare_deepspeed_cmd_env(args)
    assert environment["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == "3"
    assert environment["ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL"] == "true"
    assert environment["ACCELERATE_DEEPSPEED_ZERO3_INIT"] == "false"


def test_every_file_says_what_it_is_for() -> None:
    kinds = {path.stem: load_config_from_file(str(path)).distributed_type for path in CONFIGS.glob("*.yaml")}
    assert kinds == {
        "ddp": DistributedType.MULTI_GPU,
        "fsdp2": DistributedType.FSDP,
        "deepspeed-zero3": DistributedType.DEEPSPEED,
    }
