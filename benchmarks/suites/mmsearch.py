"""MMSearch, end to end, the items with a picture (arXiv 2409.12959).

Source: `CaraJ/MMSearch`, configuration `end2end` (`sample_id, query, query_image, image_search_result, area,
subfield, timestamp, gt_requery, gt_answer, alternative_gt_answers`; the data set card at the commit below).
Of its 300 rows 129 have no `query_image`; MMSearch-R1 and DeepEyesV2 use the other 171, and so does this
suite: the environment asks about pictures. (The counts are MMSearch-R1's; the rows were not seen here.)
"""

from __future__ import annotations

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, image, missing, optional_text, text, texts
from benchmarks.suites.squad import f1
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="mmsearch",
    title="MMSearch (end to end, with picture)",
    releases=(
        Release(
            "CaraJ/MMSearch",
            "end2end",
            config="end2end",
            revision="f9616f150908dae99fc7fc6329e1af93b4854299",
        ),
    ),
    licence="unstated",
    size=171,
    metric="F1 of the words, for the best of the reference and the alternative answers "
    "(`get_f1_score`, MMSearch `score/f1_score.py`; `eval_end2end.py`)",
    paper="arXiv 2409.12959",
    traps=(
        "MMSearch-R1 and DeepEyesV2 report judged accuracy on the 171 items with a picture, the authors F1 "
        "on all 300; here it is F1 on the 171.",
        "The authors' score also weighs requery, rerank and summarization (0.75, 0.05, 0.1, 0.1).",
        "Their pipeline gives the model a screenshot of an image search (`image_search_result`); an agent "
        "here has to search itself.",
        "Questions about news of 2024: what the web says of them moves.",
    ),
)


def parts(row: Row) -> int:
    """No item where there is no picture."""
    return int(not missing(row["query_image"]))


def read(row: Row) -> Item:
    """One item, of the area `news` or `knowledge`; items with the same picture are one cluster."""
    picture = image(row, "query_image")
    alternatives = row["alternative_gt_answers"]
    aliases = () if missing(alternatives) else texts(row, "alternative_gt_answers")
    task = Task(
        id=f"mmsearch/{text(row, 'sample_id')}",
        question=text(row, "query"),
        images=(picture,),
        answer=Answer(text(row, "gt_answer"), aliases=aliases),
        skills=frozenset({Skill.SEARCH}),
        family="mmsearch",
    )
    facts = {"subfield": optional_text(row, "subfield") or ""}
    return Item(task, category=text(row, "area"), cluster=picture.sha256, facts=facts)


def official(item: Item, answer: str) -> float:
    """F1 of the words for the best reference."""
    return f1(answer, (item.task.answer.text, *item.task.answer.aliases))


SUITE = Suite(CARD, read, official, by_category, parts)
