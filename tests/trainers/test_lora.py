"""Adapters: only they train, everybody else sees one plain model, and runs resume to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText

from agents.batch import collate, token_logprobs
from agents.pixels import PixelCache
from agents.qwen import Qwen, load_qwen
from agents.sampling import banned_mask
from agents.tiny import TinyShape, build_tiny
from agents.transformers_policy import TransformersPolicy
from agents.vllm.weights import WeightFolder
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from trainers.config import DapoConfig, SftConfig, check_precision
from trainers.dapo.train import train_dapo
from trainers.lora import adapted, has_adapters, plain
from trainers.runs.checkpoint import latest_checkpoint
from trainers.runs.metrics import StepReport
from trainers.sft.train import train_sft

TINIEST = TinyShape(hidden=32, layers=1, vision_layers=1)

SFT = SftConfig(
    epochs=2,
    batch_size=2,
    micro_batch_size=2,
    learning_rate=1e-2,
    lora_rank=4,
    lora_alpha=8,
    save_every=1,
    progress=False,
)

DAPO = DapoConfig(
    steps=3,
    prompts_per_step=3,
    group_size=4,
    minibatches=1,
    learning_rate=1e-2,
    lora_rank=4,
    lora_alpha=8,
    max_rounds=3,
    max_turn_tokens=40,
    save_every=1,
    progress=False,
)


def weights(qwen: Qwen) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in qwen.model.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def shaken(model: torch.nn.Module) -> None:
    """As if trained: the second factors are no longer 0."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))


def scores(qwen: Qwen, trajectory: Any, model: Any = None) -> torch.Tensor:
    vocabulary = Vocabulary(qwen.tokenizer)
    banned = banned_mask(vocabulary, qwen.model.config.text_config.vocab_size)
    with torch.no_grad():
        return token_logprobs(model or qwen.model, collate([trajectory], vocabulary, PixelCache()), banned)


def test_only_the_language_models_linear_layers_change(tiny: Qwen, make_trajectory: Any) -> None:
    before = weights(tiny)
    history = train_sft(SFT, tiny.model, tiny.tokenizer, [make_trajectory(i) for i in range(4)])
    assert history[-1]["loss"] < history[0]["loss"]
    assert not has_adapters(tiny.model)
    after = weights(tiny)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    layer = "model.language_model.layers.0."
    projections = [f"self_attn.{n}_proj" for n in "qkvo"] + [f"mlp.{n}_proj" for n in ("gate", "up", "down")]
    assert changed == {f"{layer}{name}.weight" for name in projections}
    assert all(parameter.requires_grad for parameter in tiny.model.parameters())


def test_plain_weights_do_what_the_adapters_do_and_are_put_back(tiny: Qwen, make_trajectory: Any) -> None:
    one, names = make_trajectory(0), list(tiny.model.state_dict())
    base = weights(tiny)
    with adapted(tiny.model, 4, 8, seed=0):
        assert torch.equal(scores(tiny, one), scores(build_tiny(seed=0, shape=TINIEST), one)), (
            "nothing at first"
        )
        shaken(tiny.model)
        inside, expected = weights(tiny), scores(tiny, one)
        for _ in range(3):  # nothing is rounded twice
            with plain(tiny.model):
                assert list(tiny.model.state_dict()) == names
                torch.testing.assert_close(scores(tiny, one), expected, rtol=0, atol=1e-5)
            assert_same(weights(tiny), inside)
    torch.testing.assert_close(scores(tiny, one), expected, rtol=0, atol=1e-5)
    assert (scores(tiny, one) - scores(build_tiny(seed=0, shape=TINIEST), one)).abs().max() > 1e-2
    assert base.keys() == weights(tiny).keys()


def test_the_update_is_scaled_by_alpha_over_rank(tiny: Qwen) -> None:
    layer = tiny.model.model.language_model.layers[0].mlp.up_proj
    base = layer.weight.detach().clone()
    with adapted(tiny.model, 4, 8, seed=0):
        shaken(tiny.model)
        adapter = tiny.model.model.language_model.layers[0].mlp.up_proj
        update = 2.0 * adapter.lora_B["default"].weight @ adapter.lora_A["default"].weight
    torch.testing.assert_close(layer.weight, base + update.detach())


def test_a_checkpoint_holds_the_adapters_and_a_plain_model(
    tiny: Qwen, make_trajectory: Any, tmp_path: Path
) -> None:
    train_sft(SFT, tiny.model, tiny.tokenizer, [make_trajectory(0)], run_dir=tmp_path)
    saved, one = latest_checkpoint(tmp_path), make_trajectory(1)
    expected = scores(tiny, one)
    for model in (
        AutoModelForImageTextToText.from_pretrained(saved / "model"),
        load_qwen(saved / "model").model,
    ):
        assert torch.equal(scores(tiny, one, model), expected)
    base = build_tiny(seed=0, shape=TINIEST).model
    with_adapters = PeftModel.from_pretrained(base, saved / "adapter")
    torch.testing.assert_close(scores(tiny, one, with_adapters), expected, rtol=0, atol=1e-5)


def test_sft_in_two_parts_equals_one_run(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    data = [make_trajectory(i, tool=bool(i % 2)) for i in range(4)]
    whole = train_sft(SFT, tiny.model, tiny.tokenizer, data, run_dir=tmp_path / "whole")

    def stop_at_two(report: StepReport) -> None:
        if report.step == 2:
            raise KeyboardInterrupt

    parts, base = build_tiny(seed=0, shape=TINIEST), build_tiny(seed=0, shape=TINIEST)
    with pytest.raises(KeyboardInterrupt):
        train_sft(SFT, parts.model, tiny.tokenizer, data, run_dir=tmp_path / "parts", on_step=stop_at_two)
    resume = latest_checkpoint(tmp_path / "parts")
    rest = train_sft(SFT, base.model, tiny.tokenizer, data, run_dir=tmp_path / "parts", resume=resume)
    assert rest == whole
    assert_same(weights(base), weights(tiny))


def test_adapters_of_another_base_are_refused(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    data = [make_trajectory(0), make_trajectory(1)]
    train_sft(SFT, tiny.model, tiny.tokenizer, data, run_dir=tmp_path)
    other = build_tiny(seed=1, shape=TINIEST)
    with pytest.raises(ConfigError, match="another base model"):
        train_sft(SFT, other.model, tiny.tokenizer, data, resume=latest_checkpoint(tmp_path))


def test_dapo_samples_with_the_adapters_and_repeats_when_resumed(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, tmp_path: Path
) -> None:
    start = weights(guesser)
    ratios: list[float] = []
    whole = train_dapo(
        DAPO,
        guesser.model,
        guesser.tokenizer,
        guess_env,
        run_dir=tmp_path / "whole",
        on_step=lambda report: ratios.append(report.metrics["ratio"]),  # every step trains
    )
    assert not has_adapters(guesser.model)
    # With one mini-batch a step's tokens are scored by the weights that sampled them: any ratio but 1 would
    # mean that one of both left the adapters out.
    assert ratios == pytest.approx([1.0] * 3, abs=1e-4)
    expected = weights(guesser)
    assert any(not torch.equal(start[name], expected[name]) for name in start)

    (tmp_path / "parts").mkdir()
    first = replace(DAPO, steps=1)
    guesser.model.load_state_dict(start)
    train_dapo(first, guesser.model, guesser.tokenizer, guess_env, run_dir=tmp_path / "parts")
    guesser.model.load_state_dict(start)
    resume = latest_checkpoint(tmp_path / "parts")
    rest = train_dapo(
        DAPO, guesser.model, guesser.tokenizer, guess_env, run_dir=tmp_path / "parts", resume=resume
    )
    assert rest == whole
    assert_same(weights(guesser), expected)


def test_another_process_gets_merged_weights_under_plain_names(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, make_trajectory: Any, tmp_path: Path
) -> None:
    """A policy of its own, which only knows what a checkpoint on the disk says, as vLLM does."""
    folder = WeightFolder(tmp_path / "weights")

    class Elsewhere(TransformersPolicy):
        async def update_weights(self, model: Any) -> None:
            await folder.write(model)
            await super().update_weights(load_qwen_weights(tmp_path / "weights"))

    def load_qwen_weights(path: Path) -> Any:
        return AutoModelForImageTextToText.from_pretrained(path)

    own = build_tiny(seed=5, shape=TINIEST)
    ratios: list[float] = []
    train_dapo(
        DAPO,
        guesser.model,
        guesser.tokenizer,
        guess_env,
        policy=Elsewhere(own.model, own.tokenizer),
        on_step=lambda report: ratios.append(report.metrics["ratio"]),  # every step trains
    )
    assert ratios == pytest.approx([1.0] * 3, abs=1e-4)


def test_adapters_and_a_vision_tower_that_trains_are_refused() -> None:
    with pytest.raises(ConfigError, match="freeze_vision"):
        SftConfig(lora_rank=4, freeze_vision=False)
    with pytest.raises(ConfigError, match="lora_rank"):
        check_precision("bfloat16", SftConfig())
    check_precision("bfloat16", SFT)


def test_frozen_bfloat16_weights_with_float32_adapters(tiny: Qwen, make_trajectory: Any) -> None:
    tiny.model.to(torch.bfloat16)
    with adapted(tiny.model, 4, 8, seed=0):
        kinds = {p.dtype for p in tiny.model.parameters() if p.requires_grad}
    assert kinds == {torch.float32}
    history = train_sft(SFT, tiny.model, tiny.tokenizer, [make_trajectory(i) for i in range(4)])
    assert history[-1]["loss"] < history[0]["loss"]
    assert {p.dtype for p in tiny.model.parameters()} == {torch.bfloat16}
