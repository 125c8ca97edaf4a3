"""Health rules: silent on healthy runs of any shape, loud on every failure, and the same after a resume."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from trainers.runs.health import RULES, diagnose, with_health
from trainers.runs.metrics import Metrics


def row(progress: float, noise: float) -> Metrics:
    """A step of the paper's healthy run (figure 8), `progress` in [0, 1], with relative noise."""
    wobble = 1 + noise
    return {
        "episodes": 4096,
        "infra_failures": 20,
        "accuracy": (0.40 + 0.10 * progress) * wobble,
        "format": 0.90 + 0.05 * progress,
        "truncated": 0.04 * wobble,
        "code_calls": (1.00 - 0.20 * progress) * wobble,
        "search_calls": (0.35 - 0.10 * progress) * wobble,
        "image_search_calls": 0.10,
        "placeholder_rate": 0.02 * wobble,
        "response_tokens": (545 - 195 * progress) * wobble,
        "entropy": (0.40 - 0.25 * progress) * wobble,
        "groups_drawn": 400,
        "groups_trained": 256,
        "groups_all_right": 90,
        "groups_all_wrong": 54,
        "sampling_exhausted": int(noise > 0.09),
        "updates": 8,
        "updates_skipped": 0,
    }


healthy = st.lists(st.floats(-0.1, 0.09), min_size=1, max_size=60).map(
    lambda noises: [row(i / len(noises), noise) for i, noise in enumerate(noises)]
)
lengths = st.integers(5, 20)

FAILURES = {
    "tool_abandonment": {"code_calls": 0.05, "search_calls": 0.0, "image_search_calls": 0.0},
    "placeholder_code": {"placeholder_rate": 0.95},
    "format_hacking": {"format": 1.0, "accuracy": 0.1},
    "length_collapse": {"response_tokens": 80.0},
    "entropy_collapse": {"entropy": 0.01},
    "growing_truncation": {"truncated": 0.5},
    "infra_failures": {"infra_failures": 600},
    "no_variance": {"sampling_exhausted": 1},
    "skipped_updates": {"updates": 7, "updates_skipped": 1},
}


@given(healthy)
def test_a_healthy_run_hears_nothing(history: list[Metrics]) -> None:
    for end in range(1, len(history) + 1):
        assert diagnose(history[:end]) == ()


@given(healthy, lengths, st.sampled_from(sorted(FAILURES)))
def test_every_failure_is_told_whatever_came_before(history: list[Metrics], length: int, rule: str) -> None:
    """A fall needs something to fall from: a window of healthy steps."""
    before = [row(0, 0)] * 5 + history
    if rule == "format_hacking":
        before = [one | {"format": 0.8} for one in before]
    sick = before + [before[-1] | FAILURES[rule]] * length
    assert rule in {finding.rule for finding in diagnose(sick)}


anything = st.lists(
    st.fixed_dictionaries(
        {key: st.floats(0, 10) for key in row(0, 0)},
    ),
    max_size=25,
)


@given(anything, st.data())
def test_a_resumed_run_hears_what_an_uninterrupted_one_does(
    steps: list[Metrics], data: st.DataObject
) -> None:
    """Whatever the metrics, and wherever the run was cut: its memory is `metrics.jsonl` alone."""

    def judge(history: list[Metrics], rest: list[Metrics]) -> tuple[list[Metrics], list[str]]:
        heard = []
        for metrics in rest:
            judged, news = with_health(history, metrics)
            history = [*history, judged]
            heard += [f"{len(history)} {finding.message}" for finding in news]
        return history, heard

    cut = data.draw(st.integers(0, len(steps)))
    whole, heard = judge([], steps)
    first, before = judge([], steps[:cut])
    resumed, after = judge(json.loads(json.dumps(first)), steps[cut:])
    assert resumed == whole
    assert before + after == heard
    assert all(f"health/{rule.name}" in judged for judged in whole for rule in RULES)
