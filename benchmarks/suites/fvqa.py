"""FVQA-test: 1,800 factual questions about pictures (MMSearch-R1, arXiv 2506.20670).

Source: `lmms-lab/FVQA`, file `fvqa_test.parquet` (788 MB), Apache-2.0 (the hub's page of the data set). Rows
as in `verl_rows`. That the commit below is the one with 1,800 test rows, without a column `category` and with
`image_urls` empty in all of them, is a third party's manifest; the rows themselves were not seen here.
"""

from __future__ import annotations

from benchmarks.suites.metrics import by_category
from benchmarks.suites.squad import exact_match
from benchmarks.suites.suite import Card, Item, Release, Suite
from benchmarks.suites.verl_rows import read_row

CARD = Card(
    name="fvqa",
    title="FVQA-test",
    releases=(Release("lmms-lab/FVQA", "test", revision="bb4a4ff4c9c3fd0382d11f5d7fccd66d0b8428b5"),),
    licence="Apache-2.0",
    size=1800,
    metric="exact match with the reference or one of the candidate answers, normalised as in SQuAD "
    "(`em_check`, MMSearch-R1 `mmsearch_r1/utils/reward_score_mm/mmsearch_r1_score.py`)",
    paper="arXiv 2506.20670",
    traps=(
        "Published figures (MMSearch-R1, DeepEyesV2) come from an LLM judge: compare them with `correct` "
        "under a judge. Exact match, all that the authors' code scores, is lower.",
        "They also depend on the search engine and its date; DeepEyesV2's is unspecified.",
        "The test file has no column `category`: search-required and search-free cannot be told apart.",
        "The image-search cache beside it is a pickle, covers 1,798 of 1,800 items and ages; never load it.",
    ),
)


def official(item: Item, answer: str) -> float:
    """Exact match with any of the reference answers."""
    return exact_match(answer, (item.task.answer.text, *item.task.answer.aliases))


SUITE = Suite(CARD, read_row, official, by_category)
