"""VLMEvalKit's prediction files: `<model>_<dataset>.tsv`, the data set's columns and `prediction`, no images.

That is what its `infer_data_job` writes with PRED_FORMAT=tsv (vlmeval/inference.py at e8e78f05), and what the
`evaluate` of its dataset classes reads. The columns are copied from its own data file, which is found in
`$LMUData` (default `~/LMUData`) under the data set's name.

Rows are found by `index`; where our ids are others, by the question's text. Either way the question that was
asked must hold the row's question, word for word, or nothing is written: a prediction in the wrong row would
be scored in silence. Options that were shuffled are counted back to the letters of the file.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.interchange.exported import Exported
from benchmarks.interchange.series import (
    Series,
    all_series,
    conversation,
    file_name,
    infrastructure_failed,
    open_trajectories,
    release_id,
)
from benchmarks.result import Result
from benchmarks.run_folder import Run
from benchmarks.suites.choice_lists import listed_choices
from deepeyes_env.errors import ConfigError
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.tasks.dataset_error import DatasetError

INDEX, QUESTION, IMAGE, PREDICTION = "index", "question", "image", "prediction"
"""Their columns."""

INFRASTRUCTURE = "their infrastructure failed: VLMEvalKit would score them as wrong"
UNREADABLE = "their options were shuffled, and their question does not say which stood where"
UNCLEAR = "their options were shuffled and they pick none clearly: their text is as the policy wrote it"

_WORDS = re.compile(r"\w+")

Columns = Mapping[str, str]


def write(run: Run, out: Path, data: Path, suite: str | None = None) -> Exported:
    """Write one prediction file for each mode, seed and sample.

    Args:
        run: The evaluation.
        out: Folder of the files; each is in a folder of its model's name, as VLMEvalKit has it.
        data: VLMEvalKit's data file of the suite, `<dataset>.tsv`.
        suite: Which suite of the run; default: its only one.

    Raises:
        ConfigError: The run has several suites and none is named, or the file is another data set's.
        DatasetError: The file cannot be read.
    """
    rows = read_rows(data)
    exported = Exported()
    for series in of_suite(all_series(run), suite):
        asked = questions(run, series)
        by_sample = sorted(series.results, key=lambda one: one.sample)
        for sample, draws in groupby(by_sample, key=lambda one: one.sample):
            model = file_name(f"{run.card.policy}-{series.setting}" + (f"-{sample}" if sample else ""))
            file = out / model / f"{model}_{data.stem}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_rows(file, predictions(list(draws), asked, rows, data, exported))
    return exported


def of_suite(found: Sequence[Series], suite: str | None) -> list[Series]:
    """The series of one suite.

    Raises:
        ConfigError: There is none, or it is not clear which.
    """
    names = sorted({one.suite for one in found})
    if suite is None and len(names) > 1:
        raise ConfigError(f"the run has several suites: name one of {', '.join(names)} with --suite")
    chosen = [one for one in found if suite in (None, one.suite)]
    if not chosen:
        raise ConfigError(f"the run has no results of {suite or 'any suite'}; it has {', '.join(names)}")
    return chosen


Asked = Mapping[tuple[str, int], str]
"""Item and sample -> the question as it was asked, with its options in the order shown."""


def questions(run: Run, series: Series) -> Asked:
    """The questions of a series; without those of which no conversation was kept."""
    with open_trajectories(run, pictures=False) as reader:
        found = (((one.item, one.sample), conversation(reader, one)) for one in series.results)
        return {which: trajectory.question for which, trajectory in found if trajectory is not None}


def predictions(
    draws: Sequence[Result],
    asked: Asked,
    rows: Sequence[Columns],
    data: Path,
    exported: Exported,
) -> list[dict[str, str]]:
    """The rows of one file, in the order of the data file.

    Args:
        draws: One draw of every item.
        asked: Their questions.
        rows: The data file.
        data: Its path, for messages.
        exported: Counts what is left out, and what is to be known of the rest.

    Raises:
        ConfigError: An item has no row.
    """
    places = {row[INDEX]: number for number, row in enumerate(rows)}
    by_words = defaultdict(list)
    for number, row in enumerate(rows):
        by_words[_words(row[QUESTION])].append(number)
    written: dict[int, dict[str, str]] = {}
    for one in draws:
        if infrastructure_failed(one):
            exported.left_out[INFRASTRUCTURE] += 1
            continue
        question = asked.get((one.item, one.sample))
        number = _place(one, question, places, by_words, rows, data)
        if number in written:
            raise ConfigError(f"{data}: two items have the row of index {rows[number][INDEX]!r}")
        prediction = _prediction(one, question or "", exported)
        if prediction is not None:
            written[number] = {**_kept(rows[number]), PREDICTION: prediction}
            exported.samples += 1
    return [written[number] for number in sorted(written)]


def _place(
    one: Result,
    asked: str | None,
    places: Mapping[str, int],
    by_words: Mapping[str, Sequence[int]],
    rows: Sequence[Columns],
    data: Path,
) -> int:
    if asked is None:
        raise ConfigError(f"{one.item}: its conversation was not kept, so nothing tells its row in {data}")
    words = _words(asked)
    number = places.get(release_id(one))
    if number is not None and _words(rows[number][QUESTION]) in words:
        return number
    held = [numbers for text, numbers in by_words.items() if text in words]
    if len(held) == 1 and len(held[0]) == 1:
        return held[0][0]
    reason = "several rows" if held else "no row"
    raise ConfigError(
        f"{one.item}: {reason} of {data} could be its own; it was asked {asked[:80]!r}. Give the data file "
        "of the same release"
    )


def _words(text: str) -> str:
    """A text's words in small letters, with a blank around each: one text's words are found in another's."""
    return f" {' '.join(_WORDS.findall(text.casefold()))} "


def _kept(row: Columns) -> dict[str, str]:
    return {column: value for column, value in row.items() if column not in (IMAGE, PREDICTION)}


def _prediction(one: Result, question: str, exported: Exported) -> str | None:
    """What the policy answered, by the letters of the release; None where that cannot be told."""
    answer = one.answer or ""
    if not one.option_order or not answer:
        return answer
    shown = listed_choices(question)
    if shown.keys() != one.option_order.keys():
        exported.left_out[UNREADABLE] += 1
        return None
    picked = picked_label(answer, shown)
    if picked is None:
        exported.notes[UNCLEAR] += 1
        return answer
    return one.option_order[picked]


def read_rows(data: Path) -> list[dict[str, str]]:
    """The rows of a data file, without the images' bytes.

    Raises:
        DatasetError: It cannot be read, or has no `index` or `question`.
    """
    csv.field_size_limit(sys.maxsize)  # an image in base64 is longer than the default of 128 KiB
    try:
        with data.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", restval="")
            missing = {INDEX, QUESTION} - set(reader.fieldnames or ())
            if missing:
                raise DatasetError(data, f"no column {', '.join(sorted(missing))}", _MEND)
            return [{key: value for key, value in row.items() if key != IMAGE} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(data, f"cannot be read ({error})", _MEND) from error


_MEND = "give VLMEvalKit's own file of the data set, <LMUData>/<dataset>.tsv"


def write_rows(file: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows as VLMEvalKit does: tabs, everything in quotes (`dump_tsv` of vlmeval/smp/file.py)."""
    found = list(rows)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(
            opened,
            list(found[0]) if found else [INDEX, QUESTION, PREDICTION],
            delimiter="\t",
            quoting=csv.QUOTE_ALL,
            lineterminator="\n",
        )
        writer.writeheader()
        writer.writerows(found)
