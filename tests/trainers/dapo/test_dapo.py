from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from guess_source import GuessSource

from agents.qwen import Qwen
from agents.scripted import ScriptSpeaker, oracle_program
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import ConfigError, JudgeConfig
from deepeyes_env.outcome import Outcome
from deepeyes_env.task import Answer, Split, Task
from trainers.batching import prompt_index
from trainers.config import DapoConfig
from trainers.dapo.experience import advantages_of
from trainers.dapo.group_rollout import NothingScored
from trainers.dapo.sampling import Group
from trainers.dapo.train import train_dapo
from trainers.runs.metrics import StepReport

QUICK = DapoConfig(
    steps=8,
    prompts_per_step=4,
    group_size=4,
    minibatches=2,
    micro_batch_size=16,
    learning_rate=3e-3,
    max_rounds=3,
    max_turn_tokens=40,
    progress=False,
)


def test_the_policy_learns_the_right_guess(guesser: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    reports: list[StepReport] = []
    history = train_dapo(QUICK, guesser.model, guesser.tokenizer, guess_env, on_step=reports.append)
    assert history[0]["accuracy"] < 0.75
    assert max(metrics["accuracy"] for metrics in history[-3:]) > 0.9
    for report in reports:
        metrics = report.metrics
        fates = ("all_right", "all_wrong", "equal_reward", "unscored", "trained", "carried")
        before = reports[report.step - 2].metrics["groups_carried"] if report.step > 1 else 0
        assert metrics["groups_drawn"] + before == sum(metrics[f"groups_{fate}"] for fate in fates)
        assert len(report.trajectories) == metrics["episodes"] == 4 * metrics["groups_drawn"]
        assert set(report.seconds) == {"rollout", "update"}


def test_an_evaluation_sees_the_weights_of_the_last_update(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv
) -> None:
    """Also where the policy has weights of its own, as an engine has."""
    engine = TransformersPolicy(copy.deepcopy(guesser.model), guesser.tokenizer)

    def evaluate(step: int) -> dict[str, float]:
        own, trained = engine.model.state_dict(), guesser.model.state_dict()
        return {"same": float(all(torch.equal(own[name], value) for name, value in trained.items()))}

    config = replace(QUICK, steps=2, eval_every=1)
    history = train_dapo(
        config, guesser.model, guesser.tokenizer, guess_env, policy=engine, evaluate=evaluate
    )
    assert history[0]["updates"] > 0
    assert [metrics["eval/same"] for metrics in history] == [1.0, 1.0]


def test_before_the_first_update_every_ratio_is_one(guesser: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    """The log-probabilities recorded while sampling are those of the trainer's own forward pass."""
    one_update = replace(QUICK, steps=1, minibatches=1)
    [metrics] = train_dapo(one_update, guesser.model, guesser.tokenizer, guess_env)
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-5)
    assert metrics["clipped_low"] == metrics["clipped_high"] == 0
    assert metrics["loss"] == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("minibatches", [1, 2])
def test_the_loss_is_the_mean_over_all_tokens(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv, minibatches: int
) -> None:
    """While every ratio is one it is minus the mean advantage per token, worked out from the rollouts."""
    with torch.no_grad():  # A flatter policy babbles now and then, so that lengths differ.
        guesser.model.model.language_model.norm.weight.mul_(0.6)
    reports: list[StepReport] = []
    still = replace(QUICK, steps=1, minibatches=minibatches, group_size=3, learning_rate=1e-12)
    train_dapo(still, guesser.model, guesser.tokenizer, guess_env, on_step=reports.append)
    weighted, tokens = 0.0, 0
    for prompt in {one.lineage.prompt for one in reports[0].trajectories}:
        members = [one for one in reports[0].trajectories if one.lineage.prompt == prompt]
        if len({one.reward.accuracy for one in members}) == 1:
            continue
        rewards = np.array([one.reward.total for one in members])
        lengths = np.array([one.loss_mask.sum() for one in members])
        advantages = (rewards - rewards.mean()) / rewards.std(ddof=1)
        weighted += float(advantages @ lengths)
        tokens += int(lengths.sum())
    metrics = reports[0].metrics
    assert metrics["groups_carried"] == 0
    assert abs(weighted) > 0.1, "lengths must differ for the case to be worth it"
    assert metrics["loss"] == pytest.approx(-weighted / tokens, rel=1e-3)


def test_micro_batches_change_nothing_but_rounding(guesser: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    start = {name: value.clone() for name, value in guesser.model.state_dict().items()}
    results = []
    for size in (1, 5, 16):
        guesser.model.load_state_dict(start)
        config = replace(QUICK, steps=1, minibatches=1, micro_batch_size=size)
        [metrics] = train_dapo(config, guesser.model, guesser.tokenizer, guess_env)
        results.append((metrics["loss"], metrics["grad_norm"], metrics["entropy"]))
    assert results[1] == pytest.approx(results[0], rel=1e-3, abs=1e-6)
    assert results[2] == pytest.approx(results[0], rel=1e-3, abs=1e-6)


def test_without_a_group_to_train_the_step_is_skipped(tiny: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    """An untrained policy is always wrong: the budget ends the sampling, the weights stay, it is counted."""
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    config = replace(QUICK, steps=2, prompts_per_step=2, minibatches=1, max_rounds=2)
    history = train_dapo(config, tiny.model, tiny.tokenizer, guess_env)
    for metrics in history:
        assert (metrics["steps_skipped"], metrics["sampling_exhausted"], metrics["updates"]) == (1, 1, 0)
        assert (metrics["sampling_rounds"], metrics["groups_all_wrong"]) == (2, 4)
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())


def test_overlong_shaping_counts_the_policys_own_tokens(make_trajectory: Any) -> None:
    """Equal rewards, one episode longer: without shaping no difference, with it the longer one is worse."""
    members = (make_trajectory(0, tool=False), make_trajectory(1, tool=True))
    own = [int(member.loss_mask.sum()) for member in members]
    assert own[0] < own[1]
    plain = advantages_of(QUICK, Group(0, 0, members, 0))
    assert plain.tolist() == [0.0, 0.0]
    shaped = advantages_of(replace(QUICK, overlong_length=own[1], overlong_buffer=4), Group(0, 0, members, 0))
    assert shaped[0] > 0 > shaped[1]
    # The prompt and the tool's output are far longer than the limit and cost nothing.
    enough = replace(QUICK, overlong_length=own[1] + 4, overlong_buffer=4)
    assert len(members[1].input_ids) > enough.overlong_length
    assert advantages_of(enough, Group(0, 0, members, 0)).tolist() == [0.0, 0.0]


def test_failed_members_have_no_advantage_and_shift_nobodys(make_trajectory: Any) -> None:
    right, wrong = make_trajectory(0, accuracy=1.0), make_trajectory(1, accuracy=0.0)
    failed = make_trajectory(2, accuracy=0.0, outcome=Outcome.INFRA_FAILED)
    alone = advantages_of(QUICK, Group(0, 0, (right, wrong), 0))
    assert torch.equal(advantages_of(QUICK, Group(0, 0, (right, failed, wrong, failed), 0)), alone)


def test_when_all_infrastructure_fails_training_stops_with_a_reason(guesser: Qwen) -> None:
    """The judge is down, and no rule can tell whether the answers are right."""

    class Essays(GuessSource):
        def task(self, index: int, split: Split = "train") -> Task:
            return replace(super().task(index, split), answer=Answer("because the sky is blue"))

    judge = JudgeConfig(base_url="http://127.0.0.1:9/v1", model="judge", attempts=1)
    env = DeepEyesAsyncEnv(num_envs=4, tasks=Essays(), prompt="minimal", judge=judge)
    config = replace(QUICK, prompts_per_step=1, minibatches=1, max_rounds=1, infra_retries=0)
    try:
        with pytest.raises(NothingScored, match="check the sandbox"):
            train_dapo(config, guesser.model, guesser.tokenizer, env)
    finally:
        env.close()


def test_a_source_without_train_tasks_is_named(tiny: Qwen) -> None:
    class Nothing(GuessSource):
        def size(self, split: Split) -> int | None:
            return 0 if split == "train" else None

    env = DeepEyesAsyncEnv(tasks=Nothing(), prompt="minimal")
    try:
        with pytest.raises(ConfigError, match="'guess' has no train tasks"):
            train_dapo(QUICK, tiny.model, tiny.tokenizer, env)
    finally:
        env.close()


def test_endless_and_finite_sources_give_a_fixed_order() -> None:
    endless = [prompt_index(3, draw, None) for draw in range(50)]
    assert endless == [prompt_index(3, draw, None) for draw in range(50)]
    assert endless != [prompt_index(4, draw, None) for draw in range(50)]
    epochs = [[prompt_index(3, epoch * 7 + i, 7) for i in range(7)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_policy_beside_the_model_gets_its_weights_at_every_step(
    guesser: Qwen, guess_env: DeepEyesAsyncEnv
) -> None:
    apart = TransformersPolicy(copy.deepcopy(guesser.model), guesser.tokenizer)
    start = copy.deepcopy(guesser.model.state_dict())
    config = replace(QUICK, steps=3)
    beside = train_dapo(config, guesser.model, guesser.tokenizer, guess_env, policy=apart)
    guesser.model.load_state_dict(start)
    together = train_dapo(config, guesser.model, guesser.tokenizer, guess_env)
    assert beside == together
    assert all(metrics["ratio"] == pytest.approx(1.0, abs=0.2) for metrics in beside)


def test_speakers_of_text_are_refused(guesser: Qwen, guess_env: DeepEyesAsyncEnv) -> None:
    oracle = ScriptSpeaker(oracle_program, Vocabulary(guesser.tokenizer))
    with pytest.raises(ConfigError, match="ScriptSpeaker: not token-exact"):
        train_dapo(QUICK, guesser.model, guesser.tokenizer, guess_env, policy=oracle)  # type: ignore[arg-type]
