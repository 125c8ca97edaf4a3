"""LoRA (arXiv 2106.09685): a low-rank update beside every linear layer of the language model; the rest stays.

PEFT's layers are put into the model itself, so that policies, losses and checkpointing of activations see the
same `Qwen2_5_VLForConditionalGeneration` as ever, with the update at work. Whoever needs its weights under
their own names, such as a checkpoint or vLLM, looks at it inside `plain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from agents.qwen import Qwen, save_qwen
from deepeyes_env.errors import ConfigError

TARGETS = r"model\.language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
"""All linear layers of the language model, which is what LoRA needs to keep up with full fine-tuning (QLoRA,
arXiv 2305.14314, section 4); the vision tower and the projector stay as they are (reference 4.2)."""

ADAPTER = "default"
"""PEFT's own name for the only adapter."""

FOLDER = "adapter"
"""Of a checkpoint: the adapters alone."""

WEIGHTS = "adapter_model.safetensors"
"""PEFT's name of the file."""

PREFIX = "base_model.model."
"""What PEFT puts before a weight's name in the file."""


@contextmanager
def adapted(model: nn.Module, rank: int, alpha: int, seed: int) -> Iterator[None]:
    """Train adapters in place of weights inside the block; afterwards they are merged and gone.

    Args:
        model: A Qwen2.5-VL. Inside, only adapters require gradients; afterwards the weights require what they
            did before.
        rank: Rank of the updates; 0 leaves the model as it is.
        alpha: The updates are scaled by `alpha / rank`.
        seed: Seeds the adapters' first factors; the second ones are 0, so that nothing changes at first. The
            global random state is left as it was.

    Raises:
        ConfigError: PEFT is not installed.
    """
    if not rank:
        yield
        return
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    _insert(model, rank, alpha, seed)
    try:
        yield
    finally:
        _merge(model)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)


def for_policy(policy: object, model: nn.Module) -> AbstractContextManager[None]:
    """What a policy is handed: `plain` weights, unless it samples from `model` itself, adapters at work."""
    return nullcontext() if getattr(policy, "model", None) is model else plain(model)


def has_adapters(model: nn.Module) -> bool:
    """Whether the model is inside `adapted`."""
    return hasattr(model, "peft_config")


@contextmanager
def plain(model: Any) -> Iterator[None]:
    """The model as if its weights themselves had been trained, under the names that they have without LoRA.

    Merged weights are made for the block and dropped after it: the originals are never added to, so that
    nothing is rounded twice. They take as much memory again as the adapted layers. Nobody else may use the
    model meanwhile.
    """
    layers = list(_layers(model))
    weights = [layer.get_base_layer().weight for _, _, layer in layers]
    config = model.__dict__.pop("peft_config", None)
    try:
        for (parent, name, layer), weight in zip(layers, weights, strict=True):
            layer.get_base_layer().weight = nn.Parameter(_merged(layer), requires_grad=weight.requires_grad)
            setattr(parent, name, layer.get_base_layer())
        yield
    finally:
        for (parent, name, layer), weight in zip(layers, weights, strict=True):
            layer.get_base_layer().weight = weight
            setattr(parent, name, layer)
        if config is not None:
            model.peft_config = config


def save_weights(qwen: Qwen, checkpoint: Path) -> None:
    """Write `model`, which everybody can load, and inside `adapted` also `adapter`, as PEFT has it.

    `PeftModel.from_pretrained(base, checkpoint / "adapter")` reads the adapters.
    """
    with plain(qwen.model):
        save_qwen(qwen, checkpoint / "model")
    if has_adapters(qwen.model):
        _save_adapter(qwen.model, checkpoint / FOLDER)


def load_weights(model: Any, checkpoint: Path) -> None:
    """Take what `save_weights` wrote; inside `adapted` the adapters, so that nothing is rounded.

    Raises:
        ConfigError: There are no adapters, or they are of another model.
    """
    stored = type(model).from_pretrained(checkpoint / "model", dtype=model.dtype).state_dict()
    if not has_adapters(model):
        model.load_state_dict(stored)
        return
    _load_adapter(model, checkpoint / FOLDER)
    # Adapters fit any model of their shape, and say nothing of the weights that they were trained beside. The
    # tolerance is what bfloat16 rounds.
    with plain(model):
        other = [
            name
            for name, value in model.state_dict().items()
            if not torch.allclose(value.cpu(), stored[name], rtol=1e-2, atol=1e-5)
        ]
    if other:
        raise ConfigError(
            f"{checkpoint} holds adapters of another base model ({len(other)} weights differ, {other[0]} for "
            "one); resume with the model that the run began with"
        )


def _save_adapter(model: Any, directory: Path) -> None:
    from peft import get_peft_model_state_dict

    directory.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, adapter_name=ADAPTER)
    save_file({PREFIX + k: v.detach().cpu().contiguous() for k, v in state.items()}, directory / WEIGHTS)
    model.peft_config[ADAPTER].save_pretrained(directory)


def _load_adapter(model: Any, directory: Path) -> None:
    from peft import set_peft_model_state_dict

    try:
        stored = load_file(directory / WEIGHTS)
        state = {name.removeprefix(PREFIX): value for name, value in stored.items()}
        result: Any = set_peft_model_state_dict(model, state, adapter_name=ADAPTER)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"the adapters in {directory} do not fit ({error}); resume without changes"
        ) from error
    missing = [name for name in result.missing_keys if "lora_" in name]
    if missing or result.unexpected_keys:
        raise ConfigError(f"{directory / WEIGHTS} is of other layers than this model's adapters")


def _insert(model: Any, rank: int, alpha: int, seed: int) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(
            f"lora_rank = {rank}: adapters need PEFT; pip install 'deepeyes-gym[lora]'"
        ) from error
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=TARGETS, task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            # A bfloat16 weight is too coarse for the steps of AdamW at a small rate.
            parameter.data = parameter.data.float()


def _merge(model: nn.Module) -> None:
    with torch.no_grad():
        for parent, name, layer in list(_layers(model)):
            layer.get_base_layer().weight.copy_(_merged(layer))
            setattr(parent, name, layer.get_base_layer())
    del model.peft_config


def _layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    """Every adapted layer with its parent and its name there; none outside `adapted`."""
    if not has_adapters(model):
        return
    from peft.tuners.lora import LoraLayer

    for path, module in model.named_modules():
        if isinstance(module, LoraLayer):
            parent, _, name = path.rpartition(".")
            yield model.get_submodule(parent), name, module


def _merged(layer: Any) -> torch.Tensor:
    """Weight and update in one, in the weight's precision."""
    weight = layer.get_base_layer().weight
    with torch.no_grad():
        return (weight.float() + layer.get_delta_weight(ADAPTER).float()).to(weight.dtype)
