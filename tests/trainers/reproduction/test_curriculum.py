from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.tiny import build_tiny
from agents.vocabulary import Vocabulary
from trainers.reproduction.corpus import microcosm_corpus
from trainers.reproduction.curriculum import LEAST, Curriculum
from trainers.reproduction.lessons import KINDS, draw_base_lessons

SUPPLY = [SimpleNamespace(family=kind, number=number) for kind in ("point", "read") for number in range(5)]


def drawn(curriculum, losses, batches):
    """Kinds of the lessons, when each kind always goes as `losses` says."""
    seen = []
    for _ in range(batches):
        lessons = curriculum.batch()
        curriculum.note(lessons, [losses[lesson.family] for lesson in lessons])
        seen += lessons
    return seen


def test_what_is_not_learned_comes_more_often_and_what_is_learned_still_comes():
    seen = drawn(Curriculum(SUPPLY, 0, 8), {"point": 2.3, "read": 0.0}, 400)
    late = Counter(lesson.family for lesson in seen[len(seen) // 2 :])
    assert late["read"] / late.total() == pytest.approx(LEAST / (1 + LEAST), abs=0.03)


@given(
    seed=st.integers(0, 2**16), losses=st.fixed_dictionaries({k: st.floats(0, 50) for k in ("point", "read")})
)
def test_the_same_seed_and_losses_give_the_same_lessons_each_kind_in_rounds(seed, losses):
    seen = drawn(Curriculum(SUPPLY, seed, 4), losses, 10)
    assert seen == drawn(Curriculum(SUPPLY, seed, 4), losses, 10)
    for kind in losses:
        numbers = [lesson.number for lesson in seen if lesson.family == kind]
        for first in range(0, len(numbers) - 4, 5):
            assert sorted(numbers[first : first + 5]) == list(range(5))


def test_lessons_about_texts_hold_what_is_to_be_copied_and_none_of_the_tags_of_a_call():
    vocabulary = Vocabulary(build_tiny(corpus=microcosm_corpus()).tokenizer)
    lessons = draw_base_lessons(120, 0, vocabulary)
    assert {lesson.family for lesson in lessons} >= set(KINDS)
    for lesson in lessons:
        assert not any(tag in lesson.reference for tag in ("<code>", "<tool_call>", "<think>"))
        if lesson.family in ("fact", "output"):
            number = lesson.reference.removeprefix("<answer>").removesuffix("</answer>")
            assert number in lesson.question
