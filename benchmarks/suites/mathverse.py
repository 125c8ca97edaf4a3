"""MathVerse, `testmini`: 788 problems in five versions, from much text to none (arXiv 2403.14624).

Source: `AI4Math/MathVerse`, configuration `testmini` (`sample_index, problem_index, problem_version,
question, image, answer, question_type, metadata, query_wo, query_cot, question_for_eval`; columns from the
authors' README, `output_templates/` and `data/testmini_text_only.json` at 937b090, the last column from
lmms-eval's `tasks/mathverse/utils.py` at 75571cf). `CaraJ/MathVerse-lmmseval` has the same rows; VLMEvalKit's
TSV files have `query_cot, question_for_eval, answer, problem_version, metadata`
(`vlmeval/dataset/utils/mathverse.py`, e8e78f0). Licence: MIT (LICENSE; the hub's page).
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, image, optional_text, text
from benchmarks.suites.rules_first import rules_alone
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
"""The five that the overall figure is over. The sixth, Text Only, has no picture and is another file."""

CARD = Card(
    name="mathverse",
    title="MathVerse (testmini)",
    releases=(
        Release(
            "AI4Math/MathVerse",
            "testmini",
            config="testmini",
            revision="268dfc55b62296be3bdf6406d6dea07bd06a7d64",
            md5={
                "MathVerse_MINIV.tsv": "5017caca32b7fa110c350a1bea861b65",
                "MathVerse_MINIVOnly.tsv": "68a11d4680014ac881fa37adeadea3a4",
                "MathVerse_MINIVDom.tsv": "b8fb63852d261ab2aaefba29cc2414d3",
                "MathVerse_MINIVInt.tsv": "01cbd35be202bb0c4873a4186a63bc19",
                "MathVerse_MINITLite.tsv": "19e4b13bdd30b89a03b2e358bcfefa04",
                "MathVerse_MINITDom.tsv": "4f5cd2fa6630ea00bb11d6fde1f6fe6a",
            },
        ),
        Release(
            "CaraJ/MathVerse-lmmseval",
            "testmini",
            config="testmini",
            revision="04f6aea2ffe67122955689df7cd482586d7e8e99",
        ),
    ),
    licence="MIT",
    size=3940,
    metric="accuracy without a judgement of the reasoning ('w/o'): an LLM extracts the answer, another says "
    "whether it is the reference's (`extract_answer_s1.py`, `score_answer_s2.py`)",
    paper="arXiv 2403.14624",
    traps=(
        "The overall figure is over five versions (3,940); many report one of them (788), often Vision Only.",
        "The five versions of a problem are one cluster: there are 788 independent problems.",
        "The authors' leaderboard asks for a direct answer (`query_wo`), their CoT-E score for reasoning "
        "(`query_cot`, which an agent gets here); 'w/o' and CoT-E scores differ by points.",
        "Of Vision Only the question, with its options, is in the picture alone.",
        "Of 788 references ten are no letter although there are options (`False`, `(C)`, two letters).",
    ),
)


def read(row: Row) -> Item:
    """One version of a problem; its category is the version."""
    right = text(row, "answer")
    asked, full = text(row, "query_cot"), text(row, "question_for_eval")
    choices = listed_choices(full) if text(row, "question_type") == "multi-choice" else {}
    in_text = all(option in asked for option in choices.values())
    task = Task(
        id=f"mathverse/{optional_text(row, 'sample_index') or text(row, 'index')}",
        question=asked,
        images=(image(row, "image"),),
        answer=Answer(right, choices=choices if in_text else {}),
        skills=frozenset({Skill.REASONING}),
        family="mathverse",
    )
    # The text that is shown to the judge is the same for all versions of a problem.
    problem = optional_text(row, "problem_index") or full
    return Item(task, category=text(row, "problem_version"), cluster=problem, facts={"choices": choices})


def official(item: Item, answer: str) -> float | None:
    """1 for the reference as it is written (`quick_match`), then our rules; None for the judge."""
    reference = item.task.answer
    # The options as they were shown; where the picture alone has them, as the release has them.
    return rules_alone(answer, replace(reference, choices=reference.choices or item.facts["choices"]))


SUITE = Suite(CARD, read, official, by_category)
