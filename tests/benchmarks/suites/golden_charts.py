"""Text in pictures, and charts."""

from __future__ import annotations

from golden import Golden, base64_picture, embedded, parquet, tsv

FORMULAS = "Handwritten Mathematical Expression Recognition"


def figure(**changes) -> dict:
    """A row of CharXiv."""
    row = {
        "image": embedded(),
        "category": "cs",
        "year": "20",
        "original_id": "2004.10956",
        "figure_path": "images/2004.10956.jpg",
        "num_subplots": 2,
        "subplot_row": 1,
        "subplot_col": 2,
        "subplot_loc": None,
        "descriptive_q1": 1,
        "descriptive_q2": 10,
        "descriptive_q3": 18,
        "descriptive_q4": 17,
        "descriptive_a1": "Not Applicable",
        "descriptive_a2": "3",
        "descriptive_a3": "1 by 2",
        "descriptive_a4": "12",
        "reasoning_q": "What is the largest value?",
        "reasoning_a": "0.50",
        "reasoning_q_source": 4,
        "reasoning_a_type": 3,
    }
    return row | changes


OTHER = figure(reasoning_q_source=1, reasoning_a="SGD", figure_path="images/2004.2.jpg")
CHARXIV = "lmms-eval tasks/charxiv/utils.py (75571cf)"

GOLDEN = [
    Golden(
        "ocrbench",
        "lmms-eval tasks/ocrbench/upload_ocrbench.py (75571cf)",
        parquet(
            [
                {"dataset": "IIIT5K", "question": "what is written in the image?", "answer": ["CENTRE"]}
                | {"question_type": "Regular Text Recognition", "image": embedded()},
                {"dataset": "HME100k", "question": "Please write out the expression of the formula."}
                | {"answer": ["x ^ { 2 } + 1"], "question_type": FORMULAS, "image": embedded("navy")},
                {"dataset": "docVQA", "question": "When?", "answer": ["12 May", "May 12"]}
                | {"question_type": "Doc-oriented VQA", "image": embedded("olive")},
            ]
        ),
        [("the Centre", "CENTER"), ("x^{2} + 1", "X^{2}+1"), ("on May 12", "in May")],
    ),
    Golden(
        "ocrbench",
        "VLMEvalKit OCRBench.evaluate (e8e78f0)",
        tsv(
            [
                {"index": 5, "image": base64_picture(), "question": "What does it say?"}
                | {"answer": "['Gone', 'gone']", "category": "Handwriting Recognition"}
            ],
            "OCRBench.tsv",
        ),
        [("GONE", "go")],
    ),
    Golden(
        "chartqa",
        "lmms-eval tasks/chartqa/upload_chartqa.py (75571cf)",
        parquet(
            [
                {"type": "human_test", "question": "How much?", "answer": "14", "image": embedded()},
                {
                    "type": "augmented_test",
                    "question": "Who leads?",
                    "answer": "Peru",
                    "image": embedded("navy"),
                },
            ]
        ),
        [("14.7", "14.8"), ("peru", "Chile")],
    ),
    Golden(
        "chartqa",
        "VLMEvalKit ImageVQADataset and process_line (e8e78f0)",
        tsv(
            [
                {"index": 0, "image": base64_picture(), "question": "How much?", "answer": "0.57"}
                | {"split": "human"},
                {
                    "index": 1,
                    "image": base64_picture("navy"),
                    "question": "Which?",
                    "answer": "['Yes', 'yes!']",
                }
                | {"split": "augmented"},
            ],
            "ChartQA_TEST.tsv",
        ),
        [("57%", "57"), ("YES!", "No")],
    ),
    Golden(
        "charxiv-descriptive",
        CHARXIV,
        parquet([figure(), figure(subplot_loc="the inset", figure_path="images/b.jpg")], "val.parquet"),
        [("Not applicable", ""), ("3", "4"), ("1 by 2", ""), ("12", "13")] * 2,
    ),
    Golden(
        "charxiv-descriptive",
        "VLMEvalKit CharXiv (e8e78f0); the column answer is assumed",
        tsv(
            [
                {
                    "index": 0,
                    "image": base64_picture(),
                    "question": "For the current plot, what is its title?",
                }
                | {"qid": 1, "answer": "Loss", "grading_query": "... {PREDICTION}"}
            ],
            "CharXiv_descriptive_val.tsv",
        ),
        [("Loss", "")],
    ),
    Golden(
        "charxiv-reasoning",
        CHARXIV,
        parquet(
            [figure(), OTHER],
            "val.parquet",
        ),
        [("0.50", "0.51"), ("SGD", "")],
    ),
    Golden(
        "charxiv-reasoning",
        "VLMEvalKit CharXiv (e8e78f0); the column answer is assumed",
        tsv(
            [
                {"index": 4, "image": base64_picture(), "question": "Which is best?"}
                | {"inst_category": 2, "answer": "ours", "grading_query": "... {PREDICTION}"}
            ],
            "CharXiv_reasoning_val.tsv",
        ),
        [("Ours", "")],
    ),
]
