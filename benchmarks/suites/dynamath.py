"""DynaMath: 501 questions in ten variants each, drawn by programs (arXiv 2411.00836).

Source: `kcz358/DynaMath`, split `test`, the ten published variants in one file (`question_id`, which numbers
the 5,010 rows, `id`, the question's, `question, image, decoded_image, ground_truth, answer_type, subject,
knowledge_level`; lmms-eval `tasks/dynamath/reasoning/utils.py` at 75571cf and a third party's manifest, which
also names the commit). The authors publish the same in ten splits (`DynaMath/DynaMath_Sample`), whose rows do
not say which variant they are. VLMEvalKit's `DynaMath.tsv` has `index, qid, varid, question, answer,
answer_type, subject, knowledge_level` (`vlmeval/dataset/dynamath.py`, e8e78f0). Licence: Apache-2.0 (the
authors' page on the hub; their repository has a badge of the MIT licence and no file).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.row import Row, image, text
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.rewards.normalise import plain
from deepeyes_env.task import Answer, Skill, Task

TOLERANCE = 0.001
"""Largest absolute error of a number (`abs(diff) <= 0.001`, `evaluation/opensource_json_eval.py`)."""

CHOICE, NUMBER = "multiple choice", "float"
"""Values of `answer_type`; the third is `text`."""

LETTERED = {letter: letter for letter in "ABCDE"}
"""Options that are in the picture alone: their letters are known, and that there are no more than five."""

CARD = Card(
    name="dynamath",
    title="DynaMath",
    releases=(
        Release(
            "kcz358/DynaMath",
            "test",
            revision="c72be604052511aa6f2e94164139f8a2e801bd33",
            md5={"DynaMath.tsv": "b8425ad9a7114571fc9366e013699494"},
        ),
    ),
    licence="Apache-2.0",
    size=5010,
    metric="average accuracy over all variants, and worst-case accuracy: the share of questions of which all "
    "ten variants are right (`opensource_json_eval.py`; `vlmeval/dataset/dynamath.py`)",
    paper="arXiv 2411.00836",
    traps=(
        "DeepEyesV2's 57.2 reads as an average, which is not said; worst cases are tens of points lower.",
        "The worst case needs all ten variants, and is taken over questions of which all were scored.",
        "Numbers have an absolute tolerance: 0.0014 is right where 0.001 is, 1000.01 wrong where 1000 is.",
        "For text the authors look for the reference in the answer, VLMEvalKit for the answer in the "
        "reference, where one letter or nothing is right; here it is as the authors have it.",
        "The variants of a question are one cluster: there are 501 independent questions.",
    ),
)

_PI = re.compile(r"([+-]?[\d.]+)\s*π.*", re.DOTALL)


def read(row: Row) -> Item:
    """One variant, of its subject."""
    known = "ground_truth" in row
    kind, right = text(row, "answer_type"), text(row, "ground_truth" if known else "answer")
    asked = text(row, "question")
    choices = _choices(asked, right) if kind == CHOICE else {}
    listed = choices if choices != LETTERED else {}
    task = Task(
        id=f"dynamath/{text(row, 'question_id' if known else 'index')}",
        question=asked,
        images=(image(row, "decoded_image" if "decoded_image" in row else "image"),),
        answer=Answer(right, choices=listed),
        skills=frozenset({Skill.REASONING}),
        family="dynamath",
    )
    facts = {"answer_type": kind, "choices": choices, "level": text(row, "knowledge_level")}
    return Item(task, text(row, "subject"), cluster=text(row, "id" if known else "qid"), facts=facts)


def _choices(asked: str, right: str) -> dict[str, str]:
    """The options in the question; where it lists none that is right they are in the picture."""
    listed = listed_choices(asked)
    return listed if right in listed else LETTERED


def official(item: Item, answer: str) -> float | None:
    """The authors' rule; None where an LLM would have to extract a number or a letter (VLMEvalKit)."""
    given, reference = plain(answer), item.task.answer
    if not given:
        return 0.0
    if item.facts["answer_type"] == CHOICE:
        # As they were shown; where the picture alone has them, their letters.
        picked = picked_label(given, dict(reference.choices or item.facts["choices"]))
        return None if picked is None else float(picked == reference.text)
    if item.facts["answer_type"] == NUMBER:
        value, right = _number(given), _number(reference.text)
        return None if value is None or right is None else float(abs(value - right) <= TOLERANCE)
    return float(reference.text in given)


def _number(given: str) -> float | None:
    """The number that a text begins with, perhaps a multiple of pi (`transfer`); what follows is a unit."""
    if match := _PI.fullmatch(given):
        return _finite(match[1], math.pi)
    return _finite(given.split()[0])


def _finite(number: str, factor: float = 1.0) -> float | None:
    try:
        value = float(number) * factor
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """The figures of the paper.

    `accuracy` is the average over the variants that were scored, `worst_case` over the questions of which all
    were, as many as `questions`.
    """
    scores = [one.score for one in marked if one.score is not None]
    questions: dict[str, list[float | None]] = defaultdict(list)
    for one in marked:
        questions[one.item.cluster].append(one.score)
    worst = [
        min(known)
        for variants in questions.values()
        if len(known := [score for score in variants if score is not None]) == len(variants)
    ]
    figures = {"accuracy": sum(scores) / len(scores)} if scores else {}
    if worst:
        figures["worst_case"] = sum(worst) / len(worst)
    return figures | {"questions": float(len(worst))}


SUITE = Suite(CARD, read, official, summarise)
