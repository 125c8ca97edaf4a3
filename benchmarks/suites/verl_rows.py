"""Rows in the format that MMSearch-R1 trains and validates on (verl's, with candidate answers).

Source: `mmsearch_r1/data/data_example.ipynb`, `mini_data.pq` and `RLHFDataset` in
`mmsearch_r1/utils/dataset/mm_rl_dataset.py` of github.com/EvolvingLMMs-Lab/multimodal-search-r1 (583c6b4).
Columns that are there in every file: `prompt` (messages), `images` (`{"bytes", "path"}`), `reward_model`
(`ground_truth`, `candidate_answers`, `style`), `data_source`, `image_urls`; in the released test sets also
`data_id`, and in InfoSeek's `image_id`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.suites.row import Row, RowError, images, missing, optional_text
from benchmarks.suites.suite import Item
from deepeyes_env.task import Answer, Skill, Task


def read_row(row: Row) -> Item:
    """One item; questions about the same picture are one cluster.

    Raises:
        RowError: There is no question, answer or picture.
    """
    pictures = images(row, "images")
    name = optional_text(row, "data_id") or str(row.number)
    task = Task(
        id=f"{row.suite}/{name}",
        question=_question(row),
        images=pictures,
        answer=_answer(row),
        skills=frozenset({Skill.SEARCH}),
        family=row.suite,
    )
    return Item(task, category="", cluster=optional_text(row, "image_id") or pictures[0].sha256)


def _question(row: Row) -> str:
    prompt = row["prompt"]
    if hasattr(prompt, "tolist"):
        prompt = prompt.tolist()
    said = [message for message in prompt or () if isinstance(message, Mapping)]
    asked = next((str(message.get("content", "")) for message in said if message.get("role") == "user"), "")
    question = asked.replace("<image>", "").strip()
    if not question:
        raise RowError(row, "prompt", "no user asks anything", "give a message of the role user")
    return question


def _answer(row: Row) -> Answer:
    reward = row["reward_model"]
    if not isinstance(reward, Mapping):
        raise RowError(row, "reward_model", "it is no struct", "give ground_truth and candidate_answers")
    # As `MMSearchR1_RewardManager.__call__` does (`workers/multimodal/reward/mmsearch_r1.py`): both may be a
    # text or a list, and what is no text in them is left out.
    truths = _texts(reward.get("ground_truth"))
    candidates = reward.get("candidate_answers")
    try:
        known = json.loads(candidates) if isinstance(candidates, str) and candidates.strip() else candidates
    except ValueError as error:
        raise RowError(row, "reward_model", f"candidate_answers is not JSON ({error})", "mend it") from error
    texts = list(dict.fromkeys((*truths, *_texts(known))))
    if not texts:
        raise RowError(row, "reward_model", "there is no answer", "fill ground_truth")
    return Answer(texts[0], aliases=tuple(texts[1:]))


def _texts(value: Any) -> list[str]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    values = value if isinstance(value, list | tuple) else [value]
    return [one.strip() for one in values if isinstance(one, str) and not missing(one)]
