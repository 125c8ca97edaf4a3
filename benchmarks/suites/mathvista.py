"""MathVista, `testmini`: 1,000 questions of mathematics about pictures (arXiv 2310.02255).

Source: `AI4Math/MathVista` (`pid, question, image, decoded_image, choices, unit, precision, answer,
question_type, answer_type, metadata, query`; the authors' README, section Data Format, and
`data/testmini.json` of github.com/lupantech/MathVista at 53d5258, in which counts and types were read).
VLMEvalKit's `MathVista_MINI.tsv` has `index, image, question, answer, choices, question_type, answer_type,
task, skills` (`vlmeval/dataset/utils/mathvista.py`, e8e78f0). Licence: CC BY-SA 4.0 for what is new, not to
be trained on; pictures and questions belong to their sources (README, section License).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.suites.metrics import accuracies, with_options
from benchmarks.suites.row import Row, RowError, image, missing, optional_text, options, text, texts
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.rewards.number import parse_quantity
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="mathvista",
    title="MathVista (testmini)",
    releases=(
        Release(
            "AI4Math/MathVista",
            "testmini",
            revision="2b6ad69445fbb5695c9b165475e8decdbeb97747",
            md5={"MathVista_MINI.tsv": "f199b98e178e5a2a20e7048f5dcb0464"},
        ),
    ),
    licence="CC BY-SA 4.0 for what is new; no training; pictures and questions belong to their sources",
    size=1000,
    metric="accuracy: the answer is extracted (an LLM where no rule can), rounded as the question asks, and "
    "compared as text (`extract_answer.py`, `calculate_score.py`)",
    paper="arXiv 2310.02255",
    traps=(
        "Where no letter was extracted the authors' scorer takes the option nearest in edit distance, even "
        "for an empty answer; here an empty answer is wrong and an unclear one unscored.",
        "It cuts decimals of whole-number answers off: 2.9 is right where 2 is.",
        "The LLM that extracts decides too: gpt-3.5 to gpt-4o in published figures.",
        "Items 587, 740 and 781 have an option twice; options are compared by their text.",
    ),
)


def read(row: Row) -> Item:
    """One item of its task (`geometry problem solving`, ...)."""
    about = _metadata(row)
    choices = options(row, "choices") if text(row, "question_type") == "multi_choice" else {}
    right = text(row, "answer")
    letter = next((label for label, option in choices.items() if option == right), None)
    if choices and letter is None:
        raise RowError(row, "answer", f"{right!r:.80} is none of the options", "write an option's text")
    pid = optional_text(row, "pid") or text(row, "index")
    precision = row.get("precision")
    task = Task(
        id=f"mathvista/{pid}",
        question=_question(row, choices),
        images=(image(row, "decoded_image" if "decoded_image" in row else "image"),),
        answer=Answer(letter or right, choices=choices, unit=optional_text(row, "unit")),
        skills=frozenset({Skill.REASONING}),
        family="mathvista",
    )
    facts = {
        "answer": right,
        "answer_type": text(row, "answer_type"),
        "precision": None if missing(precision) else int(float(precision)),
        "skills": list(texts(about, "skills")),
    }
    return Item(task, category=text(about, "task"), cluster=task.id, facts=facts)


def _metadata(row: Row) -> Row:
    """The struct `metadata`, or the row itself where its fields are columns (VLMEvalKit)."""
    if "metadata" not in row:
        return row
    value: Any = row["metadata"]
    if not isinstance(value, Mapping):
        raise RowError(row, "metadata", "it is no struct", "give the release's")
    return Row(value, row.suite, row.origin, row.number)


def _question(row: Row, choices: Mapping[str, str]) -> str:
    # The authors' `query` is the question with its unit, a hint at the form of the answer, and options.
    # VLMEvalKit's `question` is that text.
    asked = text(row, "question" if "index" in row else "query")
    return with_options(asked.partition("\nChoices:")[0], choices) if choices else asked


def official(item: Item, answer: str) -> float | None:
    """The authors' rules; None where their extraction asks an LLM."""
    given, facts = answer.strip(), item.facts
    if not given:
        return 0.0
    if choices := dict(item.task.answer.choices):
        label = picked_label(given, choices)
        return None if label is None else float(choices[label] == facts["answer"])
    extracted = _as_list(given) if facts["answer_type"] == "list" else _as_number(given, facts)
    return None if extracted is None else float(extracted == facts["answer"])


def _as_number(given: str, facts: Mapping[str, Any]) -> str | None:
    """The number as `normalize_extracted_answer` writes it."""
    quantity = parse_quantity(given)
    if quantity is None:
        return None
    if facts["answer_type"] == "integer":
        return str(int(quantity.value))
    return str(round(float(quantity.value), _decimals(facts)))


def _decimals(facts: Mapping[str, Any]) -> int:
    """As the release says, or those of the reference: VLMEvalKit's file has no `precision`."""
    precision: int | None = facts["precision"]
    return len(facts["answer"].partition(".")[2]) if precision is None else precision


def _as_list(given: str) -> str | None:
    try:
        value = ast.literal_eval(given)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return str(value) if isinstance(value, list) else None


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Accuracy, by task and by skill, as on the authors' leaderboard."""
    return accuracies(marked, lambda one: (one.item.category, *one.item.facts["skills"]))


SUITE = Suite(CARD, read, official, summarise)
