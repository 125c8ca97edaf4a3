"""VisualProbe: visual search that takes many turns, in three levels (Mini-o3, arXiv 2509.07969).

Source: `Mini-o3/VisualProbe_{Easy,Medium,Hard}`, `val.json` with the folder `data`; columns `problem,
solution, images, doc_id, data_source` as `verl/utils/dataset/multimodal_dataset.py` of
github.com/Mini-o3/Mini-o3 (8654dbf) reads them. The rows were not seen here; commits and sizes are those that
a public evaluation pins and checks, and the short hashes on two of the hub's pages agree. Licence: none is
stated on the pages that were read.
"""

from __future__ import annotations

import re

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, images, optional_text, text
from benchmarks.suites.rules_first import rules_alone
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def _card(level: str, size: int, revision: str) -> Card:
    return Card(
        name=f"visualprobe-{level.lower()}",
        title=f"VisualProbe {level.lower()}",
        releases=(Release(f"Mini-o3/VisualProbe_{level}", "val", revision=revision, files=True),),
        licence="unstated",
        size=size,
        metric="accuracy by an LLM judge (`general_qa_tool`); rules first here",
        paper="arXiv 2509.07969",
        traps=(
            "Mini-o3 reports Avg@32 of sampled answers, others one greedy answer.",
            "The three sizes (141, 268, 106) make 515; the authors' page says 500 in all.",
            "Their pictures are shown at 2 million pixels with a crop tool on the original: set `max_pixels` "
            "and `sandbox_pixels` alike to compare.",
        ),
    )


def read(row: Row) -> Item:
    """One item; a solution may stand in answer tags."""
    solution = text(row, "solution")
    tagged = _ANSWER.search(solution)
    name = f"{row.suite}/{optional_text(row, 'doc_id') or row.number}"
    task = Task(
        id=name,
        question=text(row, "problem").replace("<image>", "").strip(),
        images=images(row, "images"),
        answer=Answer(tagged[1].strip() if tagged else solution),
        skills=frozenset({Skill.PERCEPTION}),
        family=row.suite,
    )
    return Item(task, category="", cluster=name)


def official(item: Item, answer: str) -> float | None:
    """1 or 0 where a rule decides, None where the judge has to."""
    return rules_alone(answer, item.task.answer)


EASY = Suite(_card("Easy", 141, "0e665a57946d4473deb9975a13f8ddba973b8026"), read, official, by_category)
MEDIUM = Suite(_card("Medium", 268, "25d5ff5bce48147be34fd2655617ab17dc55b3fa"), read, official, by_category)
HARD = Suite(_card("Hard", 106, "bbe9b7a6c41d49844f45e51916ec0a60d1f0e378"), read, official, by_category)
