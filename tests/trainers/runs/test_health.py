from __future__ import annotations

import pytest
from guess_source import GuessSource

from agents.qwen import Qwen
from deepeyes_env.async_env import DeepEyesAsyncEnv
from trainers.config import DapoConfig
from trainers.dapo.train import train_dapo
from trainers.runs.health import RULES, diagnose, summary, with_health
from trainers.runs.metrics import Metrics

HEALTHY: Metrics = {
    "episodes": 128,
    "infra_failures": 0,
    "accuracy": 0.5,
    "format": 0.9,
    "truncated": 0.05,
    "code_calls": 1.0,
    "search_calls": 0.2,
    "image_search_calls": 0.1,
    "placeholder_rate": 0.02,
    "response_tokens": 500.0,
    "entropy": 0.3,
    "groups_drawn": 20,
    "groups_trained": 16,
    "groups_all_right": 2,
    "groups_all_wrong": 2,
    "sampling_exhausted": 0,
    "updates": 4,
    "updates_skipped": 0,
}
"""A step in which nothing is wrong."""

SICK: dict[str, Metrics] = {
    "tool_abandonment": {"code_calls": 0.1, "search_calls": 0.0, "image_search_calls": 0.0},
    "placeholder_code": {"placeholder_rate": 0.9},
    "format_hacking": {"format": 1.0, "accuracy": 0.3},
    "length_collapse": {"response_tokens": 140.0},
    "entropy_collapse": {"entropy": 0.02},
    "growing_truncation": {"truncated": 0.2},
    "infra_failures": {"infra_failures": 13},
    "no_variance": {"sampling_exhausted": 1, "groups_trained": 0, "groups_all_right": 18},
    "skipped_updates": {"updates": 3, "updates_skipped": 1},
}
"""What each rule's failure does to the healthy step."""


def told(history: list[Metrics]) -> list[str]:
    return [finding.rule for finding in diagnose(history)]


def test_every_rule_has_its_failure_here() -> None:
    assert [rule.name for rule in RULES] == list(SICK)


@pytest.mark.parametrize("rule", SICK)
def test_a_failure_is_told_by_its_rule_alone(rule: str) -> None:
    history = [HEALTHY] * 6
    assert told(history) == []
    history += [HEALTHY | SICK[rule]] * 5
    assert told(history) == [rule]
    [finding] = diagnose(history)
    assert "Try: " in finding.message
    assert any(character.isdigit() for character in finding.message), "figures"


def test_a_single_odd_batch_is_no_failure() -> None:
    for rule in set(SICK) - {"infra_failures", "skipped_updates"}:
        assert told([HEALTHY] * 6 + [HEALTHY | SICK[rule]]) == []


def test_broken_infrastructure_is_told_at_once() -> None:
    assert told([HEALTHY | SICK["infra_failures"]]) == ["infra_failures"]


def test_a_gradient_that_is_not_finite_is_told_at_once_and_for_a_window() -> None:
    sick = HEALTHY | SICK["skipped_updates"]
    skipped = {key: value for key, value in HEALTHY.items() if key not in ("updates", "updates_skipped")}
    [finding] = diagnose([HEALTHY, skipped, sick])
    assert "1 of 8 updates were skipped" in finding.message
    assert told([sick] + [HEALTHY] * 4) == ["skipped_updates"]
    assert told([sick] + [HEALTHY] * 5) == []


def test_the_figure_is_the_failures_own() -> None:
    [finding] = diagnose([HEALTHY] * 5 + [HEALTHY | SICK["length_collapse"]] * 5)
    assert "140 sampled tokens per episode, 500 at their height" in finding.message


def test_format_learned_at_the_floor_of_accuracy() -> None:
    """Nothing but the format is learned, and accuracy has nowhere to fall."""
    history = [HEALTHY | {"accuracy": 0.0, "format": 0.1 * step} for step in range(10)]
    assert told(history) == ["format_hacking"]
    learning = [HEALTHY | {"accuracy": 0.02 * step, "format": 0.1 * step} for step in range(10)]
    assert told(learning) == []


def test_skipped_steps_have_no_entropy_and_do_not_count() -> None:
    skipped = {key: value for key, value in HEALTHY.items() if key != "entropy"}
    assert told([HEALTHY, skipped] * 6) == []
    assert told([HEALTHY] * 6 + [skipped, HEALTHY | SICK["entropy_collapse"]] * 5) == ["entropy_collapse"]


def test_a_failure_is_news_once_until_it_is_over() -> None:
    sick = HEALTHY | SICK["no_variance"]
    history: list[Metrics] = []
    news = []
    for metrics in [HEALTHY] * 2 + [sick] * 5 + [HEALTHY] * 2 + [sick] * 3:
        judged, findings = with_health(history, metrics)
        history.append(judged)
        news.append([finding.rule for finding in findings])
    assert [i for i, rules in enumerate(news, start=1) if rules] == [5, 12]
    assert [row["health/no_variance"] for row in history] == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1]
    assert summary(history) == "health: no_variance at step 5-7, 12"
    assert summary(history[:3]) == "health: nothing to report in 3 steps"


def test_training_tells_of_a_policy_that_never_varies(tiny: Qwen, capsys: pytest.CaptureFixture[str]) -> None:
    """An untrained policy is always wrong: told once, at the third step, and again at the end."""
    config = DapoConfig(
        steps=4,
        prompts_per_step=1,
        group_size=2,
        minibatches=1,
        max_rounds=1,
        max_turn_tokens=8,
        progress=False,
    )
    env = DeepEyesAsyncEnv(num_envs=2, tasks=GuessSource(), prompt="minimal")
    history = train_dapo(config, tiny.model, tiny.tokenizer, env)
    env.close()
    assert [row["health/no_variance"] for row in history] == [0, 0, 1, 1]
    errors = capsys.readouterr().err
    assert errors.count("no_variance: 3 steps in a row used up their rounds of sampling") == 1
    assert "of 3 groups 0 train, 0 are all right, 3 all wrong" in errors
    assert "health: no_variance at step 3-4" in errors
