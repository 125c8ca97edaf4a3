"""One episode answers each question, whoever asks."""

import pytest
from actors import left_behind
from chat_server import ChatServer, says, stalls, status, streams
from PIL import Image

from agents.actor import ORACLE
from benchmarks.interchange.answerer import Answerer, AnswererOptions, AnswerError, Question, question
from benchmarks.interchange.vlmevalkit_model import DeepEyes, parts
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage


def picture(colour: str) -> EncodedImage:
    return EncodedImage.from_pil(Image.new("RGB", (84, 56), colour))


def test_pictures_after_a_text_are_named_in_their_place():
    red, blue = picture("red"), picture("blue")
    assert question([red, "Which colour?"]) == Question("Which colour?", (red,))
    asked = question([red, blue, "Compare", red, "and those. "])
    assert asked == Question("Compare\n(image_3)\nand those.", (red, blue, red))
    assert question(["Here:", red]).text == "Here:\n(image_1)"


def test_arguments_are_the_options_of_the_command_line():
    options = AnswererOptions.from_words(
        {"policy": "m", "backend": "api", "urls": "http://a/v1", "num_envs": 3}
    )
    assert (options.policy, options.urls, options.num_envs, options.temperature) == (
        "m",
        ("http://a/v1",),
        3,
        0.0,
    )
    for wrong in ({"policy": "m", "nonsense": 1}, {"policy": ORACLE}, {"policy": "m", "num_envs": 0}):
        with pytest.raises(ConfigError, match="cannot be used"):
            AnswererOptions.from_words(wrong)


def echo(server: ChatServer, request: dict):
    """Answers with the second word of the question."""
    content = request["messages"][-1]["content"]
    text = "".join(part.get("text", "") for part in content)
    return says(f"<think>x</think><answer>{text.split()[1]}</answer>")(server, request)


def opened(server: ChatServer, **words: object) -> AnswererOptions:
    return AnswererOptions(policy="m", backend="api", urls=(server.url,), **words)


def test_answers_come_in_the_order_of_the_questions():
    with ChatServer(echo) as server:
        answerer = Answerer(opened(server, num_envs=3))
        try:
            asked = [question([picture("red"), f"Say w{number}!"]) for number in range(5)]
            assert answerer.answer(asked) == [f"w{number}!" for number in range(5)]
            assert answerer.answer(asked[:1]) == ["w0!"]
        finally:
            answerer.close()


def test_an_episode_without_an_answer_is_empty_and_a_failed_one_is_an_error(tmp_path):
    api = tmp_path / "api.toml"
    api.write_text("[retry]\nattempts = 1\n")
    with ChatServer(says("no tags at all"), status(500)) as server:
        answerer = Answerer(opened(server, api=api, infra_retries=0))
        try:
            asked = [question([picture("red"), "What?"])]
            assert answerer.answer(asked) == [""]
            with pytest.raises(AnswerError, match="asked/1"):
                answerer.answer(asked)
        finally:
            answerer.close()


def test_after_a_failure_no_other_question_is_asked_any_more(tmp_path):
    def fails_at_the_first(server: ChatServer, request: dict):
        is_first = "number 0" in str(request["messages"])
        return (status(500) if is_first else streams(then=stalls))(server, request)

    api = tmp_path / "api.toml"
    api.write_text("[retry]\nattempts = 1\n")
    with ChatServer(fails_at_the_first) as server:
        answerer = Answerer(opened(server, api=api, infra_retries=0, num_envs=3))
        try:
            with pytest.raises(AnswerError, match="asked/0") as raised:
                answerer.answer([question([picture("red"), f"Say number {n}"]) for n in range(3)])
            assert not left_behind(), raised  # whose frames keep what they hold
        finally:
            answerer.close()


def test_vlmevalkits_messages_are_answered(tmp_path):
    file = tmp_path / "1.png"
    Image.new("RGB", (84, 56), "green").save(file)
    message = [{"type": "image", "value": str(file)}, {"type": "text", "value": "Say green."}]
    with ChatServer(echo) as server:
        model = DeepEyes(policy="m", backend="api", urls=server.url)
        assert model.generate(message, dataset="HRBench4K") == "green."
    with pytest.raises(ConfigError, match="holds a video"):
        list(parts([{"type": "video", "value": "x.mp4"}]))
