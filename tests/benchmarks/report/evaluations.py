"""Evaluations for the tests of reports: generated results, and folders as `deepeyes eval` writes them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.result import MODES, Mode, Result
from benchmarks.run_folder import RESULTS, SPENT, RunCard, write_card

SKILLS = (("perception",), ("perception", "search"), ("perception", "reasoning", "search"), ())


def result(item: str = "vstar/0", mode: Mode = "all", **fields: Any) -> Result:
    """A right answer without incident, but for what `fields` say."""
    fields = {
        "suite": item.partition("/")[0],
        "cluster": item,
        "category": "",
        "skills": ("perception",),
        "seed": 0,
        "sample": 0,
        "outcome": "answered",
        "answer": "A",
        "correct": True,
        "rule": "choice",
        "turns": 1,
        **fields,
    }
    fields.setdefault("draw", fields["sample"])
    fields.setdefault("official", None if fields["correct"] is None else float(fields["correct"]))
    return Result(item=item, mode=mode, **fields)


def card(**fields: Any) -> RunCard:
    """What was asked of V*."""
    source = {"revision": "abc123"}
    about = {"title": "V*", "items": 191, "size": 191, **source, "source": source, "licence": "unstated"}
    fields = {
        "policy": "tiny <b>&</b>",
        "settings": {"prompt": "by_mode", "respondent": {"sampling": {"temperature": 0.0}}},
        "suites": {"vstar": about},
        "versions": {"numpy": "2.0"},
        **fields,
    }
    return RunCard(**fields)


def write_run(
    path: Path,
    results: Iterable[Result],
    about: RunCard | None = None,
    spent: Mapping[str, float] | None = None,
) -> Path:
    """An evaluation's folder."""
    write_card(path, about or card())
    lines = [json.dumps(one.to_record()) + "\n" for one in results]
    (path / RESULTS).write_text("".join(lines), encoding="utf-8")
    (path / SPENT).write_text(json.dumps(spent or {"seconds": 12.5, "dollars": 0.25}), encoding="utf-8")
    return path


def policy_with(
    accuracy: Mapping[Mode, float], items: int, seed: int = 0, suite: str = "vstar", samples: int = 1
) -> list[Result]:
    """Draws of a policy of known accuracy by mode, which uses tools where it has them."""
    rng = random.Random(seed)
    found = []
    for number in range(items):
        for mode, share in accuracy.items():
            for sample in range(samples):
                tooled = mode != "off"
                searches, cells = int(mode in ("all", "search")), int(mode in ("all", "code"))
                found.append(
                    result(
                        f"{suite}/{number}",
                        mode,
                        correct=rng.random() < share,
                        sample=sample,
                        answer=rng.choice("ABCD"),
                        category=("direct_attributes", "relative_position")[number % 2],
                        skills=SKILLS[number % 4],
                        turns=3 if tooled else 1,
                        calls={"code": cells, "search": searches},
                        code_errors=int(cells and number % 7 == 0),
                        search_misses=int(searches and number % 5 == 0),
                        sampled_tokens=200,
                        prompt_tokens=900,
                        images=2,
                    )
                )
    return found


def in_suite(results: Iterable[Result], suite: str) -> list[Result]:
    """The same draws, as another suite's."""
    return [
        replace(
            one, suite=suite, item=f"{suite}/{one.item.partition('/')[2]}", cluster=f"{suite}/{one.cluster}"
        )
        for one in results
    ]


@st.composite
def evaluations(draw: st.DrawFn) -> list[Result]:
    """Any results of one suite: odd answers, missing verdicts, twins, clusters, several seeds."""
    items = draw(st.integers(0, 6))
    found = []
    for number in range(items):
        for mode in draw(st.sets(st.sampled_from(MODES), min_size=1)):
            for seed in range(draw(st.integers(1, 2))):
                verdict = draw(st.sampled_from([True, False, None]))
                code = draw(st.integers(0, 3))
                outcome = (
                    "answered" if verdict is not None else draw(st.sampled_from(["answered", "infra_failed"]))
                )
                found.append(
                    result(
                        f"vstar/{number}",
                        mode,
                        seed=seed,
                        cluster=f"c{draw(st.integers(0, 2))}",
                        category=draw(st.sampled_from(["", "a", "<i>"])),
                        skills=draw(st.sampled_from(SKILLS)),
                        correct=verdict,
                        outcome=outcome,
                        answer=draw(st.none() | st.text(max_size=4)),
                        rule="choice" if verdict is not None else "unscored",
                        judged=draw(st.sampled_from([None, True, False])),
                        judge_failed=verdict is None and outcome != "infra_failed",
                        unanswerable=draw(st.booleans()),
                        refused=draw(st.booleans()),
                        twin=f"vstar/{number - 1}" if number % 2 else None,
                        calls={"code": code} if code else {},
                        code_errors=draw(st.integers(0, code if mode in ("all", "code") else 0)),
                    )
                )
    return sorted(found, key=lambda one: (one.suite, one.item, one.mode, one.seed, one.sample))
