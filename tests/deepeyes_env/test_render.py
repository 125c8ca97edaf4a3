import runpy
from pathlib import Path

import numpy as np
import pytest
from env_parts import IMAGE_SEARCH, InProcessSandbox, answer, code, make_source, make_task, picture
from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.episode import Episode
from deepeyes_env.protocol import CodeOutput, ImageHits
from deepeyes_env.render import render_ansi, render_rgb
from deepeyes_env.rewards.base import Reward
from deepeyes_env.search.base import Hit
from deepeyes_env.sheet import font, wrap


def test_the_example_without_arguments_shows_how_to_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parents[2] / "examples" / "draw_episode.py"
    monkeypatch.setattr("sys.argv", [str(example)])
    with pytest.raises(SystemExit, match=r"Run: python examples/draw_episode\.py"):
        runpy.run_path(str(example), run_name="__main__")


def played(*, stdout: str = "", images: int = 0) -> Episode:
    episode = Episode(make_task(4, question="What colour\x1b[2J is <b>it</b>?"), EnvConfig())
    episode.start()
    episode.act(code("print('hello')\nshow(image_1)"))
    episode.observe(CodeOutput(stdout, images=(Image.new("RGB", (90, 30), "#ff00ff"),) * images))
    return episode


def count(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels.astype(int) - colour).max(axis=-1) < 8).sum())


def test_the_picture_shows_question_image_and_tool_images() -> None:
    plain = render_rgb(played())
    assert plain.shape[1:] == (1200, 3)
    assert plain.dtype == np.uint8
    assert count(plain, (0, 255, 0)) > 20_000
    assert count(plain, (255, 0, 255)) == 0
    assert count(render_rgb(played(images=2)), (255, 0, 255)) > 2_000


def test_the_picture_says_whether_the_answer_was_right() -> None:
    episode = played()
    episode.act(answer(4))
    right = render_rgb(episode, Reward(1.0, 1.0, 1.0))
    wrong = render_rgb(episode, Reward(0.0, 1.0, 0.2))
    green, red = (5, 150, 105), (220, 38, 38)
    assert count(right, green) > 500 > count(right, red)
    assert count(wrong, red) > 500 > count(wrong, green)


def test_long_output_keeps_the_picture_at_a_sane_height() -> None:
    episode = played(stdout="word " * 5_000 + "\n" * 500)
    assert render_rgb(episode).shape[0] < 1_500


def test_the_text_names_everything_and_steers_no_terminal() -> None:
    episode = played(stdout="\x1b]0;title\x07done\n", images=1)
    text = render_ansi(episode, colour=False)
    for piece in ("list/4", "[image 56x56]", "print('hello')", "done", "[image 112x56]", "<b>it</b>"):
        assert piece in text
    assert "\x1b" not in text
    assert "\x1b]0" not in render_ansi(episode)
    assert "\x1b[36m" in render_ansi(episode)


def test_what_cannot_be_printed_is_left_out() -> None:
    episode = Episode(make_task(4), EnvConfig())
    episode.start()
    episode.act("<think>half \ud83d a smile, \u202eturned\u202c</think>\n<answer>4</answer>")
    assert "half  a smile, turned" in render_ansi(episode).encode().decode()


def test_the_last_step_alone() -> None:
    episode = played()
    assert "What colour" in render_ansi(episode)
    assert "What colour" not in render_ansi(episode, last_only=True)
    episode.act(answer(5))
    text = render_ansi(episode, Reward(0.0, 1.0, 0.2), last_only=True, colour=False)
    assert "print" not in text
    assert "answered   reference: 4   reward 0.2" in text


def test_search_results_are_shown_without_tags() -> None:
    episode = played()
    episode.act(IMAGE_SEARCH)
    episode.observe(ImageHits((Hit(1, "A lighthouse", "u", thumbnail=picture()),)))
    text = render_ansi(episode, colour=False)
    assert "A lighthouse" in text
    assert "tool_response" not in text
    assert render_rgb(episode).shape[0] > render_rgb(played()).shape[0]


@pytest.mark.parametrize("mode", ["human", "rgb_array", "ansi"])
def test_render_modes(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    env = DeepEyesEnv(tasks=make_source(), sandbox=InProcessSandbox(), render_mode=mode)
    env.reset(options={"index": 4})
    env.step(code("print(40 + 2)"))
    printed, rendered = capsys.readouterr().out, env.render()
    if mode == "human":
        assert rendered is None
        assert "What is 4?" in printed
        assert "42" in printed
    elif mode == "ansi":
        assert isinstance(rendered, str)
        assert "42" in rendered
        assert printed == ""
    else:
        assert isinstance(rendered, np.ndarray)


def test_lines_are_broken_to_the_width() -> None:
    face = font(12)
    for text in ("a few words that need room", "x" * 200, "", "two\nlines"):
        lines = wrap(text, face, 100)
        assert all(face.getlength(line) <= 100 for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
