"""The formulas against real models, against hand calculations and against the stack notes (section 7)."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from released import released
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration

from agents.batch import collate
from agents.pixels import PixelCache
from agents.qwen import Qwen
from agents.tiny import TinyShape, build_tiny
from agents.vocabulary import Vocabulary
from trainers.lora import adapted
from trainers.preflight import plan
from trainers.preflight.plan import (
    GIB,
    Training,
    activation_bytes,
    model_size,
    training_flops,
    training_memory,
)


@pytest.mark.parametrize(("billions", "parameters"), [(3, 3.75e9), (7, 8.29e9)])
def test_parameters_of_the_released_models(billions: int, parameters: float) -> None:
    config = released(billions)
    size = model_size(config)
    assert size.parameters == pytest.approx(parameters, rel=2e-3)
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
    assert size.vision == sum(p.numel() for p in model.model.visual.parameters())
    assert size.parameters == sum(p.numel() for p in model.parameters())
    assert size.layer == sum(p.numel() for p in model.model.language_model.layers[0].parameters())


@pytest.mark.parametrize("shape", [TinyShape(32, 1, 1), TinyShape(96, 3, 2), TinyShape(64, 2, 3, 4.0)])
def test_parameters_of_real_models_with_and_without_adapters(shape: TinyShape) -> None:
    model = build_tiny(shape=shape).model
    size = model_size(model.config)
    assert size.parameters == sum(p.numel() for p in model.parameters())
    with adapted(model, 4, 8, seed=0):
        assert size.adapters(4) == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_memory_of_the_7b_model_as_in_the_stack_notes() -> None:
    size = model_size(released(7))
    full = Training(tokens=24_576, compute_bytes=2, freeze_vision=True, checkpointing=True)
    one = training_memory(size, full)
    # 16 bytes for every parameter but the frozen tower's, which take 4: 133 GB less 8.
    assert (one.weights + one.gradients + one.optimizer) / 1e9 == pytest.approx(124.6, abs=0.5)
    spread = training_memory(size, full, shards=8)
    assert (spread.weights + spread.gradients + spread.optimizer) / 1e9 == pytest.approx(15.6, abs=0.2)
    kept = 28 * 3584 * 24_576 * 2  # 4.9 GB, and the rest of one layer
    assert one.activations == kept + 24_576 * 2 * (9 * 3584 + 2 * 512 + 4 * 18_944)
    assert one.logits == 4 * 4 * 2**27  # 2 GiB in place of 15 GB and its gradients
    assert plan.cache_bytes(size, 1) == 56 * 1024
    assert plan.cache_bytes(model_size(released(3)), 1) == 36 * 1024


def test_lora_on_bfloat16_weights_leaves_room() -> None:
    size = model_size(released(3))
    lora = training_memory(size, Training(tokens=8192, weight_bytes=2, lora_rank=64, checkpointing=True))
    assert lora.weights / 1e9 == pytest.approx(7.5 + 0.48, abs=0.1)
    assert (lora.gradients + lora.optimizer) / 1e9 == pytest.approx(1.44, abs=0.1)
    assert lora.casts == 0
    assert lora.total / GIB < 20


@pytest.mark.parametrize("rank", [0, 4])
def test_weights_gradients_and_optimiser_of_a_real_model(tiny: Qwen, rank: int) -> None:
    """To the byte, after a step of AdamW."""
    model = tiny.model
    with adapted(model, rank, 8, seed=0):
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained)
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        moments = [v for state in optimizer.state.values() for k, v in state.items() if k != "step"]
        found = [sum(t.nbytes for t in group) for group in (model.parameters(), trained, moments)]
    memory = training_memory(model_size(model.config), Training(1, compute_bytes=4, lora_rank=rank))
    assert [memory.weights, memory.gradients, memory.optimizer] == found


def test_operations_of_a_real_model() -> None:
    """As torch counts them for matrix products; those of eager attention compute the full square."""
    model, tokens = build_tiny(shape=TinyShape(hidden=96, layers=3, vision_layers=1)).model, 128
    model.set_attn_implementation("eager")
    size = model_size(model.config)
    embedded = torch.randn(1, tokens, size.hidden, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        model.lm_head(model.model.language_model(inputs_embeds=embedded).last_hidden_state).sum().backward()
    planned = training_flops(size, Training(tokens, freeze_vision=True), 1, tokens)
    full_square = 3 * 2 * size.layers * size.hidden * tokens**2
    assert planned + full_square == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_operations_by_hand() -> None:
    size = model_size(released(7))
    training = Training(tokens=4096, freeze_vision=True)
    weights = size.decoder + 152_064 * 3584
    forward = 2 * weights * 4096 + 28 * 2 * 3584 * 4096**2
    assert training_flops(size, training, 1, 4096) == 3 * forward
    again = Training(tokens=4096, freeze_vision=True, checkpointing=True)
    assert training_flops(size, again, 10, 4096) == 10 * 4 * forward
    packed = Training(tokens=20_480, freeze_vision=True, packed=8192)
    square = 28 * 2 * 3584 * 2000 * 2 * 8192
    assert training_flops(size, packed, 1, 2000) == 3 * (2 * weights * 2000 + square)
    assert training_flops(size, packed, 1, 9000) == training_flops(size, training, 1, 9000), (
        "a row of its own"
    )
    # Stack notes: 1.4e18 for 4,096 trajectories of 4k tokens, with one forward pass more than here, and with
    # the vision tower's parameters as if every token went through them.
    assert training_flops(size, again, 4096, 4096) * 5 / 4 == pytest.approx(1.4e18, rel=0.15)
    assert plan.training_seconds(1.4e18, 8) / 60 == pytest.approx(9, rel=0.1)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_of_a_real_model(make_trajectory: Any, checkpointing: bool) -> None:
    """What is alive between forward and backward pass, counted tensor by tensor; 15 % either way."""
    qwen: Qwen = build_tiny(shape=TinyShape(hidden=96, layers=6, vision_layers=1))
    model = qwen.model.train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    batch = collate([make_trajectory(i) for i in range(4)], Vocabulary(qwen.tokenizer), PixelCache())
    embedded = model.get_input_embeddings()(batch.input_ids).detach().requires_grad_()
    before = {tensor.untyped_storage().data_ptr() for tensor in live_tensors()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.model.language_model(
            inputs_embeds=embedded, position_ids=batch.position_ids, use_cache=False
        ).last_hidden_state
    # Checkpointing keeps the inputs of layers as Python objects.
    kept |= {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in live_tensors()}
    found = sum(size for pointer, size in kept.items() if pointer not in before)
    size, tokens = model_size(model.config), batch.input_ids.numel()
    training = Training(tokens, compute_bytes=4, freeze_vision=True, checkpointing=checkpointing)
    expected = activation_bytes(size, training)
    if checkpointing:  # one layer's rest comes only on the way back
        expected -= 4 * tokens * plan.layer_entries(size)
    # Beside the layers: the last norm's, and cosines and sines.
    outside = 4 * tokens * (3 * size.hidden + 2 * 32)
    assert found == pytest.approx(expected + outside, rel=0.15)
    assert output.requires_grad


def live_tensors() -> list[torch.Tensor]:
    return [one for one in gc.get_objects() if type(one) is torch.Tensor or type(one) is torch.nn.Parameter]
