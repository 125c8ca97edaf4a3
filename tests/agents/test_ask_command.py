"""`deepeyes ask` as a person would use it: own pictures, a chat server or a tiny model, the real sandbox."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from chat_server import ChatServer, says, status
from PIL import Image
from talk import tiny

from agents.ask_command import main
from agents.qwen import save_qwen
from agents.store import read_trajectories
from agents.viewer.command import main as view
from deepeyes_env.cli import main as deepeyes
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import ImageError
from deepeyes_env.outcome import Outcome

ZOOM = (
    "<think>I should look closer.</think>\n<code>\n```python\n"
    "print('size', image_1.size)\nimage_1.crop((0, 0, 56, 84))\n```\n"
)
ANSWER = "<think>It is red.</think>\n<answer>red"
SEARCH = '<think>Who?</think>\n<tool_call>\n{"name": "search", "arguments": {"query": "red"}}\n'


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A red JPEG of 112 x 84 that lies on its side: upright it is 84 x 112."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (112, 84), "red").save(path, exif=exif)
    return path


def ask(server: ChatServer, *arguments: str | Path) -> int:
    return main(
        ["--policy", "m", "--backend", "api", "--url", server.url, *map(str, arguments), "What colour?"]
    )


def shown(request: dict[str, object]) -> list[str]:
    """The texts of the last message, and `<image>` for images."""
    [*_, last] = request["messages"]  # type: ignore[misc]
    return [part.get("text", "<image>") for part in last["content"]]


def test_help_offers_no_policy_that_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "or `oracle`" not in shown.split("--backend")[0]
    assert "model's name at an API" in shown


def test_an_answer(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ChatServer(says(ZOOM), says(ANSWER)) as server:
        assert ask(server, photo, "--images", tmp_path / "seen", "--save", tmp_path / "run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "red"
    steps = [
        "What colour?",
        f"image: {tmp_path / 'seen' / 'question-1.png'}",
        "I should look closer.",
        "print('size', image_1.size)",
        "size (84, 112)",
        f"image: {tmp_path / 'seen' / 'turn-1-1.png'}",
        "It is red.",
        f"saved: deepeyes view {tmp_path / 'run'}",
        "used: 2 requests, 20 tokens in (12 of them cached), 8 out",
    ]
    found = [next(number for number, line in enumerate(lines) if step in line) for step in steps]
    assert found == sorted(found)
    assert not any("reward" in line or "reference" in line for line in lines)
    assert Image.open(tmp_path / "seen" / "question-1.png").size == (84, 112)
    assert Image.open(tmp_path / "seen" / "turn-1-1.png").size == (56, 84)
    assert shown(server.requests[1])[-1] == "<image>"
    [trajectory] = read_trajectories(tmp_path / "run")
    assert (trajectory.answer, trajectory.reference, trajectory.token_exact) == ("red", "", False)
    assert len(trajectory.images) == 2
    view([str(tmp_path / "run")])
    assert "I should look closer." in (tmp_path / "run" / "trajectories.html").read_text()


def test_questions_of_one_run_are_tasks_of_their_own(photo: Path, tmp_path: Path) -> None:
    other, run = tmp_path / "other.png", tmp_path / "run"
    Image.new("RGB", (84, 84), "blue").save(other)
    with ChatServer(says(ANSWER)) as server:
        for picture in (photo, photo, other):
            ask(server, picture, "--save", run)
    first, again, another = [one.task_id for one in read_trajectories(run)]
    assert re.fullmatch("ask/[0-9a-f]{12}", first)
    assert first == again != another


def test_the_exit_status(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command `deepeyes`, which explains mistakes."""
    chat = ["ask", "--policy", "m", "--backend", "api", str(photo), "What colour?", "--url"]
    with ChatServer(says(ANSWER), says("<think>I give up.")) as server:
        assert [deepeyes([*chat, server.url]) for _ in range(2)] == [0, 1]
    assert capsys.readouterr().out.splitlines()[-1] == "no answer: malformed"
    chat[5] = str(tmp_path / "absent.png")
    assert deepeyes([*chat, server.url]) == 2
    assert capsys.readouterr().err.startswith(f"deepeyes ask: {tmp_path / 'absent.png'}: cannot be read")


def test_a_failed_service_is_explained(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = tmp_path / "api.toml"
    api.write_text("[retry]\nattempts = 1\n")
    with ChatServer(status(500, "on fire")) as server:
        assert ask(server, photo, "--api", api) == 1
    out = capsys.readouterr().out
    assert "on fire" in out
    assert out.splitlines()[-1] == "no answer: infra failed"
    with ChatServer(status(401)) as server, pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        ask(server, photo)


def test_the_settings_of_an_api(photo: Path, tmp_path: Path) -> None:
    api = tmp_path / "api.toml"
    api.write_text("stop = false\n[prices]\ninput = 1000000.0\n[budget]\ndollars = 1.0\n")
    with ChatServer(says(ZOOM + "</code>")) as server, pytest.raises(ConfigError, match="the budget of 1"):
        ask(server, photo, "--api", api)
    assert "stop" not in server.requests[0]
    api.write_text("stops = false\n")
    with pytest.raises(ConfigError, match=r"unknown key 'stops'.*'stop'"):
        ask(server, photo, "--api", api)


def test_many_pictures_and_the_standard_input(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(np.zeros((56, 56), np.uint16)).save(other)
    buffer = io.BytesIO()
    Image.new("CMYK", (60, 30)).save(buffer, "JPEG")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(buffer.getvalue())))
    with ChatServer(says(ANSWER)) as server:
        assert ask(server, photo, other, "-") == 0
    assert shown(server.requests[0])[:3] == ["<image>"] * 3


def test_large_photos_leave_room_for_turns(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (3000, 2000)).save(tmp_path / f"{number}.jpg")
    with ChatServer(says(ANSWER)) as server:
        arguments = ("--max-tokens", "4000", "--save", tmp_path / "run")
        assert ask(server, *arguments, tmp_path / "0.jpg", tmp_path / "1.jpg") == 0
        tiny().tokenizer.save_pretrained(tmp_path / "words")
        counted = ("--max-tokens", "500", "--tokenizer", tmp_path / "words")
        with pytest.raises(ConfigError, match=r"no room for the prompt: .* exceed 500; raise --max-tokens"):
            ask(server, *counted, tmp_path / "0.jpg")
    [trajectory] = read_trajectories(tmp_path / "run")
    assert 1800 < sum(span.length for span in trajectory.image_spans) <= 2000


def test_what_is_no_picture(photo: Path, tmp_path: Path) -> None:
    broken, thin = tmp_path / "broken.jpg", tmp_path / "thin.png"
    broken.write_bytes(photo.read_bytes()[:300])
    Image.new("RGB", (900, 2)).save(thin)
    with ChatServer(says(ANSWER)) as server:
        for path, fault in (
            (broken, r"broken\.jpg: the image does not decode"),
            (tmp_path / "absent.png", r"absent\.png: cannot be read \(No such file"),
            (tmp_path, r"cannot be read \(Is a directory"),
            (thin, r"aspect ratio of a 900x2 image exceeds 200:1"),
        ):
            with pytest.raises(ImageError, match=fault):
                ask(server, photo, path)
        bomb = tmp_path / "large.png"
        Image.new("1", (10_000, 7_000)).save(bomb)
        with pytest.raises(ImageError, match=r"large\.png: .*10000x7000 pixels exceeds the limit.*shrink it"):
            ask(server, bomb)
    assert not server.requests


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--policy", "m", "photo.jpg"], "one picture or more, then the question in quotes"),
        (["--policy", "m", "photo.jpg", " "], "then the question in quotes"),
        (["--policy", "oracle", "photo.jpg", "What?"], "the oracle knows its own tasks only"),
        (["--policy", "m", "--url", "http://x/v1", "photo.jpg", "What?"], "add --backend"),
        (["--policy", "m", "--api", "x.toml", "photo.jpg", "What?"], "add --backend api"),
    ],
)
def test_what_cannot_be_asked(capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert fault in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_search_needs_an_engine(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ChatServer(says(SEARCH), says(ANSWER)) as server:
        assert ask(server, photo) == 0
    assert "the tool 'search' is not available" in capsys.readouterr().out
    assert "image_search" not in server.requests[0]["messages"][0]["content"]
    env = tmp_path / "env.toml"
    env.write_text(
        '[judge]\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[search]\n[search.retry]\nattempts = 1\n[search.engine]\nkind = "retrieve"\n'
        'url = "http://127.0.0.1:9/retrieve"\n'
    )
    with ChatServer(says(SEARCH), says(ANSWER)) as server:
        ask(server, photo, "--env", env)
    assert "image_search" in server.requests[0]["messages"][0]["content"]


def test_a_model_of_ones_own(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = tmp_path / "checkpoint"
    save_qwen(tiny(), checkpoint)
    arguments = ["--policy", str(checkpoint), "--max-turn-tokens", "8", "--save", str(tmp_path / "run")]
    assert main([*arguments, str(photo), "What colour?"]) == 1
    assert "no answer: " in capsys.readouterr().out.splitlines()[-1]
    [trajectory] = read_trajectories(tmp_path / "run")
    assert trajectory.token_exact
    assert trajectory.outcome in (Outcome.MALFORMED, Outcome.TRUNCATED)
    with pytest.raises(ConfigError, match="absent"):
        main(["--policy", str(tmp_path / "absent"), str(photo), "What colour?"])
