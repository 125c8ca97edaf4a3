from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.scripted import Program, demonstrate_many
from agents.speaker import RolloutRequest
from agents.tiny import build_tokenizer
from agents.trajectory import SeedLineage, Trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from trainers.reproduction.corpus import microcosm_corpus
from trainers.reproduction.figures import ALL
from trainers.reproduction.lessons import KINDS, draw_base_lessons
from trainers.reproduction.placeholder import placeholders
from trainers.reproduction.settings import ENV
from trainers.reproduction.stages import Exam
from trainers.reproduction.tasks import (
    CARD_SUM,
    NEEDS_A_TOOL,
    STONE_DIGIT,
    MicrocosmTasks,
    stone_of,
    sum_of,
)
from trainers.reproduction.teachers import NOVICE_CALLS, eager, hasty, novice


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(build_tokenizer(microcosm_corpus()))


@pytest.fixture(scope="module")
def env() -> Iterator[DeepEyesAsyncEnv]:
    env = DeepEyesAsyncEnv(32, ENV, tasks=MicrocosmTasks(0, ALL))
    yield env
    env.close()


def shown(env: DeepEyesAsyncEnv, vocabulary: Vocabulary, teacher: Program, episodes: int) -> list[Trajectory]:
    requests = [RolloutRequest(i, "train", SeedLineage(0, prompt=i)) for i in range(episodes)]
    return list(demonstrate_many(env, vocabulary, requests, teacher))


def test_a_right_call_solves_what_needs_one_and_nothing_needs_more_room(env, vocabulary):
    limits = Exam()
    for one in shown(env, vocabulary, eager, 48):
        assert one.reward.format == 1.0
        assert [turn.action for turn in one.turns][1:] == ["answer"]
        if one.family in NEEDS_A_TOOL:
            assert one.reward.accuracy == 1.0, one.task_id
        assert len(one.input_ids) < limits.episode_tokens
        assert max(turn.end - turn.start for turn in one.turns) < limits.turn_tokens


def test_without_tools_only_the_large_card_can_be_read(vocabulary):
    env = DeepEyesAsyncEnv(32, ENV, tasks=MicrocosmTasks(0, ALL), tools=frozenset())
    episodes = shown(env, vocabulary, eager, 80)
    env.close()
    for family in ALL:
        solved = [one.reward.accuracy for one in episodes if one.family == family]
        if family in NEEDS_A_TOOL:
            assert sum(solved) / len(solved) < 0.4  # a digit can be guessed
        else:
            assert all(solved)


def test_the_hasty_teacher_calls_rightly_or_not_at_all(env, vocabulary):
    episodes = shown(env, vocabulary, hasty, 160)
    for family in NEEDS_A_TOOL:
        called = [one for one in episodes if one.family == family and len(one.turns) > 1]
        at_once = [one for one in episodes if one.family == family and len(one.turns) == 1]
        assert called
        assert at_once
        assert all(one.reward.accuracy == 1.0 for one in called)


def test_a_novice_calls_often_and_rarely_rightly(env, vocabulary):
    episodes = shown(env, vocabulary, novice(0.02), 160)
    called = [one for one in episodes if len(one.turns) > 1]
    assert len(called) / len(episodes) == pytest.approx(NOVICE_CALLS, abs=0.1)
    assert 0.05 < sum(map(placeholders, called)) / len(called) < 0.3
    sums = [one.reward.accuracy for one in called if one.family in (CARD_SUM, STONE_DIGIT)]
    assert sum(sums) / len(sums) < 0.15
    assert all(one.reward.format == 1.0 for one in episodes)


@given(index=st.integers(0, 10_000))
def test_the_same_family_has_the_same_tasks_in_every_choice(index: int) -> None:
    alone, among = MicrocosmTasks(3, [CARD_SUM]), MicrocosmTasks(3, ALL)
    one = alone.task(index)
    other = among.task(index * len(ALL) + ALL.index(CARD_SUM))
    assert (one.id, one.question, one.answer) == (other.id, other.question, other.answer)
    assert sum_of(one).result == int(one.answer.text)


@pytest.mark.parametrize(("family", "key"), [(CARD_SUM, sum_of), (STONE_DIGIT, stone_of)])
def test_no_sum_and_no_stone_is_asked_for_in_two_splits(family, key) -> None:
    tasks = MicrocosmTasks(0, [family])
    asked = {
        split: {str(key(tasks.task(i, split))) for i in range(100)}
        for split in ("train", "validation", "test")
    }
    for one, other in itertools.combinations(asked.values(), 2):
        assert not one & other


def test_lessons_are_of_all_kinds_and_hold_no_calls(vocabulary):
    lessons = draw_base_lessons(200, 0, vocabulary)
    assert {one.family for one in lessons} >= {*KINDS, "where", "crop", "large", "match"}
    for one in lessons:
        assert "<code>" not in one.turns[0].text
        assert "<tool_call>" not in one.turns[0].text
    again = draw_base_lessons(200, 0, vocabulary)
    assert [one.task_id for one in again] == [one.task_id for one in lessons]
