"""Suites of search."""

from __future__ import annotations

from golden import Golden, base64_picture, embedded, parquet, tsv

MMSEARCH_R1 = "mmsearch_r1/data/mini_data.pq of github.com/EvolvingLMMs-Lab/multimodal-search-r1 (583c6b4)"


def verl(question: str, truth: str, candidates: str, **more) -> dict:
    """A row of MMSearch-R1."""
    row = {
        "prompt": [{"content": question, "role": "user"}],
        "images": [{"bytes": embedded()["bytes"], "path": None}],
        "reward_model": {"candidate_answers": candidates, "ground_truth": truth, "style": "rule"},
        "data_source": "mmsearch_r1/fvqa_test",
        "image_urls": None,
    }
    return row | more


FOOD = verl("<image>What is its country of origin?", "Spain", '["Kingdom of Spain", "ESP", "Spain"]')
STYLE = verl("What style is it?", "Ishi-no-ma-zukuri", '["gongen-zukuri"]')


def search(sample: str, question: str, answer: str, others: list[str] | None, **more) -> dict:
    """A row of MMSearch."""
    row = {
        "sample_id": sample,
        "query": question,
        "query_image": embedded(),
        "image_search_result": embedded("navy"),
        "area": "news",
        "subfield": "sports",
        "timestamp": "2024-08-20",
        "gt_requery": question,
        "gt_answer": answer,
        "alternative_gt_answers": others,
    }
    return row | more


FACT = {
    "image_description": "",
    "original_category": "中华文化_中医",
    "source": "https://example.org",
    "atomic_question": "这是什么？",
    "atomic_fact": "伏兔",
    "vqa_category": "Knowledge",
}

GOLDEN = [
    Golden(
        "fvqa",
        f"{MMSEARCH_R1}, with data_id as in lmms-lab/FVQA (bb4a4ff)",
        parquet([FOOD | {"data_id": "fvqa_test_0"}, STYLE | {"data_id": "fvqa_test_1"}], "fvqa_test.parquet"),
        [("The kingdom of Spain.", "Portugal"), ("ishi no ma zukuri".replace(" ", ""), "gongen")],
    ),
    Golden(
        "infoseek",
        f"{MMSEARCH_R1}, with data_id and image_id as a third party's loader has them",
        parquet(
            [
                FOOD | {"data_id": "infoseek_human_0", "image_id": "oven_04958159", "category": "infoseek"},
                STYLE | {"data_id": "infoseek_human_1", "image_id": "oven_04958159", "category": "infoseek"},
            ],
            "mmsearch_r1_infoseek_sub_2k.parquet",
        ),
        [("ESP", "Spanish"), ("Gongen-zukuri", "")],
    ),
    Golden("infoseek", MMSEARCH_R1, parquet([FOOD], "mini_data.parquet"), [("spain", "France")]),
    Golden(
        "mmsearch",
        "card of CaraJ/MMSearch (f9616f1)",
        parquet(
            [
                search("1", "Who won the race?", "The Red Bull team", ["Red Bull Racing"]),
                search("2", "Who leads?", "Nobody", None, query_image=None, image_search_result=None),
                search("3", "When does it open?", "25 August 2024", [], area="knowledge"),
            ],
            "end2end.parquet",
        ),
        [("Red Bull racing", "Ferrari"), ("25 August, 2024", "tomorrow")],
    ),
    Golden(
        "simplevqa",
        "card of the copy ohjoonhee/SimpleVQA (8fefe22)",
        parquet(
            [
                {"data_id": 0, "image": base64_picture(), "language": "CN"}
                | {"question": "图中所示穴位所属的经脉是什么？", "answer": "足阳明胃经"}
                | FACT,
                {"data_id": 1, "image": base64_picture("navy"), "language": "EN"}
                | {"question": "Who painted it?", "answer": "The Baron"}
                | FACT,
            ]
        ),
        [("足阳明胃经。"[:-1], ""), ("the baron.", " ")],
    ),
    Golden(
        "simplevqa",
        "VLMEvalKit vlmeval/dataset/simplevqa.py (e8e78f0)",
        tsv(
            [{"index": 4, "image": base64_picture(), "question": "How long?", "answer": 3518.17}],
            "SimpleVQA.tsv",
        ),
        [("3518.17", "")],
    ),
]
