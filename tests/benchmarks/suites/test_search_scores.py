"""The official metrics of the suites of search, against what their authors' code says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.suites import fvqa, infoseek, mmsearch, simplevqa
from benchmarks.suites.row import Row, RowError
from benchmarks.suites.squad import exact_match, f1, normalise
from benchmarks.suites.suite import Item
from benchmarks.suites.verl_rows import read_row
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Task
from deepeyes_env.tasks.dataset_error import DatasetError

NOTHING = EncodedImage(b"", 1, 1, "0")


def item(text: str, *aliases: str) -> Item:
    return Item(Task("suite/1", "?", (NOTHING,), Answer(text, aliases=aliases)), "news", "1")


# `normalize_answer` in MMSearch score/f1_score.py and MMSearch-R1 mmsearch_r1_score.py.
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The  Red Bull, Ltd.", "red bull ltd"),
        ("an apple a day", "apple day"),
        ("theatre", "theatre"),
        ("U.S.A.", "usa"),
        ("足阳明胃经", "足阳明胃经"),
        ("The", ""),
    ],
)
def test_normalise(text: str, wanted: str) -> None:
    assert normalise(text) == wanted


@pytest.mark.parametrize("suite", [fvqa.SUITE, infoseek.SUITE], ids=lambda suite: suite.card.name)
@pytest.mark.parametrize(
    ("given", "score"),
    [("spain", 1.0), ("the Kingdom of Spain.", 1.0), ("Spain and Portugal", 0.0), ("", 0.0), ("the", 0.0)],
)
def test_exact_match_with_candidates(suite, given: str, score: float) -> None:
    assert suite.official(item("Spain", "Kingdom of Spain", "a"), given) == score


@pytest.mark.parametrize(
    ("given", "score"),
    [
        ("25 August 2024", 1.0),
        ("August 25, 2024", 1.0),  # words without their order
        ("25 August", 0.8),  # precision 1, recall 2/3
        ("on 25 August 2024", 6 / 7),
        ("August August", 0.4),  # a word counts as often as it is in both
        ("Aug. 25", 1.0),  # the alternative
        ("tomorrow", 0.0),
        ("", 0.0),
    ],
)
def test_f1_for_the_best_reference(given: str, score: float) -> None:
    assert mmsearch.official(item("25 August 2024", "Aug 25"), given) == pytest.approx(score)


def test_f1_without_words() -> None:
    assert f1("the", ["a"]) == 1.0
    assert f1("the", ["b"]) == f1("b", ["the"]) == 0.0


def test_f1_counts_words_that_come_twice() -> None:
    assert f1("New York, New York", ["New York New York"]) == 1.0
    assert f1("New York", ["New York New York"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("given", "score"),
    [("The Baron.", 1.0), ("baron", 1.0), ("Baron of Rome", None), ("I do not know", None), ("", 0.0)],
)
def test_simplevqa_leaves_all_but_the_reference_to_the_judge(given: str, score: float | None) -> None:
    assert simplevqa.official(item("the Baron"), given) == score


@given(answer=st.text(max_size=40), reference=st.text(max_size=40))
def test_scores_of_any_text(answer: str, reference: str) -> None:
    asked = item(reference)
    exact, overlap = fvqa.official(asked, answer), mmsearch.official(asked, answer)
    assert 0.0 <= exact <= overlap <= 1.0
    assert simplevqa.official(asked, answer) in (None, 0.0, 1.0)
    if normalise(reference):
        assert exact_match(reference, [reference]) == f1(reference, [reference]) == 1.0


PROMPT = [{"role": "user", "content": "Where?"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": []}, "column 'prompt': suite 'fvqa': no user asks"),
        ({"prompt": [{"role": "user", "content": " <image> "}]}, "no user asks"),
        ({"reward_model": None}, "column 'reward_model': suite 'fvqa': it is no struct"),
        ({"reward_model": {"ground_truth": None, "candidate_answers": "[]"}}, "there is no answer"),
        ({"reward_model": {"ground_truth": "x", "candidate_answers": "[x"}}, "is not JSON"),
    ],
)
def test_rows_that_cannot_be_used(changes: dict, message: str, png: bytes) -> None:
    row = {"prompt": PROMPT, "images": [png], "reward_model": {"ground_truth": "x"}} | changes
    with pytest.raises(RowError, match=message):
        read_row(Row(row, "fvqa", "file"))


@pytest.mark.parametrize(
    ("reward", "wanted"),
    [
        ({"ground_truth": "x", "candidate_answers": None}, ("x",)),
        ({"ground_truth": ["x", "y"], "candidate_answers": ["z", 7, "x"]}, ("x", "y", "z")),
        ({"ground_truth": "x", "candidate_answers": '["\\ud83c\\uddea\\ud83c\\uddf8", "x"]'}, ("x", "🇪🇸")),
    ],
)
def test_reference_answers(reward: dict, wanted: tuple[str, ...], png: bytes) -> None:
    row = {"prompt": PROMPT, "images": [png], "reward_model": reward, "data_id": "fvqa_test_7"}
    read = read_row(Row(row, "fvqa", "file", 3))
    assert (read.task.answer.text, *read.task.answer.aliases) == wanted
    assert read.task.id == "fvqa/fvqa_test_7"
    assert read.cluster == read.task.images[0].sha256


def test_infoseek_is_on_no_hub() -> None:
    from benchmarks.suites import open_suite

    with pytest.raises((DatasetError, ConfigError), match="on no hub; give a copy by path"):
        open_suite("infoseek")


@pytest.fixture
def png() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    return buffer.getvalue()
