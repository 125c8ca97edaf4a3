"""Every suite's multiple choice can be laid out anew, and its official metric scores the labels shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden import Golden, all_golden

from benchmarks.scoring.option_order import layouts
from benchmarks.suites import open_suite
from deepeyes_env.rewards.choice import picked_label

GOLDEN = all_golden()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden.suite}-{GOLDEN.index(golden)}")
def test_options_in_all_orders_are_scored_by_the_label_shown(golden: Golden, tmp_path: Path) -> None:
    items = open_suite(golden.suite, golden.write(tmp_path))
    for index, (right, _) in enumerate(golden.answers):
        item = items.item(index)
        released = picked_label(right, dict(item.task.answer.choices))
        if released is None:
            continue
        for shown in layouts(item, "averaged", seed=0):
            for label in shown.item.task.answer.choices:
                expected = float(shown.order.get(label, label) == released)
                assert items.suite.official(shown.item, label) == expected, (label, shown)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden.suite}-{GOLDEN.index(golden)}")
def test_an_options_words_are_worth_the_same_in_all_orders(golden: Golden, tmp_path: Path) -> None:
    items = open_suite(golden.suite, golden.write(tmp_path))
    for item in map(items.item, range(len(golden.answers))):
        for words in item.task.answer.choices.values():
            if len(words) == 1:
                continue  # an option that is a letter reads as a label, and labels move
            worth = items.suite.official(item, words)
            for shown in layouts(item, "averaged", seed=0):
                assert items.suite.official(shown.item, words) == worth, (words, shown)
