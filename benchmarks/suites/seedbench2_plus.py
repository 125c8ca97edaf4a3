"""SEED-Bench-2-Plus: charts, maps and web pages (Li et al., arXiv 2404.16790).

Source: the authors' `AILab-CVC/SEED-Bench-2-plus`: `SEED-Bench-2-plus-text-rich.json` (`question,
choice_A..choice_D, answer, question_image_type, question_id, data_id`, as two public loaders read it) with
its pictures in `text_rich.zip` under `data_id`. The commit is that of the hub's page `commit/e8d1c82...`, at
which its page `tree/main` listed both files. Copies by path may also be `doolayer/SEED-Bench-2-Plus` (the
same columns, pictures in `image`; lmms-eval `tasks/seedbench_2_plus`, 75571cf) and VLMEvalKit's
`SEEDBench2_Plus.tsv` (`index, image, question, A..D, answer, category`; `image_mcq.py`, e8e78f0). Licence:
CC BY-NC 4.0 (card).
Size: 2,277 = 810 chart + 807 map + 660 web (evalscope 1.6's page of the benchmark).
"""

from __future__ import annotations

from benchmarks.suites.metrics import by_category, picked, with_options
from benchmarks.suites.row import Row, image, label, lettered, text
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="seedbench2-plus",
    title="SEED-Bench-2-Plus",
    releases=(
        Release(
            "AILab-CVC/SEED-Bench-2-plus",
            "test",
            revision="e8d1c82117180837f921604d827ad148efa63999",
            files=True,
            md5={"SEEDBench2_Plus.tsv": "e32d3216dc4f452b0fe497a52015d1fd"},
        ),
    ),
    licence="CC BY-NC 4.0",
    size=2277,
    metric="accuracy of the picked option, over all and for chart, map and web",
    paper="arXiv 2404.16790",
    traps=(
        "The authors rank the options by their likelihood; harnesses let the model write: other figures.",
        "lmms-eval takes the first character of the reply, so that `Apples` picks A.",
        "Questions about one picture are not independent, but no public column names the picture: they are "
        "clustered by its content.",
    ),
)

LETTERS = ("A", "B", "C", "D")


def read(row: Row) -> Item:
    """One item; its category is the kind of picture: chart, map or web."""
    listed = "choice_A" in row
    given = lettered(row, [f"choice_{letter}" if listed else letter for letter in LETTERS])
    choices = {column[-1]: option for column, option in given.items()}
    answer = label(row, "answer", choices)
    picture = image(row, "image" if "image" in row else "data_id")
    task = Task(
        id=f"seedbench2-plus/{text(row, 'question_id' if 'question_id' in row else 'index')}",
        question=with_options(text(row, "question"), choices),
        images=(picture,),
        answer=Answer(answer, choices=choices),
        skills=frozenset({Skill.PERCEPTION, Skill.REASONING}),
        family="seedbench2-plus",
    )
    kind = text(row, "question_image_type" if "question_image_type" in row else "category")
    return Item(task, category=kind.lower(), cluster=picture.sha256)


SUITE = Suite(CARD, read, picked, by_category)
