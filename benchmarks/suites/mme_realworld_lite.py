"""MME-RealWorld-Lite: five real-world scenes in high resolution (Zhang et al., arXiv 2408.13257).

Source: `yifanzhang114/MME-RealWorld-lite-lmms-eval` (`index, bytes, question, multi-choice options, answer,
category, l2-category`, with the picture in base64; lmms-eval `tasks/mme_realworld`, 75571cf; the commit is
one of the hub's pages, after its data) and VLMEvalKit's `MME-RealWorld-Lite.tsv` (`image` in place of
`bytes`; class `MMERealWorld`, e8e78f0).
Licence: Apache-2.0 on the card of MME-RealWorld; the Lite cards that were read state none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.suites.metrics import accuracies, picked, with_options
from benchmarks.suites.row import Row, RowError, image, label, text, texts
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

MD5 = "4c17057d7d3b6c4a0d4397c3dae0881c"

CARD = Card(
    name="mme-realworld-lite",
    title="MME-RealWorld-Lite",
    releases=(
        Release(
            "yifanzhang114/MME-RealWorld-lite-lmms-eval",
            "train",
            revision="a9aa36effbfd7bd385c7a0a22ad67cc462d47a03",
            md5={"mme_realworld_lite.tsv": MD5, "MME-RealWorld-Lite.tsv": MD5},
        ),
    ),
    licence="Apache-2.0 (card of MME-RealWorld)",
    size=1919,
    metric="accuracy over all items, for perception and reasoning, and for the scenes of each",
    paper="arXiv 2408.13257",
    traps=(
        "Lite is 1,919 items, the full benchmark 29,429 in two languages; the paper names the full one "
        "beside its 64.9, and its script runs both.",
        "Option E says that the picture does not show it: never choosing it, or always, moves the figure.",
        "The official script takes the first capital A to E of the reply after cutting phrases such as `The "
        "best answer is`, so that `An apple` picks A.",
        "Some pictures are larger than the environment decodes (64 million pixels) and are shrunk to that.",
        "The size (1,919) is from memory.",
    ),
)

_OPTION = re.compile(r"\s*[(（]([A-Z])[)）]\s*(.*)", re.DOTALL)
"""`(A) red`; upstream folds full-width brackets and cuts four characters (`get_correct_answer`)."""


def read(row: Row) -> Item:
    """One item; its category is `Perception/<scene>` or `Reasoning/<scene>`."""
    choices = _choices(row)
    answer, category = label(row, "answer", choices), text(row, "category")
    name = f"mme-realworld-lite/{text(row, 'index')}"
    needs_thought = category.partition("/")[0] == "Reasoning"
    task = Task(
        id=name,
        question=with_options(text(row, "question"), choices),
        images=(image(row, "bytes" if "bytes" in row else "image"),),
        answer=Answer(answer, choices=choices),
        skills=frozenset({Skill.PERCEPTION} | ({Skill.REASONING} if needs_thought else set())),
        family="mme-realworld-lite",
    )
    return Item(task, category=category, cluster=name, facts={"kind": text(row, "l2-category")})


def _choices(row: Row) -> dict[str, str]:
    column = "multi-choice options"
    found = [_OPTION.fullmatch(option) for option in texts(row, column)]
    if not all(found) or len(found) < 2:
        raise RowError(row, column, f"{row[column]!r:.80} are no options", "write them as (A) ..., (B) ...")
    return {option[1]: option[2].strip() for option in found if option}


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Accuracy over all items, by task and by scene (`get_dimension_rating`: all are means over items)."""
    return accuracies(marked, lambda one: (one.item.category.partition("/")[0], one.item.category))


SUITE = Suite(CARD, read, picked, summarise)
