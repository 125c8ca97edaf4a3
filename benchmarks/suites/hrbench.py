"""HR-Bench: perception in pictures of 4K and 8K (Wang et al., arXiv 2408.15556).

Source: `DreamMr/HR-Bench`, configuration `hrbench_version_split`, splits `hrbench_4k` and `hrbench_8k`
(lmms-eval `tasks/hrbench`, 75571cf), and its files `hr_bench_4k.tsv` and `hr_bench_8k.tsv`, whose MD5 sums
VLMEvalKit pins (`HRBenchDataset`, e8e78f0): `index, question, answer, category, A..D, cycle_category, image`.
The commit is one that several public evaluations pin. Licence: `other`, with an empty licence file (card).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.suites.metrics import accuracies, picked, with_options
from benchmarks.suites.row import Row, image, label, lettered, text
from benchmarks.suites.suite import Card, Item, Marked, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

LETTERS = ("A", "B", "C", "D")
CYCLES = 4
"""Every question is asked with its options in four cyclic orders."""

METRIC = "accuracy averaged over the four cycles, over all and for single and cross (`report_acc_hrbench`)"
TRAPS = (
    "800 rows are 200 questions: intervals over 800 are half as wide as they should be. The cycles of a "
    "question are one cluster.",
    "Published figures are means over the cycles; right in all four cycles is another, lower figure.",
    "VLMEvalKit and lmms-eval ask an LLM for the option where their rules find none.",
    "Pictures are shrunk before a model sees them: what `max_pixels` was decides the result.",
)


def _card(size: str, name: str, file: str, md5: str) -> Card:
    return Card(
        name=name,
        title=f"HR-Bench {size}",
        releases=(
            Release(
                "DreamMr/HR-Bench",
                f"hrbench_{size.lower()}",
                revision="83b9013d6293b85dc507e87199ca52517536939c",
                config="hrbench_version_split",
                md5={f"{file}.tsv": md5, f"HRBench{size}.tsv": md5},
            ),
        ),
        licence="other (the licence file is empty)",
        size=800,
        metric=METRIC,
        paper="arXiv 2408.15556",
        traps=TRAPS,
    )


def read(row: Row) -> Item:
    """One question in one order of its options."""
    choices = lettered(row, LETTERS)
    answer, question = label(row, "answer", choices), text(row, "question")
    task = Task(
        id=f"{row.suite}/{text(row, 'index')}",
        question=with_options(question, choices),
        images=(image(row, "image"),),
        answer=Answer(answer, choices=choices),
        skills=frozenset({Skill.PERCEPTION}),
        family=row.suite,
    )
    # Nothing names the question of a row; its text and its options do, in any order.
    cluster = "\n".join((question, *sorted(choices.values())))
    facts = {"cycle": text(row, "cycle_category")}
    return Item(task, category=text(row, "category"), cluster=cluster, facts=facts)


def summarise(marked: Sequence[Marked]) -> Mapping[str, float]:
    """Means over the cycles of a cycle's accuracies, and the share of questions right in all four."""
    cycles: dict[str, list[Marked]] = defaultdict(list)
    for one in marked:
        cycles[one.item.facts["cycle"]].append(one)
    figures: dict[str, list[float]] = defaultdict(list)
    for members in cycles.values():
        for name, figure in accuracies(members, lambda one: (one.item.category,)).items():
            figures[name].append(figure)
    means = {name: sum(values) / len(values) for name, values in figures.items()}
    return means | _in_all_cycles(marked)


def _in_all_cycles(marked: Sequence[Marked]) -> dict[str, float]:
    questions: dict[str, list[float | None]] = defaultdict(list)
    for one in marked:
        questions[one.item.cluster].append(one.score)
    whole = [scores for scores in questions.values() if len(scores) == CYCLES and None not in scores]
    return {"all_cycles": sum(map(_all_right, whole)) / len(whole)} if whole else {}


def _all_right(scores: Sequence[float | None]) -> bool:
    return all(score == 1.0 for score in scores)


HRBENCH_4K = Suite(
    _card("4K", "hrbench-4k", "hr_bench_4k", "f6b041b03d49543494b8a56d2e35be65"), read, picked, summarise
)
HRBENCH_8K = Suite(
    _card("8K", "hrbench-8k", "hr_bench_8k", "274c9c7f89329b804a4723178a00219c"), read, picked, summarise
)
