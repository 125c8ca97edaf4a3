"""VisualProbe: visual search that takes many turns, in three levels (Mini-o3, arXiv 2509.07969).

Source: `Mini-o3/VisualProbe_{Easy,Medium,Hard}`, `val.json` with the folder `data` (hub pages at bbe9b7a and
25d5ff5); columns `problem, solution, images, doc_id, data_source` as `verl/utils/dataset/
multimodal_dataset.py` of github.com/Mini-o3/Mini-o3 (8654dbf) reads them. The rows were not seen here, and no
whole commit hash could be looked up. Licence: none is stated on the pages that were read.
"""

from __future__ import annotations

import re

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, images, optional_text, text
from benchmarks.suites.rules_first import rules_alone
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def _card(level: str, size: int) -> Card:
    return Card(
        name=f"visualprobe-{level.lower()}",
        title=f"VisualProbe {level.lower()}",
        releases=(Release(f"Mini-o3/VisualProbe_{level}", "val", files=True),),
        licence="unstated",
        size=size,
        metric="accuracy by an LLM judge (`general_qa_tool`); rules first here",
        paper="arXiv 2509.07969",
        traps=(
            "Mini-o3 reports Avg@32 of sampled answers, others one greedy answer.",
            "The sizes (141, 268, 106) are from memory and make 515; the authors' page says 500 in all.",
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


EASY = Suite(_card("Easy", 141), read, official, by_category)
MEDIUM = Suite(_card("Medium", 268), read, official, by_category)
HARD = Suite(_card("Hard", 106), read, official, by_category)
