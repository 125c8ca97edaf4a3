"""V*: small things in large photographs (Wu and Xie, arXiv 2312.14135).

Source: the authors' `craigwu/vstar_bench` (`image, text, label, category, question_id` in
`test_questions.jsonl`, pictures beside it; the commit is the one that several public evaluations pin). Copies
by path may also be `lmms-lab-encoder/vstar-bench` (the same columns, pictures inside; lmms-eval
`tasks/vstar_bench`, 75571cf) and VLMEvalKit's `VStarBench.tsv` (`index, image, question, A..D, answer,
category`; `vlmeval/dataset/image_mcq.py`, e8e78f0). Licence: none is stated on the cards that were read.
"""

from __future__ import annotations

from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.metrics import by_category, picked, with_options
from benchmarks.suites.row import LETTERS, Row, RowError, image, label, lettered, optional_text, text
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="vstar",
    title="V*",
    releases=(
        Release(
            "craigwu/vstar_bench",
            "test",
            revision="d9ae62c903da0c98336e85c5ee89cd863b04b4da",
            files=True,
            md5={"VStarBench.tsv": "b18854d7075574be06b631cd5f7d2d6a"},
        ),
    ),
    licence="unstated",
    size=191,
    metric="accuracy of the picked option, over all and by category",
    paper="arXiv 2312.14135",
    traps=(
        "DeepEyes' script always put the right option at A: 89 to 92 % so, 84 to 86 % shuffled "
        "(DeepEyes, PR 66). Shuffle or average the options' order.",
        "Two runs of one model differed by 1.6 to 2.6 points in that report; the 95 % interval is 5 points "
        "to either side.",
        "lmms-eval takes any lone letter in the reply as the answer; here it must be the answer.",
    ),
)

INSTRUCTION = "Answer with the option's letter from the given choices directly."
"""Ends the question in the authors' file; the environment's prompt says how to answer."""


def read(row: Row) -> Item:
    """One item."""
    question, choices = _listed(row) if "text" in row else _columns(row)
    answer = label(row, "label" if "label" in row else "answer", choices)
    number = optional_text(row, "question_id" if "question_id" in row else "index") or str(row.number)
    category = text(row, "category")
    name = f"vstar/{number}" if "index" in row else f"vstar/{category}/{number}"
    task = Task(
        id=name,
        question=with_options(question, choices),
        images=(image(row, "image"),),
        answer=Answer(answer, choices=choices),
        skills=frozenset({Skill.PERCEPTION}),
        family="vstar",
    )
    return Item(task, category=category, cluster=name)


def _columns(row: Row) -> tuple[str, dict[str, str]]:
    return text(row, "question"), lettered(row, [letter for letter in LETTERS if letter in row])


def _listed(row: Row) -> tuple[str, dict[str, str]]:
    """Question and options of one text: `What colour ...? (A) red (B) blue`."""
    whole = text(row, "text").replace(INSTRUCTION, "").strip()
    choices = listed_choices(whole)
    if not choices:
        raise RowError(row, "text", "it lists no options", "write them as (A) ... (B) ...")
    return whole.partition("(A)")[0].strip(), choices


SUITE = Suite(CARD, read, picked, by_category)
