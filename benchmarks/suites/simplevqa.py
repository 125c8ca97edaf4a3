"""SimpleVQA: short factual questions about pictures, in English and Chinese (arXiv 2502.13059).

Source: `m-a-p/SimpleVQA`, split `test` (`data_id, image, image_description, language, question, answer,
original_category, source, atomic_question, atomic_fact, vqa_category`, the picture in base64; columns from
the card of the copy `ohjoonhee/SimpleVQA`), Apache-2.0 (card; LICENSE of github.com/SimpleVQA/SimpleVQA). The
commit, 037cf89, is the one at which the hub's page `tree/main` listed `test.parquet`. VLMEvalKit's
`SimpleVQA.tsv` has `index, image, question, answer` (`vlmeval/dataset/simplevqa.py`, e8e78f0).
"""

from __future__ import annotations

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, image, optional_text, text
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.rewards.normalise import normalise
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="simplevqa",
    title="SimpleVQA",
    releases=(
        Release(
            "m-a-p/SimpleVQA",
            "test",
            revision="037cf89",
            md5={"SimpleVQA.tsv": "e3ce3c11df59a2a15d37489a8b245a87"},
        ),
    ),
    licence="Apache-2.0",
    size=2025,
    metric="accuracy under an LLM judge that says correct, incorrect or not attempted "
    "(`llm_as_a_vqa_judger.py`, `simpleVQA_eval.py`); the rule only recognises the reference itself",
    paper="arXiv 2502.13059",
    traps=(
        "The judge is GPT-4o at temperature 1 with a Chinese prompt; a reply that does not parse counts as "
        "not attempted there, and here as unscored.",
        "Its F1 (of correct, and correct of attempted) needs the three-way verdict: not computed here.",
        "To the judge 3518 is right where the reference is 3518.17, and so is a name in another language: no "
        "rule can call an answer wrong, so without a judge accuracy is meaningless here.",
        "lmms-eval scores exact match instead; most of its figures are not comparable.",
        "One picture does not decode for some loaders, whose copies have 2,024 rows; some use English alone.",
    ),
)


def read(row: Row) -> Item:
    """One item of its language; items with the same picture are one cluster."""
    picture = image(row, "image")
    name = optional_text(row, "data_id") or text(row, "index")
    task = Task(
        id=f"simplevqa/{name}",
        question=text(row, "question"),
        images=(picture,),
        answer=Answer(text(row, "answer")),
        skills=frozenset({Skill.SEARCH}),
        family="simplevqa",
    )
    facts = {"vqa_category": optional_text(row, "vqa_category") or ""}
    return Item(task, category=optional_text(row, "language") or "", cluster=picture.sha256, facts=facts)


def official(item: Item, answer: str) -> float | None:
    """1 for the reference itself, 0 for nothing; everything else is the judge's."""
    given = normalise(answer)
    if not given:
        return 0.0
    return 1.0 if given == normalise(item.task.answer.text) else None


SUITE = Suite(CARD, read, official, by_category)
