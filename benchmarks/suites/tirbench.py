"""TIR-Bench: thirteen tasks that need images to be worked on (Li et al., arXiv 2511.01833).

Source: `Agents-X/TIR-Bench`, `TIR-Bench.json` with `data.zip` (`id, task, prompt, answer, image_1, image_2,
meta_data`; as others' loaders read them, and as `calculate_score.py` of github.com/agents-x-project/
TIR-Bench, f79c756, scores them; the rows were not seen here). The commit is named in a public audit of the
data set together with the licence, Apache-2.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, image, missing, text
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.rewards.mathematics import equivalent
from deepeyes_env.rewards.number import parse_quantity
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="tirbench",
    title="TIR-Bench",
    releases=(
        Release(
            "Agents-X/TIR-Bench", "test", revision="ae9976e81e86c4797fd0d28f9119393b37d9d006", files=True
        ),
    ),
    licence="Apache-2.0",
    size=1215,
    metric="mean of scores by task: right or wrong, share of right places (jigsaw), intersection over union "
    "(spot_difference); `calculate_score.py`",
    paper="arXiv 2511.01833",
    traps=(
        "The authors let GPT-4.1 extract the answer from the reply before they score; here it is the final "
        "answer.",
        "The mean mixes partial scores with right-or-wrong ones; it is no share of solved items.",
        "Two references of rotated OCR are wrong in the data and put right in the scorer, by file name.",
        "Rotated OCR asks whether the reply contains the reference, with case.",
        "The authors take the most similar letter where none is picked, which guesses; here that is wrong.",
    ),
)

LETTERS = {letter: letter for letter in "ABCDEFGHIJ"}
"""What a choice may be where the options are in the picture (`judge_choice`)."""

_OPTION = re.compile(r"^\s*\(?([A-J])[.):]\s*(.+?)\s*$", re.MULTILINE)
_OCR_MENDS = {"60.jpg": "mobi", "62.jpg": "aires"}
"""Part of the picture's name -> right reference (`calculate_score.py`)."""


def read(row: Row) -> Item:
    """One item; its category is the task: ocr, jigsaw, maze, ..."""
    kind, question = text(row, "task"), text(row, "prompt").replace("<image>", "").strip()
    columns = [column for column in ("image_1", "image_2") if column in row and not missing(row[column])]
    name = f"tirbench/{text(row, 'id')}"
    answer = _reference(row, kind)
    task = Task(
        id=name,
        question=question,
        images=tuple(image(row, column) for column in columns or ("image_1",)),
        answer=Answer(answer, choices=_choices(question) if answer in LETTERS else {}),
        skills=frozenset({Skill.PERCEPTION, Skill.REASONING}),
        family="tirbench",
    )
    meta = row.get("meta_data")
    side = meta.get("difficulty") if isinstance(meta, Mapping) else None
    return Item(task, category=kind, cluster=name, facts={"side": side})


def _reference(row: Row, kind: str) -> str:
    mends = _OCR_MENDS if kind == "ocr" and isinstance(row["image_1"], str) else {}
    mended = next((right for part, right in mends.items() if part in row["image_1"]), None)
    return mended or text(row, "answer")


def _choices(question: str) -> dict[str, str]:
    """The options that the question lists at the beginnings of lines, A and what follows it."""
    found = dict(_OPTION.findall(question))
    listed = dict(zip(LETTERS, found, strict=False))
    return found if len(found) > 1 and list(found) == list(listed) else {}


def official(item: Item, answer: str) -> float:
    """The score of the item's task."""
    reference, said = item.task.answer.text, answer.replace("*", "").strip()
    match item.category:
        case "ocr":
            return float(reference in answer)
        case "jigsaw":
            return _places(said, reference, item.facts["side"])
        case "word_search" if not _is_whole(reference):
            return float(_pair(said) is not None and _pair(said) == _pair(reference))
        case "spot_difference" if not _is_whole(reference):
            return _overlap(_numbers(said), _numbers(reference))
    if reference.isalpha():
        return _choice(said, reference, item.task.answer.choices)
    return _number(said, reference)


def _choice(said: str, reference: str, choices: Mapping[str, str]) -> float:
    """One letter, or several in any order."""
    if len(reference) > 1:
        return float(sorted(re.sub(r"[\s,;&]|and", "", said)) == sorted(reference))
    return float(picked_label(said, dict(choices) or LETTERS) == reference)


def _number(said: str, reference: str) -> float:
    expected, given = parse_quantity(reference), parse_quantity(said)
    if expected is not None and given is not None:
        return float(expected.value == given.value)
    return float(said == reference or equivalent(said, reference))


def _places(said: str, reference: str, side: Any) -> float:
    """Share of the pieces that stand where they should; 0 without as many numbers in a row as there are."""
    expected = _numbers(reference)
    pieces = int(side) ** 2 if side else len(expected)
    for run in re.findall(r"[\d\s,，]+", said):
        given = _numbers(run)
        if expected and len(given) == len(expected) == pieces:
            return sum(map(int.__eq__, given, expected)) / pieces
    return 0.0


def _overlap(given: Sequence[int], expected: Sequence[int]) -> float:
    both, either = set(given) & set(expected), set(given) | set(expected)
    return len(both) / len(either) if either else 1.0


def _pair(text: str) -> tuple[str, str] | None:
    found = re.search(r"\b([0-9]+)\s*,\s*([0-9]+)\b", text)
    return (found[1].lstrip("0"), found[2].lstrip("0")) if found else None


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"[0-9]{1,9}", text)]


def _is_whole(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9]+", text))


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Mean score over all items, and by task."""
    return by_category(marked)


SUITE = Suite(CARD, read, official, summarise)
