"""Every suite on a small file in exactly its public schema: read, scored, and played in the environment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from golden import Golden, all_golden

from benchmarks.suites import SUITES, open_suite
from benchmarks.suites.items import SuiteItems
from benchmarks.suites.row import RowError
from benchmarks.suites.suite import Marked
from deepeyes_env.env import DeepEyesEnv

GOLDEN = all_golden()
GENERATED = {name for name, place in SUITES.items() if place.startswith("worldbench:")}
"""Suites without a release: they make their items."""


@pytest.fixture(params=GOLDEN, ids=lambda golden: f"{golden.suite}-{GOLDEN.index(golden)}")
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Golden, SuiteItems]:
    golden = request.param
    return golden, open_suite(golden.suite, golden.write(tmp_path))


def test_every_suite_has_a_golden_file() -> None:
    assert {golden.suite for golden in GOLDEN} | GENERATED >= set(SUITES)


def test_items(opened: tuple[Golden, SuiteItems]) -> None:
    golden, items = opened
    assert len(items) == items.size("test") == len(golden.answers)
    read = [items.item(index) for index in range(len(items))]
    ids = [item.task.id for item in read]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith(f"{golden.suite}/") for name in ids)
    for item in read:
        assert item.task.question
        assert "<image>" not in item.task.question
        assert item.task.images
        assert item.task.skills
        assert item.cluster
        json.dumps(dict(item.facts))
        assert all(option in item.task.question for option in item.task.answer.choices.values())


def test_the_official_metric(opened: tuple[Golden, SuiteItems]) -> None:
    golden, items = opened
    for index, (right, wrong) in enumerate(golden.answers):
        item = items.item(index)
        assert items.suite.official(item, right) == 1.0, (right, item.task)
        assert items.suite.official(item, wrong) == 0.0, (wrong, item.task)


def test_figures_of_a_perfect_run_and_of_an_unscored_one(opened: tuple[Golden, SuiteItems]) -> None:
    _, items = opened
    read = [items.item(index) for index in range(len(items))]
    perfect = items.suite.summarise([Marked(item, 1.0) for item in read])
    assert perfect
    assert perfect.get("accuracy", 1.0) == 1.0
    assert "accuracy" not in items.suite.summarise([Marked(item, None) for item in read])
    assert "accuracy" not in items.suite.summarise([])


def test_the_card(opened: tuple[Golden, SuiteItems]) -> None:
    golden, items = opened
    card = items.suite.card
    assert card.name == golden.suite
    assert card.title
    assert card.licence
    assert card.metric
    assert card.paper
    assert card.traps
    described = items.describe()
    assert json.loads(json.dumps(described))["items"] == len(items)
    assert any(
        f"{len(items)} items, the public release has {card.size}" in warning for warning in items.warnings
    )
    assert described["source"]["md5"]


def test_a_row_without_a_column_says_which(opened: tuple[Golden, SuiteItems]) -> None:
    """Some columns are read only where others are missing: then the row is still an item."""
    golden, items = opened
    row = items.copy.row(0)
    refused: list[RowError] = []
    for column in row:
        rest = replace(row, columns={name: row[name] for name in row if name != column})
        try:
            items.suite.read(rest)
        except RowError as error:
            refused.append(error)
    assert refused
    assert all(repr(golden.suite) in str(error) and error.row == 0 and error.column for error in refused)


def test_played_in_the_environment(opened: tuple[Golden, SuiteItems]) -> None:
    golden, items = opened
    env = DeepEyesEnv(tasks=items, split="test")
    try:
        observation, info = env.reset(seed=0, options={"index": 0})
        task = items.task(0)
        assert task.question in observation["text"]
        assert len(observation["images"]) == len(task.images)
        assert info["task_id"] == task.id
        *_, terminated, _, _ = env.step(f"<think>I see.</think>\n<answer>{golden.answers[0][0]}</answer>")
        assert terminated
        assert env.episode.answer == golden.answers[0][0]
    finally:
        env.close()
