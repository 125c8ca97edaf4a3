import json
import random
from dataclasses import replace

import pytest
from sample_trajectories import trajectory

from agents.metrics import summarise, tools_used
from deepeyes_env.outcome import Outcome


def batch():
    return [
        trajectory("code", "code", "answer"),
        trajectory("answer", accuracy=0.0),
        trajectory("code", "search", "answer", accuracy=0.0, tool_ok=False),
        trajectory("image_search", "malformed", outcome=Outcome.MALFORMED, accuracy=0.0, answer=None),
        trajectory("code", "answer", outcome=Outcome.INFRA_FAILED, answer=None, tool_ok=False),
    ]


def test_figures_of_a_mixed_batch():
    metrics = summarise(batch())
    assert metrics.episodes == 5
    assert metrics.scored == 4
    assert metrics.infra_failures == 1
    assert metrics.accuracy == 0.25
    assert metrics.format == 1.0
    assert metrics.reward == pytest.approx((1.0 + 0.2 + 0.2 + 0.2) / 4)
    assert metrics.tool_use == 0.75
    assert metrics.code_calls == 0.75
    assert metrics.search_calls == metrics.image_search_calls == 0.25
    assert metrics.code_error_rate == pytest.approx(1 / 3)
    assert metrics.malformed == 0.25
    assert metrics.answered == 0.75
    assert metrics.truncated == 0.0
    assert metrics.turns == pytest.approx((3 + 1 + 3 + 2) / 4)


def test_response_tokens_count_sampled_tokens_only():
    one = trajectory("code", "answer")
    assert summarise([one]).response_tokens == sum(turn.end - turn.start for turn in one.turns)


def test_order_changes_nothing():
    shuffled = batch()
    random.Random(3).shuffle(shuffled)
    assert summarise(shuffled) == summarise(batch())


def test_placeholders_are_counted_among_the_scored_cells():
    def told(text):
        one = trajectory("code", "code", "answer")
        cell = f"<think>Look.</think><code>\n```python\n{text}\n```\n</code>"
        return replace(one, turns=(replace(one.turns[0], text=cell), *one.turns[1:]))

    metrics = summarise([told("# The sign says STOP."), told("image_1.show()"), trajectory("answer")])
    assert metrics.placeholder_rate == 1 / 4
    assert summarise([trajectory("answer")]).placeholder_rate == 0.0
    failed = replace(told("pass"), outcome=Outcome.INFRA_FAILED)
    assert summarise([failed, trajectory("code", "answer")]).placeholder_rate == 0.0


def test_nothing_scored_is_all_zero():
    metrics = summarise([trajectory("answer", outcome=Outcome.INFRA_FAILED)])
    assert metrics.infra_failures == 1
    assert metrics.accuracy == metrics.reward == metrics.turns == 0.0
    assert summarise([]).episodes == 0


def test_figures_are_plain_numbers_for_trackers():
    figures = summarise(batch()).as_dict()
    assert json.loads(json.dumps(figures)) == figures


def test_tools_used_counts_calls():
    assert tools_used(trajectory("code", "code", "search", "answer")) == {"code": 2, "search": 1}
