from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.qwen import Qwen
from agents.tiny import build_tiny
from deepeyes_env.errors import ConfigError
from trainers.config import SftConfig
from trainers.runs.metrics import StepReport
from trainers.sft.train import train_sft

QUICK = SftConfig(
    epochs=2, batch_size=4, micro_batch_size=2, learning_rate=3e-3, freeze_vision=False, progress=False
)


def weights(qwen: Qwen) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in qwen.model.state_dict().items()}


def test_the_loss_falls_and_every_step_reports(tiny: Qwen, make_trajectory: Any) -> None:
    data = [make_trajectory(i, tool=i % 2 == 0) for i in range(6)]
    seen: list[StepReport] = []
    history = train_sft(QUICK, tiny.model, tiny.tokenizer, data, on_step=seen.append)
    assert [report.step for report in seen] == [1, 2, 3, 4]
    assert [report.metrics for report in seen] == history
    assert history[-1]["loss"] < history[0]["loss"]
    assert [metrics["epoch"] for metrics in history] == [0, 0, 1, 1]
    assert all("seconds" not in key for key in history[0])


def test_the_first_loss_is_the_mean_cross_entropy_of_the_policys_tokens(
    tiny: Qwen, make_trajectory: Any
) -> None:
    """Against transformers' own loss, one trajectory at a time, with everything but policy tokens ignored."""
    data = [make_trajectory(0, tool=True), make_trajectory(1, tool=False)]
    total, count = 0.0, 0
    from agents.batch import collate
    from agents.pixels import PixelCache
    from agents.sampling import banned_mask
    from agents.vocabulary import Vocabulary

    vocabulary = Vocabulary(tiny.tokenizer)
    banned = banned_mask(vocabulary, tiny.model.config.text_config.vocab_size)
    for one in data:
        batch = collate([one], vocabulary, PixelCache())
        with torch.no_grad():
            logits = tiny.model(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                pixel_values=batch.pixel_values,
                image_grid_thw=batch.image_grid_thw,
                mm_token_type_ids=batch.mm_token_type_ids,
            ).logits[0, :-1]
        mask = torch.from_numpy(one.loss_mask[1:])
        targets = torch.from_numpy(one.input_ids[1:])[mask]
        allowed = logits[mask].masked_fill(banned, -torch.inf)
        total += float(torch.nn.functional.cross_entropy(allowed, targets, reduction="sum"))
        count += int(mask.sum())
    history = train_sft(replace(QUICK, epochs=1), tiny.model, tiny.tokenizer, data)
    assert history[0]["loss"] == pytest.approx(total / count, rel=1e-5)
    assert history[0]["tokens"] == count


def test_micro_batches_change_nothing_but_rounding(tiny: Qwen, make_trajectory: Any) -> None:
    data = [make_trajectory(i, tool=i % 2 == 0) for i in range(4)]
    # SGD-like comparison: one step at a small rate, so that AdamW's sign does not blow rounding up.
    one_step = replace(QUICK, epochs=1, learning_rate=1e-4)
    histories = [
        train_sft(
            replace(one_step, micro_batch_size=size),
            build_tiny(seed=0, shape=_shape(tiny)).model,
            tiny.tokenizer,
            data,
        )
        for size in (1, 3, 4)
    ]
    for history in histories[1:]:
        for key in ("loss", "grad_norm", "tokens"):
            assert history[0][key] == pytest.approx(histories[0][0][key], rel=1e-4)


def test_packing_changes_nothing_but_rounding_and_tells_what_it_saves(
    tiny: Qwen, make_trajectory: Any
) -> None:
    data = [make_trajectory(i, tool=i % 2 == 0) for i in range(4)]
    one_step = replace(QUICK, epochs=1, learning_rate=1e-4, micro_batch_size=4)
    lengths = [len(one.input_ids) for one in data]
    histories = []
    for packing in (0, max(lengths), sum(lengths)):
        fresh = build_tiny(seed=0, shape=_shape(tiny)).model
        histories.append(train_sft(replace(one_step, packing=packing), fresh, tiny.tokenizer, data)[0])
    for metrics in histories[1:]:
        for key in ("loss", "grad_norm", "tokens"):
            assert metrics[key] == pytest.approx(histories[0][key], rel=1e-5)
        assert metrics["padding_saved"] == pytest.approx(1 - sum(lengths) / (4 * max(lengths)))
    assert "padding_saved" not in histories[0]
    assert [metrics["rows"] for metrics in histories[1:]] == [3 if 2 * min(lengths) <= max(lengths) else 4, 1]


def test_checkpointing_of_activations_changes_no_gradient(tiny: Qwen, make_trajectory: Any) -> None:
    data = [make_trajectory(i, tool=i % 2 == 0) for i in range(4)]
    results = []
    for really in (False, True):
        qwen = build_tiny(seed=0, shape=_shape(tiny))
        config = replace(QUICK, gradient_checkpointing=really)
        history = train_sft(config, qwen.model, qwen.tokenizer, data)
        assert not qwen.model.is_gradient_checkpointing, "the model is as it was"
        results.append((history, weights(qwen)))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(results[0][1][name], results[1][1][name]) for name in results[0][1])


def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    tiny: Qwen, make_trajectory: Any
) -> None:
    data = [make_trajectory(i, tool=i % 2 == 0) for i in range(6)]
    results = []
    for seed in (0, 0, 1):
        qwen = build_tiny(seed=0, shape=_shape(tiny))
        train_sft(replace(QUICK, seed=seed), qwen.model, qwen.tokenizer, data)
        results.append(weights(qwen))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
    assert any(not torch.equal(results[0][name], results[2][name]) for name in results[0])


def test_frozen_vision_stays_and_thaws_afterwards(tiny: Qwen, make_trajectory: Any) -> None:
    before = weights(tiny)
    train_sft(replace(QUICK, freeze_vision=True), tiny.model, tiny.tokenizer, [make_trajectory(0)])
    changed = {
        name for name, value in tiny.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed
    assert not any("visual" in name for name in changed)
    assert all(parameter.requires_grad for parameter in tiny.model.parameters())


def test_training_depends_on_the_tools_image(tiny: Qwen, make_trajectory: Any) -> None:
    """No blind training: another picture from the tool is another loss."""
    one = make_trajectory(0, tool=True)
    other = replace(one, images=(one.images[0], make_trajectory(200).images[0]))
    losses = [
        train_sft(QUICK, build_tiny(seed=0, shape=_shape(tiny)).model, tiny.tokenizer, [data])[0]["loss"]
        for data in (one, other)
    ]
    assert losses[0] != losses[1]


def test_the_rate_warms_up_and_falls_to_zero(tiny: Qwen, make_trajectory: Any) -> None:
    config = replace(QUICK, epochs=10, batch_size=1, micro_batch_size=1, warmup=0.2, learning_rate=1e-3)
    rates = [m["learning_rate"] for m in train_sft(config, tiny.model, tiny.tokenizer, [make_trajectory(0)])]
    assert rates[0] == 0
    assert max(rates) == rates[2] == 1e-3
    assert list(np.diff(rates[2:]) < 0) == [True] * 7


def test_evaluation_runs_on_its_beat_and_at_the_end(tiny: Qwen, make_trajectory: Any) -> None:
    config = replace(QUICK, epochs=5)
    called: list[int] = []

    def evaluate(step: int) -> dict[str, float]:
        called.append(step)
        return {"accuracy": step / 10}

    history = train_sft(
        config, tiny.model, tiny.tokenizer, [make_trajectory(0)], evaluate=evaluate, eval_every=2
    )
    assert called == [2, 4, 5]
    assert [metrics.get("eval/accuracy") for metrics in history] == [None, 0.2, None, 0.4, 0.5]


def test_trackers_need_a_directory(tiny: Qwen, make_trajectory: Any, tmp_path: Path) -> None:
    config = replace(QUICK, trackers=("tensorboard",))
    with pytest.raises(ConfigError, match="trackers"):
        train_sft(config, tiny.model, tiny.tokenizer, [make_trajectory(0)])


def _shape(qwen: Qwen) -> Any:
    from agents.tiny import TinyShape

    text, vision = qwen.model.config.text_config, qwen.model.config.vision_config
    return TinyShape(hidden=text.hidden_size, layers=text.num_hidden_layers, vision_layers=vision.depth)
