"""Long chains of thought that are mixed in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from curation_plans import vocabulary
from PIL import Image

from agents.convert.importer import Importer
from agents.convert.openai_messages import data_url
from agents.trajectory import check_tokens, check_trajectory
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from trainers.curation import thought
from trainers.curation.benchmarks import Sample
from trainers.curation.decontaminate import Decontaminator
from trainers.curation.recipe import Decontamination, LongThought


def said(question: str, answer: str = "So it is.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def choose(files: list[Path], count: int, seed: int = 0, max_tokens: int = 400) -> tuple[Counter, list]:
    decontaminator = Decontaminator([Sample("b", "q:0", "Asked elsewhere?", ())], Decontamination())
    importer = Importer(vocabulary(), max_tokens=max_tokens)
    found = list(thought.choose(files, count, importer, decontaminator, seed))
    return Counter(v.reason for v, _ in found), [one for _, one in found if one is not None]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    lines = path.suffix == ".jsonl"
    path.write_text("\n".join(map(json.dumps, records)) if lines else json.dumps(records))
    return path


@pytest.mark.parametrize("name", ["cot.json", "cot.jsonl"])
def test_every_conversation_is_taken_or_left_out_for_a_reason(tmp_path: Path, name: str) -> None:
    records = [
        *(said(f"Is {number} odd?") for number in range(6)),
        said("is 3  odd?"),
        said("Asked elsewhere"),
        said("Too long?", "word " * 2000),
        {"messages": [{"role": "user", "content": "Nobody answers."}]},
        {"messages": "none"},
    ]
    file = write(tmp_path / name, records)
    reasons, taken = choose([file], count=100)
    assert reasons == {"": 6, "duplicate": 1, "benchmark": 1, "unusable": 2, "too long": 1}
    assert len(taken) == 6
    fewer, _ = choose([file], count=4)
    assert fewer[""] == 4
    assert sum(fewer.values()) == len(records)
    for one in taken:
        check_trajectory(one)
        check_tokens(one, vocabulary())
        assert (one.family, one.reward.accuracy, one.images) == ("long-thought", 1.0, ())


def test_the_same_ones_are_chosen_whatever_the_order(tmp_path: Path) -> None:
    records = [said(f"Is {number} odd?") for number in range(9)]
    first = write(tmp_path / "a.json", records)
    second = write(tmp_path / "b.json", records[::-1])
    questions = [sorted(one.question for one in choose([file], 3)[1]) for file in (first, second)]
    assert questions[0] == questions[1]
    assert questions[0] != sorted(one.question for one in choose([first], 3, seed=1)[1])


def test_conversations_with_pictures_are_left_out(tmp_path: Path) -> None:
    url = data_url(EncodedImage.from_pil(Image.new("RGB", (28, 28), "red")))
    shown = said("")
    shown["messages"][0]["content"] = [{"type": "image_url", "image_url": {"url": url}}]
    reasons, taken = choose([write(tmp_path / "a.jsonl", [shown])], 5)
    assert (reasons, taken) == ({"shows pictures": 1}, [])


def test_a_share_is_of_the_whole_set_and_a_count_is_a_count() -> None:
    assert thought.wanted(184, LongThought().share, None) == 816
    assert thought.wanted(184, 0.5, None) == 184
    assert thought.wanted(184, 0.5, 7) == 7
    assert thought.wanted(0, 0.5, None) == 0


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(ConfigError, match=r"a\.csv"):
        thought.check_files([str(tmp_path / "a.csv")])
