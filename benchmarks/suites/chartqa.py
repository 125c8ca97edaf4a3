"""ChartQA, test: questions about charts (Masry et al., arXiv 2203.10244).

Source: `lmms-lab/ChartQA` (`type, question, answer, image`; lmms-eval `tasks/chartqa` with
`upload_chartqa.py`, 75571cf; the commit is the one that many public evaluations pin, with 2,500 rows) and
VLMEvalKit's `ChartQA_TEST.tsv` (`index, image, question, answer, split`; `image_vqa.py`, e8e78f0).
Licence: GPL-3.0 (card of the authors' `ahmed-masry/ChartQA`, which also says 2,500).
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, RowError, image, missing, optional_text, text, texts
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="chartqa",
    title="ChartQA (test)",
    releases=(
        Release(
            "lmms-lab/ChartQA",
            "test",
            revision="9e63b7df1592a1c2158e735cc1725454aef0d6d9",
            md5={"ChartQA_TEST.tsv": "c902e0aa9be5582a7aad6dcf52734b42"},
        ),
    ),
    licence="GPL-3.0",
    size=2500,
    metric="relaxed accuracy: numbers within 5 %, other answers the same but for case (section 5.1); "
    "over all, human and augmented",
    paper="arXiv 2203.10244",
    traps=(
        "DeepEyesV2's 88.4 is relaxed or judged: what fails the rule gets a second chance from an LLM.",
        "5 % of a year is a century: 1950 counts for 2014.",
        "The rule reads `50%` as 0.5 and `50` as 50, and no number with a thousands separator or a unit.",
        "Questions about one chart are clustered by the picture's content.",
    ),
)

TOLERANCE = 0.05
"""Largest relative error of a number (arXiv 2203.10244, section 5.1)."""

_TYPES = {"human_test": "human", "augmented_test": "augmented"}


def read(row: Row) -> Item:
    """One item; its category is human or augmented."""
    kind = text(row, "type" if "type" in row else "split").lower()
    kind = _TYPES.get(kind, kind)
    if kind not in _TYPES.values():
        raise RowError(row, "type", f"{kind!r} is no part of the test set", "write human or augmented")
    picture, answers = image(row, "image"), _answers(row)
    task = Task(
        id=f"chartqa/{optional_text(row, 'index') or row.number}",
        question=text(row, "question"),
        images=(picture,),
        answer=Answer(answers[0], aliases=answers[1:], tolerance=TOLERANCE),
        skills=frozenset({Skill.PERCEPTION, Skill.REASONING}),
        family="chartqa",
    )
    return Item(task, category=kind, cluster=picture.sha256)


def _answers(row: Row) -> tuple[str, ...]:
    """One text, or a list of them, of which an answer may be any (`process_line` in `utils/vqa_eval.py`)."""
    value = row["answer"]
    listed = not isinstance(value, str) or value.lstrip().startswith("[")
    if listed and not isinstance(value, int | float) and not missing(value):
        return texts(row, "answer")
    return (text(row, "answer"),)


def official(item: Item, answer: str) -> float:
    """Relaxed accuracy for the best of the references."""
    return max(relaxed(answer.strip(), reference) for reference in _references(item.task.answer))


def _references(answer: Answer) -> Iterator[str]:
    yield answer.text
    yield from answer.aliases


def relaxed(answer: str, reference: str) -> float:
    """Relaxed correctness (pix2struct `metrics.py`, as in VLMEvalKit `relaxed_correctness`).

    As there, a reference of zero is compared as text; unlike there, so is one that is the same text anyway
    (`nan`).
    """
    if answer.lower() == reference.lower():
        return 1.0
    given, expected = _number(answer), _number(reference)
    if given is not None and expected:
        return float(abs(given - expected) / abs(expected) <= TOLERANCE)
    return 0.0


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


SUITE = Suite(CARD, read, official, by_category)
