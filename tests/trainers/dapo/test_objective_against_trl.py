"""The same batch through TRL's own `GRPOTrainer._compute_loss`: same loss, same gradients.

With its two-sided clip (`delta`), its truncated importance weights and its masks for truncated completions.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config, Qwen2ForCausalLM

from agents.tiny import build_tokenizer
from trainers.config import MismatchMode
from trainers.dapo.objective import Clip, TokenBatch, dapo_loss, mismatch_correction

VOCABULARY = 512
PROMPT = 3
DUAL, CAP = 1.6, 1.3


@pytest.fixture(scope="module")
def trl_trainer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    trl = pytest.importorskip("trl")
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            initializer_range=0.5,
        )
    )
    arguments = trl.GRPOConfig(
        output_dir=str(tmp_path_factory.mktemp("trl")),
        loss_type="dapo",
        beta=0.0,
        epsilon=0.20,
        epsilon_high=0.30,
        delta=DUAL,
        num_generations=2,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=1,
        use_cpu=True,
        bf16=False,
        report_to="none",
        activation_checkpointing=False,
    )
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
        processing_class=build_tokenizer(["a b c"]),
    )
    trainer.current_gradient_accumulation_steps = 1  # set by Trainer's loop, which is not run here
    trainer.model.train()
    # As with a vLLM server: the loss is multiplied by `importance_sampling_ratio`.
    trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
    return trainer


@st.composite
def batches(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    """Completions with padding and tool tokens, old log-probabilities on both sides of both clip bounds."""
    # Two tokens or more: with one, TRL takes its clip fractions for per-sequence ones and forgets the mask.
    rows, length = draw(st.integers(1, 4)), draw(st.integers(2, 8))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    lengths = torch.tensor(draw(st.lists(st.integers(1, length), min_size=rows, max_size=rows)))
    tool = torch.rand(rows, length, generator=generator) < draw(st.sampled_from([0.6, 1.0]))
    return {
        "prompt_ids": torch.randint(0, VOCABULARY, (rows, PROMPT), generator=generator),
        "prompt_mask": torch.ones(rows, PROMPT, dtype=torch.int64),
        "completion_ids": torch.randint(0, VOCABULARY, (rows, length), generator=generator),
        "completion_mask": (torch.arange(length) < lengths[:, None]).long(),
        "tool_mask": tool.long(),
        "advantages": torch.randn(rows, generator=generator),
        "drift": 0.4 * torch.randn(rows, length, generator=generator),
        "engine": 0.3 * torch.randn(rows, length, generator=generator),
        "truncated": torch.rand(rows, generator=generator) < 0.3,
    }


def completion_logprobs(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, PROMPT - 1 : -1]
    return logits.log_softmax(-1).gather(2, inputs["completion_ids"][..., None]).squeeze(2)


def gradient(model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """The gradients of all parameters as one vector."""
    model.zero_grad(set_to_none=False)
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def trl_ratio(
    old: torch.Tensor, sampler: torch.Tensor, mask: torch.Tensor, mode: MismatchMode
) -> torch.Tensor:
    """What TRL's `_generate_and_score_completions` does, which cannot be called without a server."""
    ratio = torch.exp((old - sampler) * mask)
    if mode == "token_truncate":
        return ratio.clamp(max=CAP)
    return (
        ratio.masked_fill((ratio < 1 / CAP) | (ratio > CAP), 0.0) if mode == "token_mask" else ratio * 0 + 1
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=batches(), mode=st.sampled_from(["off", "token_truncate", "token_mask"]))
def test_loss_and_gradient_equal_trl(
    trl_trainer: Any, inputs: dict[str, torch.Tensor], mode: MismatchMode
) -> None:
    model = trl_trainer.model
    with torch.no_grad():
        old = completion_logprobs(model, inputs) + inputs["drift"]
    sampler = old + inputs["engine"]
    sampled = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
    # `mask_truncated_completions` zeroes both masks of a truncated completion.
    mask = sampled & ~inputs["truncated"][:, None]
    weights, kept = mismatch_correction(old, sampler, mask, mode, CAP)
    # Ours is the mean over what trains; TRL's divides by what the mismatch masked too, if it is not told.
    tokens = kept.sum().clamp(min=1)

    theirs = trl_trainer._compute_loss(
        model,
        {
            **inputs,
            "completion_mask": inputs["completion_mask"] * ~inputs["truncated"][:, None],
            "tool_mask": mask.long(),
            "old_per_token_logps": old,
            "importance_sampling_ratio": trl_ratio(old, sampler, mask, mode),
            "num_items_in_batch": tokens,
        },
    )
    their_gradient = gradient(model, theirs)

    logprobs = completion_logprobs(model, inputs)
    batch = TokenBatch(logprobs, old, inputs["advantages"], kept, torch.zeros_like(old), weights)
    ours, stats = dapo_loss(batch, Clip(0.20, 0.30, DUAL), normaliser=float(tokens))

    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    # As vectors: single precision leaves no digits of an entry in which large terms cancel.
    error = (gradient(model, ours) - their_gradient).norm()
    assert error <= 1e-4 * their_gradient.norm() + 1e-6
    if mode != "token_mask" and mask.any():  # there TRL's figures count what does not train
        metrics = trl_trainer._metrics["train"]
        assert stats.means()["clipped_low"] == pytest.approx(metrics["clip_ratio/low_mean"][-1], abs=1e-6)
        assert stats.means()["clipped_high"] == pytest.approx(metrics["clip_ratio/high_mean"][-1], abs=1e-6)
