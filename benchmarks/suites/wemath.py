"""We-Math, `testmini`: 525 problems of two or three steps, each step a question too (arXiv 2407.01284).

Source: `We-Math/We-Math` (`ID, split, knowledge concept, question, option, answer, image_path, key, question
number, knowledge concept description`; read in `data/testmini.json` of github.com/We-Math/We-Math at
a57a0e8: 1,740 rows, 360 problems of two steps and 165 of three) and VLMEvalKit's `WeMath.tsv` (`index, ID,
key, question, answer, A, B, ...`, `vlmeval/dataset/image_mcq.py`, e8e78f0). The commit is the one that a
public evaluation of its 1,740 rows pins. Licence: CC BY-NC 4.0 (README, section License).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.suites.choice_lists import listed_choices
from benchmarks.suites.metrics import accuracy, with_options
from benchmarks.suites.row import Row, RowError, image, label, lettered, optional_text, text
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.rewards.choice import picked_label
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="wemath",
    title="We-Math (testmini)",
    releases=(
        Release(
            "We-Math/We-Math",
            "testmini",
            revision="527c44d4d94c4e3c7c98157460146a8b18c8420a",
            md5={"WeMath.tsv": "b5e969a075f01290a542411fb7766388"},
        ),
    ),
    licence="CC BY-NC 4.0",
    size=1740,
    metric="strict score: a problem counts 1 where all its steps and the whole are right, 0.5 where only the "
    "whole is wrong, else 0 (`four_dimensional_metrics.py`); loose: one right step is enough",
    paper="arXiv 2407.01284",
    traps=(
        "Strict, loose and plain accuracy over the 1,740 questions differ by tens of points; figures are "
        "quoted without saying which. DeepEyesV2's 38.1 is VLMEvalKit's; which score is not said.",
        "The authors take the first letter of what follows the last word Answer, so that `Area` picks A; "
        "VLMEvalKit asks an LLM. Here an option that is clearly picked goes first.",
        "The rate of rote memorisation is of the problems whose whole is right, the others of all.",
        "The steps of a problem are one cluster: there are 525 independent problems.",
    ),
)

_PROBLEM = re.compile(r"[23]steps_\d+")

FIRST_LETTERS = "ABCDEFGH"
"""Letters that the authors' scorer reads (`load_and_process_data`)."""


def read(row: Row) -> Item:
    """One step of a problem, or the whole; its category is `2steps_1`, ..., `3steps_multi`."""
    choices = lettered(row, FIRST_LETTERS) if "A" in row else listed_choices(text(row, "option"))
    right = label(row, "answer", choices)
    problem, key = text(row, "ID"), text(row, "key")
    if not _PROBLEM.fullmatch(problem) or not key.startswith(problem.partition("_")[0]):
        raise RowError(row, "ID", f"problem {problem!r} and key {key!r} do not fit", "give the release's")
    task = Task(
        id=f"wemath/{problem}/{key.rpartition('_')[2]}",
        question=with_options(text(row, "question"), choices),
        images=(image(row, "image_path" if "image_path" in row else "image"),),
        answer=Answer(right, choices=choices),
        skills=frozenset({Skill.REASONING}),
        family="wemath",
    )
    facts = {"key": key, "problem": problem, "concept": optional_text(row, "knowledge concept") or ""}
    return Item(task, category=key, cluster=problem, facts=facts)


def official(item: Item, answer: str) -> float:
    """Whether the right option is picked, else whether its letter begins what the authors' scorer reads."""
    picked = picked_label(answer, dict(item.task.answer.choices))
    if picked is None:
        said = answer.rpartition("Answer")[2].strip().translate(str.maketrans("", "", "><:.")).strip()
        picked = said[:1] if said[:1] in FIRST_LETTERS else None
    return float(picked == item.task.answer.text)


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Plain accuracy; the four dimensions, strict and loose, and accuracy of single steps and of wholes.

    But for the first, problems of which a question was not scored are left out; `problems` says how many are
    in.
    """
    problems: dict[str, dict[str, bool]] = defaultdict(dict)
    unscored: set[str] = set()
    for one in marked:
        problem, key = one.item.facts["problem"], one.item.facts["key"]
        if one.score is None:
            unscored.add(problem)
        else:
            problems[problem][key.rpartition("_")[2]] = one.score == 1.0
    whole = [
        steps
        for problem, steps in problems.items()
        if problem not in unscored and len(steps) == _questions(problem)
    ]
    figures = {} if (plain := accuracy(marked)) is None else {"accuracy": plain}
    return figures | (_figures(whole) if whole else {}) | {"problems": float(len(whole))}


def _questions(problem: str) -> int:
    """Questions of a problem: `2steps_7` has two steps and the whole."""
    return int(problem[0]) + 1


def _figures(problems: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    dimensions = Counter(dimension for steps in problems for dimension in _dimensions(steps))
    count = len(problems)
    right = sum(steps["multi"] for steps in problems)
    figures = {
        "insufficient_knowledge": dimensions["insufficient_knowledge"] / count,
        "inadequate_generalisation": dimensions["inadequate_generalisation"] / count,
    }
    for kind in ("strict", "loose"):
        mastered, rote = dimensions[f"mastery_{kind}"], dimensions[f"rote_{kind}"]
        figures[kind] = (mastered + 0.5 * dimensions["inadequate_generalisation"]) / count
        figures[f"complete_mastery_{kind}"] = mastered / count
        figures[f"rote_memorisation_{kind}"] = rote / right if right else 0.0
    singles = [value for steps in problems for name, value in steps.items() if name != "multi"]
    figures["one_step_accuracy"] = sum(singles) / len(singles)
    for steps_, name in ((2, "two_step_accuracy"), (3, "three_step_accuracy")):
        wholes = [steps["multi"] for steps in problems if len(steps) == steps_ + 1]
        if wholes:
            figures[name] = sum(wholes) / len(wholes)
    return figures


def _dimensions(steps: Mapping[str, bool]) -> tuple[str, ...]:
    """Where a problem counts, strictly and loosely (`calculate_metrics`)."""
    singles = [value for name, value in steps.items() if name != "multi"]
    if not steps["multi"]:
        return ("inadequate_generalisation",) if all(singles) else ("insufficient_knowledge",)
    strict = "mastery_strict" if all(singles) else "rote_strict"
    return strict, "mastery_loose" if any(singles) else "rote_loose"


SUITE = Suite(CARD, read, official, summarise)
