"""The stand-in for a pretrained base: what its lessons hold, and that they teach."""

import pytest
import torch

from agents.tiny import build_tiny
from agents.trajectory import check_trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.tasks.worlds.perception import cards
from trainers.quickstart.visual_pretraining import (
    CLOSE,
    LESSONS,
    VIEW,
    EyesConfig,
    draw_lessons,
    exam,
    pretrain_eyes,
)


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(build_tiny(0).tokenizer)


def test_lessons_are_sound_short_and_of_every_kind(vocabulary):
    lessons = draw_lessons(60, 0, vocabulary)
    assert {lesson.family for lesson in lessons} == set(LESSONS)
    for lesson in lessons:
        check_trajectory(lesson)
        assert len(lesson.input_ids) < 80
        assert [turn.action for turn in lesson.turns] == ["answer"]
        widths = {"crop": [CLOSE], "match": [VIEW, CLOSE]}.get(lesson.family, [VIEW])
        assert [image.width for image in lesson.images] == widths


def test_no_lesson_uses_a_tool_or_shows_how(vocabulary):
    for lesson in draw_lessons(60, 0, vocabulary):
        assert not any(word in lesson.turns[0].text for word in ("<code>", "<think>", "crop", "python"))


def test_lessons_follow_from_seed_and_stream(vocabulary):
    def looks(lessons):
        return [(lesson.images[0].sha256, lesson.reference) for lesson in lessons]

    first = looks(draw_lessons(20, 0, vocabulary))
    assert first == looks(draw_lessons(20, 0, vocabulary))
    others = looks(draw_lessons(20, 1, vocabulary)) + looks(draw_lessons(20, 0, vocabulary, stream="exam"))
    assert not set(first) & set(others)


def test_a_lesson_points_at_the_card(vocabulary):
    lesson = next(one for one in draw_lessons(30, 0, vocabulary) if one.family == "where")
    left, top, right, bottom = map(int, lesson.reference.removeprefix("box=(").removesuffix(")").split(","))
    scale = cards.CANVAS // VIEW
    middle = ((left + right) // 2 // scale, (top + bottom) // 2 // scale)
    colour = lesson.question.split()[-2]
    seen = lesson.images[0].decode().crop((middle[0] - 2, middle[1] - 2, middle[0] + 2, middle[1] + 2))
    assert max(abs(a - b) for a, b in zip(seen.getpixel((0, 3)), cards.COLOURS[colour], strict=True)) < 90


def test_pre_training_learns_its_lessons_and_repeats():
    config = EyesConfig(seed=0, lessons=8, steps=25, batch_size=8, warmup_steps=5)
    losses, weights = [], []
    for _ in range(2):
        qwen = build_tiny(0)
        seen: list[float] = []
        pretrain_eyes(
            config, qwen.model, qwen.tokenizer, on_step=lambda step, loss, seen=seen: seen.append(loss)
        )
        losses.append(seen)
        weights.append(qwen.model.lm_head.weight.detach().clone())
    assert losses[0] == losses[1]
    assert torch.equal(weights[0], weights[1])
    assert losses[0][-1] < losses[0][0] / 4


def test_a_model_that_saw_nothing_fails_the_exam():
    qwen = build_tiny(0)
    marks = exam(qwen.model, qwen.tokenizer, count=30)
    assert set(marks) == set(LESSONS)
    assert max(marks.values()) < 0.7
