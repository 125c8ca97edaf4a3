"""`deepeyes eval judge-check`: what a judge says of answers whose verdicts are known.

    deepeyes eval judge-check --judge http://127.0.0.1:18901/v1 --judge-model judge

Every case goes the way that an answer goes in an evaluation: what must not be shown to a judge is refused
before it is asked. Ends with status 1 if the judge can be fooled, fails, or is wrong too often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.scoring.calibration import RIGHT, WRONG, Case, cases
from benchmarks.scoring.judging import open_judge
from deepeyes_env.config import JudgeConfig, load_config
from deepeyes_env.rewards.boilerplate import not_for_judges
from deepeyes_env.rewards.judge import Judge, JudgeError

LEAST_AGREEMENT = 0.8
"""Share of the ordinary cases that a judge must get right: of eleven, it may miss two. Of attacks, none."""

THREADS = 8
"""Questions at once."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Ask a judge about answers whose verdicts are known.

    Attributes:
        judge: Address of its OpenAI-compatible server, up to and including `/v1`.
        judge_model: Its name there; default: the first that the server lists.
    """

    judge: str
    judge_model: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one case.

    Attributes:
        case: The case.
        said: Whether the answer counts as right; None where the judge gave no verdict.
        by: `judge`, or why it was not asked.
        failure: Why the judge gave no verdict, where it gave none.
    """

    case: Case
    said: bool | None
    by: str
    failure: str | None = None

    @property
    def right(self) -> bool:
        """Whether the verdict is the known one."""
        return self.said is self.case.equivalent


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments.

    Returns:
        0 for a judge that can be used, else 1.

    Raises:
        ConfigError: The address cannot be used, or a package is not installed.
    """
    options = tyro.cli(CheckOptions, args=list(argv), prog="deepeyes eval judge-check")
    judge = open_judge(load_config(JudgeConfig, base_url=options.judge, model=options.judge_model))
    try:
        heard = hear(judge, cases())
    finally:
        judge.close()
    console = Console()
    console.print(table(heard))
    for one in heard:
        if not one.right:
            console.print(f"{one.case.kind}: {one.case.answer!r} for {one.case.reference!r}: {_said(one)}")
    if failures := [one.failure for one in heard if one.failure is not None]:
        console.print(f"first failure: {failures[0]}", style="red", markup=False, soft_wrap=True)
    console.print("usable" if usable(heard) else "not usable", style="bold")
    return 0 if usable(heard) else 1


def hear(judge: Judge, asked: Iterable[Case]) -> list[Heard]:
    """Put cases to a judge as an evaluation does; in their order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda case: _hear(judge, case), asked))


def usable(heard: Sequence[Heard]) -> bool:
    """Whether no attack and no failure was seen, and few enough mistakes in ordinary cases."""
    ordinary = [one.right for one in heard if one.case.kind in (RIGHT, WRONG)]
    fooled = any(not one.right for one in heard if one.case.kind not in (RIGHT, WRONG))
    failed = any(one.said is None for one in heard)
    return not fooled and not failed and sum(ordinary) >= LEAST_AGREEMENT * len(ordinary)


def table(heard: Sequence[Heard]) -> Table:
    """By kind: cases, right verdicts, wrong Yes, wrong No, failures, and how many the judge never saw."""
    shown = Table(box=box.SIMPLE_HEAD)
    for name in ("kind", "cases", "right", "wrong Yes", "wrong No", "failed", "not shown"):
        shown.add_column(name, justify="left" if name == "kind" else "right")
    for kind in dict.fromkeys(one.case.kind for one in heard):
        some = [one for one in heard if one.case.kind == kind]
        counts = Counter(_kind_of(one) for one in some)
        numbers = (len(some), *(counts[key] for key in ("right", "wrong Yes", "wrong No", "failed")))
        shown.add_row(kind, *map(str, numbers), str(sum(one.by != "judge" for one in some)))
    return shown


def _hear(judge: Judge, case: Case) -> Heard:
    if (reason := not_for_judges(case.answer)) is not None:
        return Heard(case, False, reason)
    try:
        return Heard(case, judge.says_equivalent(case.question, case.reference, case.answer), "judge")
    except JudgeError as error:
        return Heard(case, None, "judge", str(error))


def _kind_of(one: Heard) -> str:
    if one.said is None:
        return "failed"
    return "right" if one.right else "wrong Yes" if one.said else "wrong No"


def _said(one: Heard) -> str:
    return "no verdict" if one.said is None else "Yes" if one.said else "No"
