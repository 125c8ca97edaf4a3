from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode, Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import (
    CodeOutput,
    Finish,
    ImageHits,
    RunCode,
    SearchImage,
    SearchText,
    TextHits,
    parse_turn,
)
from deepeyes_env.search.base import Hit
from deepeyes_env.task import Answer, Task
from deepeyes_env.tasks.worlds.oracles import turns

PICTURE = EncodedImage.from_pil(Image.new("RGB", (64, 64), "navy"))
TASK = Task("t", "What?", (PICTURE,), Answer("x"))


def seen(turn: str, result: CodeOutput | TextHits | ImageHits) -> Observation:
    """What a real episode shows after `turn` gave `result`."""
    episode = Episode(TASK, EnvConfig())
    episode.start()
    episode.act(turn)
    observation = episode.observe(result)
    assert observation is not None
    return observation


def test_turns_are_what_the_parser_reads() -> None:
    assert parse_turn(turns.code("t", "print(1)\nprint(2)")) == RunCode("print(1)\nprint(2)")
    assert parse_turn(turns.search("t", 'a "quoted" ü')) == SearchText('a "quoted" ü')
    assert parse_turn(turns.image_search("t")) == SearchImage()
    assert parse_turn(turns.image_search("t", (1, 2, 30, 40.5))) == SearchImage(None, (1, 2, 30, 40.5))
    assert parse_turn(turns.image_search("t", image="crop")) == SearchImage("crop")
    assert parse_turn(turns.answer("t", "42")) == Finish("42")


def test_the_last_printed_line_is_read() -> None:
    turn = turns.code("t", "1")
    assert turns.printed(seen(turn, CodeOutput(stdout="one\n17 \n"))) == "17"
    assert turns.printed(seen(turn, CodeOutput())) is None
    assert turns.printed(Observation("Error: no such tool.")) is None


def test_pages_are_read_by_title() -> None:
    hits = (
        Hit(
            1,
            "Corvane (disambiguation)",
            "https://c.example/Corvane_(disambiguation)",
            "One. Two.",
            "2020-01-01",
        ),
        Hit(2, "Corvane Lamps", "https://c.example/Corvane_Lamps", "Founded in 1841.\nMore."),
    )
    found = turns.passages(seen(turns.search("t", "corvane"), TextHits("corvane", hits)))
    assert list(found) == ["Corvane (disambiguation)", "Corvane Lamps"]
    assert found["Corvane Lamps"] == "Founded in 1841. More."
    assert turns.passages(seen(turns.search("t", "corvane"), TextHits("corvane"))) == {}


def test_pictures_are_read_by_title() -> None:
    hits = tuple(
        Hit(rank, f"Emblem of No. {rank}", "https://c.example", thumbnail=PICTURE) for rank in (1, 2)
    )
    assert turns.picture_titles(seen(turns.image_search("t"), ImageHits(hits))) == [
        "Emblem of No. 1",
        "Emblem of No. 2",
    ]
    assert turns.picture_titles(seen(turns.image_search("t"), ImageHits())) == []
