"""Prediction files have VLMEvalKit's columns, and its own classes score them."""

import csv
import json
import os
from pathlib import Path

import pytest

from benchmarks.interchange.command import ExportOptions, export
from benchmarks.interchange.exported import Exported
from benchmarks.interchange.vlmevalkit import UNCLEAR, UNREADABLE, predictions, read_rows
from benchmarks.result import Result
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

ROOT = Path(__file__).parents[3]

LONG_IMAGE = "iVBORw0KGgo" * 20_000
"""Longer than what the csv module reads by default."""

COLUMNS = ("index", "question", "A", "B", "answer", "category", "image")


def write_data(file: Path, rows, columns=COLUMNS) -> Path:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, delimiter="\t")
        writer.writerow(columns)
        writer.writerows(rows)
    return file


def index(one) -> str:
    return one.task_id.removeprefix("fictional-0/")


def data_for(conversations, folder: Path) -> Path:
    """The last row first: rows are not found by their place."""
    rows = [
        (index(one), one.question, one.reference, "other", "A", one.family, LONG_IMAGE)
        for one in conversations
    ]
    return write_data(folder / "Fictional.tsv", reversed(rows))


def read(file: Path):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened, delimiter="\t"))


def test_a_file_holds_the_data_sets_columns_and_the_predictions(run, conversations, tmp_path):
    data = data_for(conversations, tmp_path)
    exported = export(ExportOptions(run, "vlmevalkit", tmp_path / "out", data))
    files = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.tsv")
    )
    model = "org__tiny_model"
    assert files == [
        f"{model}-all-seed0/{model}-all-seed0_Fictional.tsv",
        f"{model}-off-seed0-1/{model}-off-seed0-1_Fictional.tsv",
        f"{model}-off-seed0/{model}-off-seed0_Fictional.tsv",
    ]
    rows = read(tmp_path / "out" / files[0])
    assert list(rows[0]) == ["index", "question", "A", "B", "answer", "category", "prediction"]
    first, second, third, _ = conversations
    assert [(row["index"], row["prediction"]) for row in rows] == [
        (index(third), ""),
        (index(second), "something else"),
        (index(first), first.answer),
    ]
    assert [row["question"] for row in rows] == [third.question, second.question, first.question]
    assert exported.samples == 5
    assert exported.left_out.total() == 1


def test_a_row_with_another_question_is_never_written(run, conversations, tmp_path):
    data = write_data(tmp_path / "Other.tsv", [(0, "What else?", "a", "b", "A", "c", "")])
    with pytest.raises(ConfigError, match=r"fictional-0/.*no row of .*Other.tsv"):
        export(ExportOptions(run, "vlmevalkit", tmp_path / "out", data))
    assert not (tmp_path / "out").exists()


def one_result(**fields) -> Result:
    kept = {"cluster": "s/7", "category": "", "skills": (), "mode": "all", "seed": 0, "sample": 0, "draw": 0}
    made = {
        "suite": "s",
        "item": "s/7",
        "outcome": "answered",
        "answer": "B",
        "correct": True,
        "official": 1.0,
    }
    return Result(**{**kept, **made, "rule": "choice", **fields})


ROWS = [
    {"index": "6", "question": "What colour is it?", "A": "red", "B": "blue", "answer": "A"},
    {"index": "7", "question": "What colour is it?", "A": "red", "B": "blue", "answer": "A"},
]


def predicted(one: Result, asked: str, rows=ROWS, exported=None) -> list[dict[str, str]]:
    return predictions([one], {(one.item, one.sample): asked}, rows, Path("d.tsv"), exported or Exported())


def test_the_index_tells_equal_questions_apart():
    (row,) = predicted(one_result(), "What colour is it?\nA. red\nB. blue")
    assert (row["index"], row["prediction"]) == ("7", "B")


def test_equal_questions_without_an_index_are_refused():
    with pytest.raises(ConfigError, match="several rows"):
        predicted(one_result(item="s/x"), "What colour is it?")


def test_an_index_of_another_numbering_is_not_believed():
    rows = [{"index": "7", "question": "How many?"}, {"index": "8", "question": "What colour is it?"}]
    (row,) = predicted(one_result(), "Look: what colour is it?", rows)
    assert row["index"] == "8"


@pytest.mark.parametrize(
    ("answer", "told", "unclear"),
    [("A", "B", 0), ("(b) red", "A", 0), ("blue", "B", 0), ("A or B", "A or B", 1), (None, "", 0)],
)
def test_shuffled_options_are_counted_back(answer, told, unclear):
    exported = Exported()
    one = one_result(answer=answer, option_order={"A": "B", "B": "A"})
    (row,) = predicted(one, "What colour is it?\nA. blue\nB. red", exported=exported)
    assert row["prediction"] == told
    assert exported.notes[UNCLEAR] == unclear


def test_options_are_read_from_the_question_where_the_file_has_no_columns_of_them():
    rows = [{"index": "7", "question": "What colour is it?", "answer": "A"}]
    exported = Exported()
    one = one_result(answer="A. blue", option_order={"A": "B", "B": "A"})
    (row,) = predicted(one, "What colour is it?\nA. blue\nB. red", rows, exported)
    assert (row["prediction"], exported.notes) == ("B", {})


def test_what_cannot_be_counted_back_is_left_out():
    exported = Exported()
    one = one_result(answer="A. blue", option_order={"A": "B", "B": "A"})
    assert predicted(one, "What colour is it?", exported=exported) == []
    assert (exported.left_out[UNREADABLE], exported.samples) == (1, 0)


def test_what_is_no_data_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match="no column index"):
        read_rows(write_data(tmp_path / "x.tsv", [], columns=("id", "question")))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_rows(tmp_path / "nothing.tsv")


def test_options_belong_to_their_format(run, tmp_path):
    with pytest.raises(ConfigError, match="--data is missing"):
        ExportOptions(run, "vlmevalkit", tmp_path)
    with pytest.raises(ConfigError, match="--data belongs to"):
        ExportOptions(run, "lmms-eval", tmp_path, data=tmp_path / "x.tsv")


SCORED = """
import json, sys
import absent_packages
from vlmeval.dataset.image_mcq import CustomMCQDataset
dataset = CustomMCQDataset("Fictional")
accuracy = dataset.evaluate(sys.argv[1], model="exact_matching", nproc=1)
print("RESULT", json.dumps({key: list(map(str, accuracy[key])) for key in accuracy}))
"""


def test_vlmevalkit_scores_the_file(vlmevalkit, run, conversations, tmp_path):
    data = data_for(conversations, tmp_path)
    export(ExportOptions(run, "vlmevalkit", tmp_path / "out", data))
    (file,) = (tmp_path / "out").glob("*all*/*.tsv")
    places = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    settings = {"LMUData": str(tmp_path), "PRED_FORMAT": "tsv", "PYTHONPATH": places}
    printed = vlmevalkit("-c", SCORED, str(file), **settings)
    (line,) = (line for line in printed.splitlines() if line.startswith("RESULT"))
    accuracy = json.loads(line.removeprefix("RESULT"))
    assert float(accuracy["Overall"][0]) == pytest.approx(1 / 3)
    assert {name: float(accuracy[name][0]) for name in ("closer-look", "emblem-fact")} == {
        "closer-look": 0.5,
        "emblem-fact": 0.0,
    }
