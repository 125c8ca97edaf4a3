"""OCRBench: reading text in pictures, 1,000 questions (Liu et al., arXiv 2305.07895).

Source: `echo840/OCRBench` (`dataset, question, question_type, answer, image`; lmms-eval `tasks/ocrbench` with
`upload_ocrbench.py`, 75571cf; the commit is one of the hub's pages, after its data) and VLMEvalKit's
`OCRBench.tsv` (`index, image, question, answer, category`; class `OCRBench` in `image_vqa.py`, e8e78f0).
Licence: none is stated on the cards that were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, image, missing, optional_text, text, texts
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="ocrbench",
    title="OCRBench",
    releases=(
        Release(
            "echo840/OCRBench",
            "test",
            revision="276bd0b72b4eb57bc78d80df6d182cb21d7e926d",
            md5={"OCRBench.tsv": "e953d98a987cc6e26ef717b61260b778"},
        ),
    ),
    licence="unstated",
    size=1000,
    metric="questions whose reply contains one of the answers, of 1,000, and by five groups",
    paper="arXiv 2305.07895",
    traps=(
        "Containing an answer is enough: a long reply that lists words scores. Our verdict is stricter.",
        "Case counts for handwritten formulas alone, where spaces do not.",
        "lmms-eval folds full-width characters before it compares, VLMEvalKit and this suite do not.",
        "Figures are quoted out of 1,000 and in per cent.",
    ),
)

FORMULAS = "Handwritten Mathematical Expression Recognition"
RECOGNITION = "Text Recognition"
GROUPS = {
    "Regular Text Recognition": RECOGNITION,
    "Irregular Text Recognition": RECOGNITION,
    "Artistic Text Recognition": RECOGNITION,
    "Handwriting Recognition": RECOGNITION,
    "Digit String Recognition": RECOGNITION,
    "Non-Semantic Text Recognition": RECOGNITION,
    "Scene Text-centric VQA": "Scene Text-centric VQA",
    "Doc-oriented VQA": "Doc-oriented VQA",
    "Key Information Extraction": "Key Information Extraction",
    FORMULAS: FORMULAS,
}
"""Kind of question -> group in the official table (`OCRBench.evaluate`)."""


def read(row: Row) -> Item:
    """One item."""
    kind = text(row, "question_type" if "question_type" in row else "category")
    name = f"ocrbench/{optional_text(row, 'index') or row.number}"
    answers = _answers(row)
    task = Task(
        id=name,
        question=text(row, "question"),
        images=(image(row, "image"),),
        answer=Answer(answers[0], aliases=answers[1:]),
        skills=frozenset({Skill.PERCEPTION}),
        family="ocrbench",
    )
    return Item(task, category=kind, cluster=name)


def _answers(row: Row) -> tuple[str, ...]:
    value = row["answer"]
    if isinstance(value, str) and not missing(value) and not value.lstrip().startswith("["):
        return (text(row, "answer"),)
    return texts(row, "answer")


def official(item: Item, answer: str) -> float:
    """Whether the reply contains one of the answers (`OCRBench.evaluate`)."""
    prepare = _formula if item.category == FORMULAS else _words
    said = prepare(answer)
    reference = item.task.answer
    return float(any(prepare(text) in said for text in (reference.text, *reference.aliases)))


def _formula(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")


def _words(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Points (of 1,000 where all are there), by group too, and accuracies by kind.

    Points are a sum: while an item has no score there are none, lest it count as 0.
    """
    if any(one.score is None for one in marked):
        return by_category(marked)
    points = {"points": 0.0} | {f"points/{group}": 0.0 for group in dict.fromkeys(GROUPS.values())}
    for one in marked:
        assert one.score is not None
        points["points"] += one.score
        if group := GROUPS.get(one.item.category):
            points[f"points/{group}"] += one.score
    return {**points, **by_category(marked)}


SUITE = Suite(CARD, read, official, summarise)
