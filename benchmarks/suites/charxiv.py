"""CharXiv, validation: charts of scientific papers (Wang et al., arXiv 2406.18521).

Source: `princeton-nlp/CharXiv`, split `validation` of 1,000 figures (`image, figure_path, subplot_row,
subplot_col, subplot_loc, descriptive_q1..q4, descriptive_a1..a4, reasoning_q, reasoning_q_source,
reasoning_a`; lmms-eval `tasks/charxiv/utils.py`, 75571cf; the commit is one of the hub's pages, after its
data), and VLMEvalKit's `CharXiv_{descriptive,reasoning}_val.tsv` (`index, image, question, qid` or
`inst_category`; class `CharXiv`, e8e78f0; whether they have a column `answer` could not be verified: it is
required here). Licence: CC BY-SA 4.0 (card).
"""

from __future__ import annotations

from pathlib import PurePosixPath

from benchmarks.suites.charxiv_templates import descriptive_question, number_format
from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, RowError, image, integer, missing, optional_text, text
from benchmarks.suites.rules_first import rules_alone
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

QUESTIONS = 4
"""Descriptive questions about each figure."""

DESCRIPTIVE_KINDS = (
    ("Information Extraction", (1, 2, 3, 4, 5, 6, 7)),
    ("Enumeration", (8, 9, 13, 14, 15)),
    ("Pattern Recognition", (11, 16, 18)),
    ("Counting", (10, 12, 19)),
    ("Compositionality", (17,)),
)
"""Category and its templates (VLMEvalKit `qid2category`)."""

REASONING_KINDS = {1: "Text-in-Chart", 2: "Text-in-General", 3: "Number-in-Chart", 4: "Number-in-General"}
"""Where the answer is from (`qid2category`)."""

_TRAPS = (
    "The metric is a judge's (GPT-4o with a rubric for each template); another judge gives other "
    "figures. Here rules go first.",
    "The hub's rows hold numbers of templates, not questions: here they are asked in words of our own with "
    "the authors' conventions of the answer. Compare with figures of the authors' wording with care.",
    "`Not Applicable` is the right answer of many descriptive questions: a model that always finds something "
    "loses them.",
    "DeepEyesV2's 78.6 and 48.9 are on validation; the test answers are not public.",
)


def _card(name: str, title: str, size: int, file: str, md5: str) -> Card:
    release = Release(
        "princeton-nlp/CharXiv",
        "validation",
        revision="ecaa4394996403bddd5597baed2e3044cac0b1f1",
        md5={file: md5},
    )
    return Card(
        name=name,
        title=title,
        releases=(release,),
        licence="CC BY-SA 4.0",
        size=size,
        metric="accuracy by a judge with the authors' rubric, over all and by category; rules first here",
        paper="arXiv 2406.18521",
        traps=_TRAPS,
    )


def descriptive_parts(row: Row) -> int:
    """Four for a figure of the hub, one for a row of the TSV, which is a question."""
    return 1 if "qid" in row else QUESTIONS


def read_descriptive(row: Row) -> Item:
    """One of the four descriptive questions about a figure."""
    if "qid" in row:
        template, question, answer = integer(row, "qid"), text(row, "question"), text(row, "answer")
    else:
        template = integer(row, f"descriptive_q{row.part + 1}")
        answer = text(row, f"descriptive_a{row.part + 1}")
        question = _descriptive(row, template)
    kind = next((name for name, templates in DESCRIPTIVE_KINDS if template in templates), None)
    if kind is None:
        raise RowError(row, "qid", f"there is no template {template}", "give 1 to 19")
    name = text(row, "index") if "qid" in row else f"{_figure(row)}/{row.part + 1}"
    return _item(row, name, question, answer, kind, frozenset({Skill.PERCEPTION}))


def _descriptive(row: Row, template: int) -> str:
    place = None if missing(row["subplot_loc"]) else text(row, "subplot_loc")
    if place is None:
        across, down = integer(row, "subplot_row"), integer(row, "subplot_col")
        place = "the current plot" if across == 0 else f"the subplot at row {across} and column {down}"
    try:
        return descriptive_question(template, place)
    except KeyError:
        column = f"descriptive_q{row.part + 1}"
        raise RowError(row, column, f"there is no template {template}", "give 1 to 19") from None


def read_reasoning(row: Row) -> Item:
    """The reasoning question about a figure."""
    if "inst_category" in row:
        kind, question, answer = integer(row, "inst_category"), text(row, "question"), text(row, "answer")
        name = text(row, "index")
    else:
        kind, answer, name = integer(row, "reasoning_q_source"), text(row, "reasoning_a"), _figure(row)
        question = text(row, "reasoning_q")
        if kind == max(REASONING_KINDS):
            question = f"{question}\n{number_format(answer)}"
    if kind not in REASONING_KINDS:
        raise RowError(row, "reasoning_q_source", f"there is no kind {kind}", "give 1 to 4")
    skills = frozenset({Skill.PERCEPTION, Skill.REASONING})
    return _item(row, name, question, answer, REASONING_KINDS[kind], skills)


def _figure(row: Row) -> str:
    path = optional_text(row, "figure_path")
    return str(row.number) if path is None else PurePosixPath(path).stem


def _item(row: Row, name: str, question: str, answer: str, kind: str, skills: frozenset[Skill]) -> Item:
    picture = image(row, "image")
    task = Task(
        id=f"{row.suite}/{name}",
        question=question,
        images=(picture,),
        answer=Answer(answer),
        skills=skills,
        family=row.suite,
    )
    return Item(task, category=kind, cluster=picture.sha256)


def official(item: Item, answer: str) -> float | None:
    """1 or 0 where a rule decides, None where the judge has to."""
    return rules_alone(answer, item.task.answer)


DESCRIPTIVE = Suite(
    _card(
        "charxiv-descriptive",
        "CharXiv descriptive (validation)",
        4000,
        "CharXiv_descriptive_val.tsv",
        "8507c3740f8ddaedcb6b5c1cfcb3fa06",
    ),
    read_descriptive,
    official,
    by_category,
    descriptive_parts,
)
REASONING = Suite(
    _card(
        "charxiv-reasoning",
        "CharXiv reasoning (validation)",
        1000,
        "CharXiv_reasoning_val.tsv",
        "6fc1a522ad32c2e3d72a89857b8cf10b",
    ),
    read_reasoning,
    official,
    by_category,
)
