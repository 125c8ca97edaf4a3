"""Suites for agents."""

from __future__ import annotations

from golden import Golden, embedded, json_folder, parquet

MAZE = "Which of the following options can successfully lead out of the maze?\nA. DLDR\nB. ULUR\nC. No answer"


def tir(number: int, task: str, prompt: str, answer: str, **more) -> dict:
    """A row of TIR-Bench."""
    row = {"id": number, "task": task, "prompt": prompt, "answer": answer, "image_1": f"data/{number}.jpg"}
    return row | {"image_2": None, "meta_data": None} | more


TIR = [
    tir(1, "maze", MAZE, "B"),
    tir(2, "ocr", "What is the text?", "Hotel", image_1="data/ocr/7.jpg"),
    tir(3, "ocr", "What is the text?", "wrong", image_1="data/ocr/60.jpg"),
    tir(4, "jigsaw", "In what order?", "4, 3, 2, 1", meta_data={"difficulty": 2}),
    tir(5, "spot_difference", "Which are different?", "3, 5, 9", image_2="data/5b.jpg"),
    tir(6, "word_search", "Where is FOX?", "(3, 12)"),
    tir(7, "word_search", "How many?", "4"),
    tir(8, "color", "Which are warm?\nA. red\nB. blue\nC. orange", "AC"),
    tir(9, "instrument", "What does it show?", "3.5"),
    tir(10, "rotation_game", "Which picture is it?", "D"),
]

VISUALPROBE = "Mini-o3 verl/utils/dataset/multimodal_dataset.py (8654dbf)"


def probe(level: str) -> Golden:
    """A level of VisualProbe, whose paths begin with the level's folder."""
    rows = [
        {
            "doc_id": f"{level}_1",
            "problem": "<image>\nWhat number is on the red locker?",
            "solution": "<answer>47</answer>",
            "images": [f"VisualProbe_{level}/data/1.png"],
            "data_source": f"visual_probe_{level.lower()}",
        },
        {
            "doc_id": f"{level}_2",
            "problem": "What does the sign say?",
            "solution": "Open",
            "images": [f"VisualProbe_{level}/data/2.png"],
            "data_source": f"visual_probe_{level.lower()}",
        },
    ]
    files = ["data/1.png", "data/2.png"]
    name = f"visualprobe-{level.lower()}"
    return Golden(name, VISUALPROBE, json_folder(rows, "val.json", files), [("47", "48"), ("open", "")])


GOLDEN = [
    Golden(
        "realx",
        "README of glowol/RealXBench (002f872)",
        parquet(
            [
                {"query": "Which company owns the shop?", "answer": "Alphabet or Google"}
                | {"perception": 1, "search": 1, "reason": 1, "image": embedded()},
                {"query": "How many cups are there?", "answer": "7"}
                | {"perception": 1, "search": 0, "reason": 0, "image": embedded("navy")},
            ],
            "train-00000-of-00001.parquet",
        ),
        [("Google", ""), ("seven", "8")],
    ),
    Golden(
        "tirbench",
        "TIR-Bench calculate_score.py and tools.py (f79c756)",
        json_folder(
            TIR,
            "TIR-Bench.json",
            [path for row in TIR for path in (row["image_1"], row["image_2"]) if path],
            archive="data.zip",
        ),
        [
            ("B", "A"),
            ("Hotel Inn", "hotel"),
            ("mobi", "wrong"),
            ("4, 3, 2, 1", "3, 4, 1, 2"),
            ("9, 5, 3", "1, 2"),
            ("3, 12", "12, 3"),
            ("4", "5"),
            ("C, A", "AB"),
            ("3.50", "3.51"),
            ("D", "A dog"),
        ],
    ),
    probe("Easy"),
    probe("Medium"),
    probe("Hard"),
    Golden(
        "hr-mmsearch",
        "card of sensenova/HR-MMSearch (c6f5c36)",
        parquet(
            [
                {"sample_id": "7", "query": "Who founded the brand on the kite?"}
                | {"query_image": embedded(), "ground_truth": "Don Roseman"}
                | {"difficulty": "hard", "category": "Sports"},
                {"sample_id": "9", "query": "Where is its seat?", "query_image": embedded("navy")}
                | {"ground_truth": '["New York", "NYC"]', "difficulty": "easy", "category": "Finance"},
                {"sample_id": "10", "query": "Which print?", "query_image": embedded()}
                | {"ground_truth": "[2019] edition", "difficulty": "easy", "category": "Finance"},
                {"sample_id": "11", "query": "What does it print?", "query_image": embedded()}
                | {"ground_truth": "[]", "difficulty": "easy", "category": "Finance"},
            ],
            "train-00000-of-00001.parquet",
        ),
        [("don roseman", ""), ("NYC", ""), ("[2019] edition", ""), ("[]", "")],
    ),
    Golden(
        "hr-mmsearch",
        "SenseNova-MARS inference/eval.py load_datasets (ce052d7)",
        json_folder(
            [
                {
                    "prompt": [{"role": "user", "content": "<image>\nWho founded the brand on the kite?"}],
                    "image": ["images/1.png"],
                    "reward_model": {"ground_truth": ["Don Roseman", "D. Roseman"]},
                    "image_search_title_list": ["Kites"],
                }
            ],
            "data.jsonl",
            ["images/1.png"],
        ),
        [("d roseman", "")],
    ),
]
