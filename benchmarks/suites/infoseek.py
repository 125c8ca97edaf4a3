"""InfoSeek, the 2,000 questions that MMSearch-R1 and DeepEyesV2 are measured on.

Source: `mmsearch_r1/data/mmsearch_r1_infoseek_sub_2k.parquet` in
github.com/EvolvingLMMs-Lab/multimodal-search-r1 (583c6b4), a Git LFS file of 277,391,783 bytes, pinned by the
SHA-256 of its LFS pointer. It is on no hub of the authors: fetch it (`git lfs pull`) and give its path. Rows
as in `verl_rows`; that this file has `data_id` (`infoseek_human_0`) and `image_id` (`oven_04958159`) is a
third party's loader and its test, the rows themselves were not seen here. The questions are of InfoSeek
(arXiv 2302.11713), whose own metric is another.
"""

from __future__ import annotations

from benchmarks.suites.fvqa import official
from benchmarks.suites.metrics import by_category
from benchmarks.suites.suite import Card, Release, Suite
from benchmarks.suites.verl_rows import read_row

FILE = "mmsearch_r1_infoseek_sub_2k.parquet"
PUBLISHED = "8d5a0f9e8e6c27dcaca88ace69ea65d28df814d010661126a76c3388ce2e60b4"

CARD = Card(
    name="infoseek",
    title="InfoSeek (2k)",
    releases=(Release("", "test", sha256={FILE: PUBLISHED}),),
    licence="unstated for this file; its repository is Apache-2.0, InfoSeek's questions are Google's",
    size=2000,
    metric="exact match with the reference or one of the candidate answers, normalised as in SQuAD "
    "(`em_check`, MMSearch-R1 `mmsearch_r1/utils/reward_score_mm/mmsearch_r1_score.py`)",
    paper="https://github.com/EvolvingLMMs-Lab/multimodal-search-r1",
    traps=(
        "A clone without Git LFS holds a pointer of 134 bytes in place of the rows.",
        "Published figures on this subset (MMSearch-R1, DeepEyesV2) come from an LLM judge: compare them "
        "with `correct` under a judge, not with exact match.",
        "InfoSeek's own metric (seen and unseen, numbers within 10 %) needs columns that this subset lacks.",
        "Many questions share a picture's subject; they are clusters by `image_id`.",
    ),
)

SUITE = Suite(CARD, read_row, official, by_category)
