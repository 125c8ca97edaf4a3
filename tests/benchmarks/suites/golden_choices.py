"""Suites of multiple choice."""

from __future__ import annotations

from golden import Golden, base64_picture, embedded, json_folder, parquet, tsv

OPTIONS = {"A": "red", "B": "dark blue", "C": "green", "D": "white"}


def cycles() -> list[dict]:
    """One question of HR-Bench in its four cyclic orders, and one in two of them."""
    names = list(OPTIONS.values())
    rows = []
    for cycle in range(4):
        order = names[cycle:] + names[:cycle]
        letters = dict(zip("ABCD", order, strict=True))
        answer = next(letter for letter, option in letters.items() if option == "green")
        rows.append(
            {
                "index": cycle,
                "question": "What is the colour of the kite?",
                "answer": answer,
                "category": "single",
                **letters,
                "cycle_category": cycle,
                "image": base64_picture("green"),
            }
        )
    crossing = {"question": "Is the kite above the boat?", "category": "cross"} | OPTIONS
    for cycle, answer in ((0, "A"), (1, "B")):
        rows.append(
            {"index": 4 + cycle, "answer": answer, "cycle_category": cycle}
            | crossing
            | {"image": base64_picture("navy")}
        )
    return rows


HRBENCH = "lmms-eval tasks/hrbench/utils.py (75571cf), VLMEvalKit HRBenchDataset (e8e78f0)"
HRBENCH_ANSWERS = [("C", "A"), ("B", "green apple"), ("A", "C"), ("(D)", "B"), ("A", "B"), ("dark blue", "A")]

GOLDEN = [
    Golden(
        "vstar",
        "lmms-eval tasks/vstar_bench/utils.py (75571cf)",
        parquet(
            [
                {
                    "image": embedded(),
                    "text": "What is the color of the glove?\n(A) rubber\n(B) cotton\n(C) kevlar\n"
                    "(D) leather\nAnswer with the option's letter from the given choices directly.",
                    "label": "A",
                    "category": "direct_attributes",
                    "question_id": "0",
                },
                {
                    "image": embedded("olive"),
                    "text": "Is the broom on the left or right side of the board? (A) right (B) left",
                    "label": "B",
                    "category": "relative_position",
                    "question_id": "1",
                },
            ]
        ),
        [("A", "B"), ("left", "A left turn")],
    ),
    Golden(
        "vstar",
        "craigwu/vstar_bench: the same columns with paths (lmms-eval's README of the benchmark)",
        json_folder(
            [
                {
                    "image": "direct_attributes/sa_4690.png",
                    "text": "What is the material of the glove?\n(A) rubber\n(B) cotton",
                    "label": "A",
                    "category": "direct_attributes",
                    "question_id": 0,
                }
            ],
            "test_questions.jsonl",
            ["direct_attributes/sa_4690.png"],
        ),
        [("(A) rubber", "cotton")],
    ),
    Golden(
        "vstar",
        "VLMEvalKit ImageMCQDataset.build_prompt (e8e78f0)",
        tsv(
            [
                {"index": 0, "image": base64_picture(), "question": 'Says it\n"open"?', "A": "yes", "B": "no"}
                | {"C": None, "D": None, "answer": "A", "category": "direct_attributes"},
                {"index": 1, "image": "0", "question": "Where is it?", **OPTIONS}
                | {"answer": "D", "category": "relative_position"},
            ],
            "VStarBench.tsv",
        ),
        [("A. yes", "B"), ("d", "none of these")],
    ),
    Golden("hrbench-4k", HRBENCH, parquet(cycles(), "hr_bench_4k.parquet"), HRBENCH_ANSWERS),
    Golden("hrbench-8k", HRBENCH, tsv(cycles(), "hr_bench_8k.tsv"), HRBENCH_ANSWERS),
    Golden(
        "treebench",
        "VLMEvalKit TreeBench.build_prompt and evaluate (e8e78f0)",
        tsv(
            [
                {
                    "index": 0,
                    "image": base64_picture(),
                    "question": "What is the man in black doing?",
                    **OPTIONS,
                }
                | {"E": None, "answer": "B", "category": "Perception/Physical State"}
                | {"target_instances": "[[10, 12, 30, 40]]"},
                {"index": 1, "image": base64_picture("navy"), "question": "Which sign is read?"}
                | {"answer": "E", "category": "Perception/OCR", "target_instances": "[]"},
                {"index": 2, "image": base64_picture("olive"), "question": "Who is left?", **OPTIONS}
                | {"E": "nobody", "answer": "E", "category": "Reasoning/Ordering"}
                | {"target_instances": "[[1, 2, 3, 4], [5, 6, 7, 8]]"},
            ],
            "TreeBench.tsv",
        ),
        [("dark blue", "A dark blue car"), ("E", "A"), ("nobody", "A")],
    ),
    Golden(
        "mme-realworld-lite",
        "lmms-eval tasks/mme_realworld/utils.py (75571cf)",
        parquet(
            [
                {
                    "index": 7,
                    "bytes": base64_picture(),
                    "question": "What colour is the roof?",
                    "multi-choice options": [
                        "(A) Red",
                        "(B) Dark Blue",
                        "(C) Green",
                        "(D) White",
                        "(E) Not shown",
                    ],
                    "answer": "B",
                    "category": "Perception/Remote Sensing",
                    "l2-category": "color",
                }
            ],
            "train-00000-of-00001.parquet",
        ),
        [("B", "A Dark Blue roof")],
    ),
    Golden(
        "mme-realworld-lite",
        "VLMEvalKit MMERealWorld.load_data (e8e78f0)",
        tsv(
            [
                {
                    "index": 7,
                    "image": base64_picture(),
                    "question": "What will the car do?",
                    "multi-choice options": "['(A) Turn left', '（B） Turn', '(C) Stop', '(D) Wait']",
                    "answer": "A",
                    "category": "Reasoning/Autonomous_Driving",
                    "l2-category": "intention",
                }
            ],
            "mme_realworld_lite.tsv",
        ),
        [("Turn left", "D")],
    ),
    Golden(
        "seedbench2-plus",
        "lmms-eval tasks/seedbench_2_plus/utils.py (75571cf)",
        parquet(
            [
                {"question": "Which one is taller?", "choice_A": "red", "choice_B": "dark blue"}
                | {"choice_C": "green", "choice_D": "white", "answer": "C", "question_image_type": "chart"}
                | {"question_id": "1", "image": embedded()},
                {"question": "Where is the lake?", "choice_A": "north", "choice_B": "south"}
                | {"choice_C": "east", "choice_D": "west", "answer": "A", "question_image_type": "map"}
                | {"question_id": "2", "image": embedded("navy")},
            ]
        ),
        [("C", "Chartreuse"), ("north", "B")],
    ),
    Golden(
        "seedbench2-plus",
        "AILab-CVC/SEED-Bench-2-plus as two public loaders of its files read it",
        json_folder(
            [
                {"question": "Which one is taller?", "choice_A": "red", "choice_B": "dark blue"}
                | {"choice_C": "green", "choice_D": "white", "answer": "C", "question_image_type": "Chart"}
                | {"question_id": number, "data_id": f"text_rich/{number}.png"}
                for number in (1, 2)
            ],
            "SEED-Bench-2-plus-text-rich.json",
            ["text_rich/1.png", "text_rich/2.png"],
            archive="text_rich.zip",
        ),
        [("C", "Chartreuse"), ("green", "B")],
    ),
    Golden(
        "seedbench2-plus",
        "VLMEvalKit ImageMCQDataset (e8e78f0)",
        tsv(
            [
                {"index": 3, "image": base64_picture(), "question": "Which button?", **OPTIONS}
                | {"answer": "D", "category": "web"}
            ],
            "SEEDBench2_Plus.tsv",
        ),
        [("D", "A")],
    ),
]
