import random

from deepeyes_env.task import Answer
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld
from deepeyes_env.tasks_command.check_command import _examples
from deepeyes_env.tasks_command.guesser import TextGuesser, guessed


def test_an_answer_that_the_question_gives_away_is_guessed() -> None:
    examples = [(f"What number is on the {colour} door?", Answer(number)) for colour, number in DOORS] * 20
    assert guessed(examples, examples) == 1.0


def test_an_answer_that_only_a_picture_tells_is_not_guessed() -> None:
    rng = random.Random(0)
    examples = [("What number is on the door?", Answer(str(rng.randrange(100)))) for _ in range(400)]
    assert guessed(examples[:300], examples[300:]) < 0.1


def test_a_number_is_guessed_where_tolerance_makes_it_right_most_often() -> None:
    answers = [Answer(text, tolerance=0.03) for text in ("100", "102", "104", "300", "300")]
    assert TextGuesser([("How long?", answer) for answer in answers]).guess("How long?") == "102"


def test_half_of_what_is_asked_are_twins() -> None:
    examples = _examples(FictionalWorld(0, ("house-number",)), 8, "validation")
    assert len(examples) == 8
    for (question, answer), (same, other) in zip(examples[::2], examples[1::2], strict=True):
        assert question == same
        assert answer.text != other.text


DOORS = (("red", "12"), ("blue", "34"), ("green", "56"))
