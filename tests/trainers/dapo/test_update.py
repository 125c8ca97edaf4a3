"""A step's updates: what is masked has no part in them; a sampler that computes otherwise is corrected."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from guess_source import GuessSource
from torch.optim import AdamW
from transformers import get_constant_schedule

from agents.batch import collate, token_logprobs
from agents.pixels import PixelCache
from agents.policy import SamplingParams
from agents.qwen import Qwen
from agents.rollout import RolloutLimits, iterate, rollout, stream
from agents.sampling import banned_mask
from agents.scripted import Script, ScriptSpeaker
from agents.speaker import RolloutRequest
from agents.trajectory import SeedLineage, Trajectory
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.outcome import Outcome
from deepeyes_env.task import Task
from trainers.config import DapoConfig, MismatchMode
from trainers.dapo.experience import advantages_of, experience, ran_out_of_turns
from trainers.dapo.objective import Clip, dapo_loss
from trainers.dapo.sampling import Group
from trainers.dapo.train import train_dapo
from trainers.dapo.update import token_batch, update
from trainers.distributed.engine import Engine, accelerator, checkpointing, training
from trainers.runs.metrics import StepReport
from trainers.scoring import Scorer

ONE = DapoConfig(
    steps=1,
    prompts_per_step=4,
    group_size=4,
    minibatches=1,
    micro_batch_size=3,
    learning_rate=1e-3,
    max_rounds=3,
    max_turn_tokens=40,
    progress=False,
)
RUN: Any = SimpleNamespace(recorder=SimpleNamespace(working=lambda what: None))
MAX_TURNS = 2


def scorer_of(qwen: Qwen) -> Scorer:
    vocabulary = Vocabulary(qwen.tokenizer)
    return Scorer(vocabulary, PixelCache(), banned_mask(vocabulary, 576), torch.device("cpu"))


def engine_of(config: DapoConfig, qwen: Qwen) -> Engine:
    optimizer = AdamW(qwen.model.parameters(), lr=config.learning_rate)
    schedule = get_constant_schedule(optimizer)
    return Engine(accelerator(config, None), qwen.model, optimizer, schedule, config.max_grad_norm)


def scored(qwen: Qwen, trajectory: Trajectory) -> np.ndarray:
    """float32 `[T]` under the model as it is."""
    batch = collate([trajectory], Vocabulary(qwen.tokenizer), PixelCache())
    with torch.no_grad():
        [row] = token_logprobs(qwen.model, batch, banned_mask(Vocabulary(qwen.tokenizer), 576))
    return np.insert(row.numpy(), 0, 0)


# --- Masks for truncated trajectories ----------------------------------------------------------------------


def again_and_again(task: Task, lineage: SeedLineage) -> Script:
    while True:
        yield "<think>Hm.</think><tool_call>\nnothing\n</tool_call>"


@pytest.mark.parametrize(
    ("max_turns", "max_tokens", "turns", "overturn"),
    [(3, 4096, 3, True), (1, 4096, 1, True), (9, 300, None, False)],
)
def test_an_episode_that_used_up_its_turns_is_told_from_one_that_was_too_long(
    tiny: Qwen, max_turns: int, max_tokens: int, turns: int | None, overturn: bool
) -> None:
    env = DeepEyesAsyncEnv(num_envs=1, tasks=GuessSource(), prompt="minimal", max_turns=max_turns)
    speaker = ScriptSpeaker(again_and_again, Vocabulary(tiny.tokenizer))
    requests = [RolloutRequest(0, "train", SeedLineage(0))]
    [one] = list(iterate(stream(speaker, env, requests, limits=RolloutLimits(max_tokens))))
    env.close()
    assert one.outcome is Outcome.TRUNCATED
    assert turns is None or len(one.turns) == turns
    assert ran_out_of_turns(one, max_turns) is overturn


def test_a_last_turn_that_was_cut_is_too_long(tiny: Qwen) -> None:
    env = DeepEyesAsyncEnv(num_envs=1, tasks=GuessSource(), prompt="minimal", max_turns=1)
    policy = TransformersPolicy(tiny.model, tiny.tokenizer)
    requests = [RolloutRequest(0, "train", SeedLineage(0))]
    [one] = list(rollout(policy, env, requests, SamplingParams(max_tokens=2)))
    env.close()
    assert (one.outcome, len(one.turns)) == (Outcome.TRUNCATED, 1)
    assert not ran_out_of_turns(one, 1)


@pytest.fixture
def group(make_trajectory: Any) -> Group:
    """Right; wrong; too long (one turn of two); out of turns (two of two); failed."""
    right, wrong = make_trajectory(0, accuracy=1.0), make_trajectory(1, accuracy=0.0, tool=False)
    long = make_trajectory(2, accuracy=0.0, tool=False, outcome=Outcome.TRUNCATED)
    turns = make_trajectory(3, accuracy=0.0, outcome=Outcome.TRUNCATED)
    failed = make_trajectory(4, accuracy=0.0, outcome=Outcome.INFRA_FAILED)
    return Group(0, 0, (right, wrong, long, turns, failed), 0)


@pytest.mark.parametrize(
    ("overlong", "overturn", "left"),
    [(False, False, [0, 1, 2, 3]), (True, False, [0, 1, 3]), (False, True, [0, 1, 2]), (True, True, [0, 1])],
)
def test_masked_members_have_no_loss_and_count_in_the_groups_mean(
    group: Group, overlong: bool, overturn: bool, left: list[int]
) -> None:
    config = replace(ONE, mask_overlong=overlong, mask_overturn=overturn)
    made = experience(config, group, MAX_TURNS)
    assert [one.trajectory for one in made] == [group.members[i] for i in left]
    everybody = advantages_of(ONE, group)
    assert [one.advantage for one in made] == everybody[left].tolist()
    assert everybody.shape == (4,)


def test_a_masked_member_changes_no_weight_but_through_the_mean(tiny: Qwen, group: Group) -> None:
    """The same update as with a batch in which it does not stand, at the same advantages."""
    start = copy.deepcopy(tiny.model.state_dict())
    config = replace(ONE, mask_overlong=True, mask_overturn=True)

    def trained(members: list[int], config: DapoConfig) -> tuple[dict[str, float], torch.Tensor]:
        tiny.model.load_state_dict(start)
        some = Group(0, 0, tuple(group.members[i] for i in members), 0)
        metrics = update(config, 0, engine_of(config, tiny), scorer_of(tiny), [some], RUN, MAX_TURNS)
        return metrics, torch.cat([p.detach().flatten() for p in tiny.model.parameters()])

    masked, weights = trained([0, 1, 2, 3, 4], config)
    assert masked["trajectories_masked"] == 2
    tokens = sum(int(group.members[i].loss_mask.sum()) for i in (0, 1))
    # Two of two against two of four: advantages of 0.71 and -0.71 against 1.5 and -0.5.
    alone, other = trained([0, 1], config)
    assert not torch.equal(weights, other)
    assert masked["loss"] != alone["loss"]
    made = experience(config, group, MAX_TURNS)
    tiny.model.load_state_dict(start)
    loss, stats = dapo_loss(token_batch(engine_of(ONE, tiny), scorer_of(tiny), made), Clip(), tokens)
    assert stats.tokens == tokens, "what remains is what the mean is over"
    assert masked["loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_a_step_in_which_everything_is_masked_changes_nothing(tiny: Qwen, group: Group) -> None:
    before = copy.deepcopy(tiny.model.state_dict())
    config = replace(ONE, mask_overlong=True, mask_overturn=True, mismatch="token_truncate")
    long = replace(group.members[0], outcome=Outcome.TRUNCATED)
    masked = Group(0, 0, (long, *group.members[2:]), 0)
    metrics = update(config, 0, engine_of(config, tiny), scorer_of(tiny), [masked], RUN, MAX_TURNS)
    assert metrics == {"trajectories_masked": 3, "updates": 0}
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())


def test_no_mini_batch_is_without_a_token(tiny: Qwen, group: Group) -> None:
    """Of four groups one trains: one update, not one and three empty ones."""
    config = replace(ONE, mask_overlong=True, mask_overturn=True, minibatches=4)
    cut = Group(1, 0, tuple(replace(one, outcome=Outcome.TRUNCATED) for one in group.members[:4]), 0)
    metrics = update(
        config, 0, engine_of(config, tiny), scorer_of(tiny), [cut, group, cut, cut], RUN, MAX_TURNS
    )
    assert (metrics["updates"], metrics["trajectories_masked"]) == (1, 3 * 4 + 2)


# --- A sampler that computes otherwise ---------------------------------------------------------------------


class Engine16(TransformersPolicy):
    """Samples with weights rounded to bfloat16, as an inference engine has them."""

    async def update_weights(self, model: Any) -> None:
        rounded = {name: value.bfloat16().float() for name, value in model.state_dict().items()}
        self.model.load_state_dict(rounded)
        self.forget()


@pytest.fixture
def env() -> Iterator[DeepEyesAsyncEnv]:
    env = DeepEyesAsyncEnv(num_envs=16, tasks=GuessSource(), prompt="minimal")
    yield env
    env.close()


@pytest.mark.parametrize("mode", ["token_truncate", "token_mask", "sequence_mask"])
def test_a_rounding_sampler_is_weighed_and_masked_as_by_hand(
    guesser: Qwen, env: DeepEyesAsyncEnv, mode: MismatchMode
) -> None:
    with torch.no_grad():  # A flatter policy babbles: nothing is certain, so everything is rounded.
        guesser.model.model.language_model.norm.weight.mul_(0.6)
    before = copy.deepcopy(guesser.model)
    cap = 1.001
    reports: list[StepReport] = []
    config = replace(ONE, mismatch=mode, mismatch_cap=cap)
    policy = Engine16(copy.deepcopy(guesser.model), guesser.tokenizer)
    train_dapo(config, guesser.model, guesser.tokenizer, env, policy=policy, on_step=reports.append)
    [report] = reports
    assert report.metrics["groups_carried"] == 0

    gain, kept, masked, truncated, gaps, tokens = 0.0, [], 0, 0, [], 0
    for prompt in {one.lineage.prompt for one in report.trajectories}:
        members = tuple(one for one in report.trajectories if one.lineage.prompt == prompt)
        if not (group := Group(prompt, 0, members, 0)).trains:
            continue
        for one, advantage in zip(members, advantages_of(ONE, group).tolist(), strict=True):
            own = scored(Qwen(before, guesser.tokenizer), one)
            gap = (own - one.logprobs)[one.loss_mask].astype(np.float64)
            ratio = np.exp(gap)
            keep = np.full(len(gap), True)
            if mode == "token_mask":
                keep = np.abs(gap) <= np.log(cap)
            elif mode == "sequence_mask":
                keep &= abs(gap.mean()) <= np.log(cap)
            weights = np.minimum(ratio, cap)[keep]
            gain += advantage * weights.sum()
            kept += weights.tolist()
            masked += (~keep).sum()
            truncated += (ratio > cap).sum()
            gaps += gap.tolist()
            tokens += len(gap)
    metrics = report.metrics
    assert 0 < truncated < tokens, "the case must be worth it"
    assert mode == "token_truncate" or 0 < masked < tokens
    # The first update's ratio is taken against the trainer's own score: it is exactly one, and nothing clips.
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-5)
    assert metrics["loss"] == pytest.approx(-gain / len(kept), rel=1e-3, abs=1e-6)
    assert metrics["mismatch_weight"] == pytest.approx(np.mean(kept), abs=1e-5)
    assert metrics["mismatch_masked"] == pytest.approx(masked / tokens, abs=1e-6)
    assert metrics["mismatch_truncated"] == pytest.approx(truncated / tokens, abs=1e-6)
    assert metrics["mismatch_abs"] == pytest.approx(np.abs(gaps).mean(), rel=1e-3)
    assert metrics["mismatch_kl"] == pytest.approx(np.mean(np.exp(gaps) - 1 - np.array(gaps)), rel=1e-2)


def test_the_policy_in_this_process_needs_no_correction(guesser: Qwen, env: DeepEyesAsyncEnv) -> None:
    """What the default rests on: it differs from the trainer by rounding alone."""
    start = copy.deepcopy(guesser.model.state_dict())
    [plain] = train_dapo(ONE, guesser.model, guesser.tokenizer, env)
    guesser.model.load_state_dict(start)
    config = replace(ONE, mismatch="token_mask")
    [corrected] = train_dapo(config, guesser.model, guesser.tokenizer, env)
    assert corrected["mismatch_abs"] < 1e-5
    assert corrected["mismatch_masked"] == corrected["mismatch_truncated"] == 0
    assert corrected["mismatch_weight"] == pytest.approx(1.0, abs=1e-5)
    assert {k: corrected[k] for k in plain} == pytest.approx(plain, rel=1e-3, abs=1e-5)


# --- Gradient checkpointing --------------------------------------------------------------------------------


def test_gradients_are_the_same_with_checkpointing_and_layers_run_twice(tiny: Qwen, group: Group) -> None:
    engine, scorer = engine_of(ONE, tiny), scorer_of(tiny)
    calls = []
    tiny.model.model.language_model.layers[0].self_attn.register_forward_hook(lambda *_: calls.append(1))

    def gradient(really: bool) -> torch.Tensor:
        calls.clear()
        tiny.model.zero_grad()
        with checkpointing(tiny.model, really), training(tiny.model):
            batch = token_batch(engine, scorer, experience(ONE, group, MAX_TURNS))
            dapo_loss(batch, Clip(), 10.0)[0].backward()
        return torch.cat([p.grad.flatten() for p in tiny.model.parameters() if p.grad is not None])

    kept = gradient(False)
    assert len(calls) == 1
    computed_again = gradient(True)
    assert len(calls) == 2
    torch.testing.assert_close(computed_again, kept, rtol=1e-6, atol=1e-8)
    assert not tiny.model.is_gradient_checkpointing
