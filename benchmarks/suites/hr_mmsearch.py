"""HR-MMSearch: search questions about small things in pictures of 4K (SenseNova-MARS, arXiv 2512.24330).

Source: `sensenova/HR-MMSearch`, split `train` of 305 rows: `sample_id, query, query_image, ground_truth,
difficulty, category` (card, read in a stored copy). The commit is the card's last, c6f5c36: of its files the
card speaks, they themselves were not seen. Copies by path may also be the authors' `data.jsonl` with its
pictures: `prompt` (messages), `image` (paths), `reward_model` (`ground_truth`: a text or a list), as
`inference/eval.py` (`load_datasets`) of github.com/OpenSenseNova/SenseNova-MARS (ce052d7) reads them.
Licence: MIT (card).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from benchmarks.suites.metrics import by_category
from benchmarks.suites.row import Row, RowError, images, optional_text, text
from benchmarks.suites.rules_first import rules_alone
from benchmarks.suites.squad import exact_match
from benchmarks.suites.suite import Card, Item, Release, Suite
from deepeyes_env.task import Answer, Skill, Task

CARD = Card(
    name="hr-mmsearch",
    title="HR-MMSearch",
    releases=(Release("sensenova/HR-MMSearch", "train", revision="c6f5c36"),),
    licence="MIT",
    size=305,
    metric="accuracy: exact match with any reference, else a judge that sees the picture (`llm_judge_score`)",
    paper="arXiv 2512.24330",
    traps=(
        "Searches are of the live web (Serper, top 5): figures move with it. Record them.",
        "The authors' judge (GPT-4o) sees the picture, ours does not.",
        "Their pages are summarised by Qwen3-32B before the policy reads them.",
    ),
)


def read(row: Row) -> Item:
    """One item."""
    truths = _truths(row)
    listed = "query" in row
    task = Task(
        id=f"hr-mmsearch/{text(row, 'sample_id') if listed else row.number}",
        question=text(row, "query").replace("<image>", "").strip() if listed else _question(row),
        images=images(row, "query_image" if listed else "image"),
        answer=Answer(truths[0], aliases=truths[1:]),
        skills=frozenset({Skill.PERCEPTION, Skill.SEARCH}),
        family="hr-mmsearch",
    )
    return Item(task, category=optional_text(row, "category") or "", cluster=task.images[0].sha256)


def _question(row: Row) -> str:
    prompt: Any = row["prompt"]
    said = prompt if isinstance(prompt, list) else []
    asked = next((str(one.get("content", "")) for one in said if one.get("role") == "user"), "")
    question = asked.replace("<image>", "").strip()
    if not question:
        raise RowError(row, "prompt", "no user asks anything", "give a message of the role user")
    return question


def _truths(row: Row) -> tuple[str, ...]:
    if "ground_truth" in row:
        return _listed(text(row, "ground_truth"))
    reward = row["reward_model"]
    truth = reward.get("ground_truth") if isinstance(reward, Mapping) else None
    found = tuple(
        str(one).strip() for one in (truth if isinstance(truth, list) else [truth]) if one is not None
    )
    if not found or not all(found):
        raise RowError(row, "reward_model", "there is no answer", "fill ground_truth with a text or a list")
    return found


def _listed(whole: str) -> tuple[str, ...]:
    """The answers of a list written as text; an answer that only begins like one is one answer."""
    try:
        read = ast.literal_eval(whole) if whole.startswith("[") else None
    except (ValueError, SyntaxError):
        read = None
    if not isinstance(read, list) or not read:
        return (whole,)
    return tuple(str(one) for one in read)


def official(item: Item, answer: str) -> float | None:
    """1 for an exact match, else 1 or 0 where a rule decides, else None: the judge has to."""
    reference = item.task.answer
    return exact_match(answer, (reference.text, *reference.aliases)) or rules_alone(answer, reference)


SUITE = Suite(CARD, read, official, by_category)
