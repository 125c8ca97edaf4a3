"""LogicVista: logical reasoning about pictures, 448 rows (arXiv 2407.04973).

Source: `lscpku/LogicVista`, split `test` (`id, question, answer, reasoning, skill, broad_capability,
specific_capability, image, imagesource, sourcelink, liscenced`; columns from a third party's note and from
lmms-eval `tasks/logicvista/reasoning/utils.py` at 75571cf), of which no commit could be looked up. By path
and by its MD5 the authors' own release is pinned: the folder `data` of github.com/Yijia-Xiao/LogicVista at
e5795f1 (`dataset.json`, whose `imagename` names pictures in `images`; all 448 rows were read). So is
VLMEvalKit's `LogicVista.tsv` (`index, image, question, answer, skill`; `vlmeval/dataset/utils/logicvista.py`,
e8e78f0). Licence: Apache-2.0 (LICENSE).
"""

from __future__ import annotations

import re
from dataclasses import replace

from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, image, missing, optional_text, text, texts
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.images import EncodedImage
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.rewards.normalise import plain
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="logicvista",
    title="LogicVista",
    releases=(
        Release(
            "lscpku/LogicVista",
            "test",
            md5={
                "LogicVista.tsv": "41c5d33adf33765c399e0e6ae588c061",
                "dataset.json": "e2ea0c2909709911624312588706dbe6",
            },
        ),
    ),
    licence="Apache-2.0; rights in the pictures are their sources'",
    size=447,
    metric="accuracy: an LLM extracts the letters, all of which and no other must be chosen "
    "(`extract_accuracy.py`; `LogicVista_auxeval` in VLMEvalKit)",
    paper="arXiv 2407.04973",
    traps=(
        "Row v1_382 has neither question nor answer; it is not asked here, and a certain miss of all who "
        "report on 448.",
        "The authors' scorer calls every single letter after E wrong and VLMEvalKit's every digit, although "
        "two references are F and G and one is 3; here they can be right.",
        "Three items want two letters.",
        "Options are in the question or in the picture; of 84 questions they are in the picture alone.",
    ),
)

_LETTERS = re.compile(r"\(?\w\)?(?:(?:\s*[,&]\s*|\s+and\s+|\s*,\s*and\s+)\(?\w\)?)*\.?", re.IGNORECASE)


def parts(row: Row) -> int:
    """No item where nothing is asked."""
    return int(not missing(row["question"]) and not missing(row["answer"]))


def read(row: Row) -> Item:
    """One item of its skill (`inductive`, `deductive`, `numerical`, `spatial`, `mechanical`)."""
    asked, right = text(row, "question"), text(row, "answer")
    listed = listed_choices(asked)
    name = optional_text(row, "id") or text(row, "index")
    task = Task(
        id=f"logicvista/{name}",
        question=asked,
        images=(_picture(row),),
        answer=Answer(right, choices=listed if right in listed else {}),
        skills=frozenset({Skill.REASONING}),
        family="logicvista",
    )
    return Item(task, category=_skill(row), cluster=task.id)


def _picture(row: Row) -> EncodedImage:
    if "image" in row:
        return image(row, "image")
    path = {"path": f"images/{text(row, 'imagename')}"}
    return image(replace(row, columns={"imagename": path}), "imagename")


def _skill(row: Row) -> str:
    """The skill, also in a list or in a list's text (VLMEvalKit looks for it in the text)."""
    value = row["skill"]
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return value
    return texts(row, "skill")[0]


def official(item: Item, answer: str) -> float | None:
    """Whether exactly the right letters are chosen; None where an LLM has to extract them."""
    given, reference = plain(answer), item.task.answer
    if not given:
        return 0.0
    # First the options themselves: "7" may be the text of one, and is no letter then.
    if picked := picked_label(given, dict(reference.choices)):
        return float(picked == reference.text)
    return float(_letters(given) == _letters(reference.text)) if _LETTERS.fullmatch(given) else None


def _letters(listed: str) -> set[str]:
    return set(re.findall(r"(?<!\w)\w(?!\w)", listed.upper()))


SUITE = Suite(CARD, read, official, by_category, parts)
