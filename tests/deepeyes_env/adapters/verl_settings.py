"""configs/verl as verl's own program reads it, against verl's own tree and classes."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import omega_conf_to_dataclass, validate_config
from verl.workers.config import RolloutConfig

from deepeyes_env.adapters.verl import Settings
from deepeyes_env.config import load_config

ROLLOUT = "actor_rollout_ref.rollout."


def checked_settings(example: str, command: list[str]) -> dict[str, Any]:
    """All settings of a run, dotted key and value, after having found them sound.

    Args:
        example: The Python file of the documentation.
        command: What launch.sh gives to Python.
    """
    documented = runpy.run_path(example)["config"]
    assert (documented.trainer.nnodes, documented.data.train_files) == (2, "mine.parquet")
    composed = as_launched(command)
    with initialize_config_module("verl.trainer.config", version_base=None):
        default = compose("ppo_trainer")
    ours = OmegaConf.load("configs/verl/deepeyes-7b.yaml")
    del ours["defaults"]
    unknown = [key for key in leaves(OmegaConf.to_container(ours)) if not known(default, key)]
    assert not unknown, f"verl has no {unknown}"

    assert not need_critic(composed)
    assert not need_reference_policy(composed)
    validate_config(composed, use_reference_policy=False, use_critic=False)
    for part in ("algorithm", "actor_rollout_ref.actor", "actor_rollout_ref.rollout"):
        omega_conf_to_dataclass(OmegaConf.select(composed, part))
    custom = OmegaConf.to_container(composed.actor_rollout_ref.rollout.custom)
    assert Path(load_config(Settings, custom["deepeyes"]).env).is_file()
    assert Path(composed.actor_rollout_ref.rollout.agent.agent_loop_config_path).is_file()
    return dict(flat(OmegaConf.to_container(composed, resolve=True)))


def as_launched(command: list[str]) -> DictConfig:
    """What verl's own program makes of the command's arguments, which it prints instead of training."""
    flag, module, *sys.argv[1:] = [*command, "--cfg", "job"]
    assert flag == "-m"
    with redirect_stdout(StringIO()) as printed:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    composed = OmegaConf.create(printed.getvalue())
    assert isinstance(composed, DictConfig)
    return composed


def known(default: DictConfig, key: str) -> bool:
    """Whether verl's tree has the key, or its class for rollouts the field, where the tree leaves it out."""
    field = key.removeprefix(ROLLOUT).partition(".")[0]
    if key.startswith(ROLLOUT) and field in {item.name for item in dataclasses.fields(RolloutConfig)}:
        node, parts = default.actor_rollout_ref.rollout, key.removeprefix(ROLLOUT).split(".")
        return field not in node or has(node, parts)
    return has(default, key.split("."))


def has(node: Any, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(node, DictConfig) or part not in node.keys():  # noqa: SIM118, `in` says no to null
            return False
        node = node._get_node(part)
    return True


def leaves(tree: Any) -> Iterator[str]:
    return (key for key, _ in flat(tree))


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
