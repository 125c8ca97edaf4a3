"""Suites of mathematics and logic."""

from __future__ import annotations

from golden import Golden, base64_picture, embedded, json_folder, parquet, tsv

VLMEVALKIT = "VLMEvalKit vlmeval/dataset (e8e78f0)"


def vista(pid: str, question: str, answer: str, kind: str, **more) -> dict:
    """A row of MathVista."""
    hint = "Hint: Please answer the question and provide the final value at the end."
    row = {
        "pid": pid,
        "question": question,
        "image": f"images/{pid}.jpg",
        "decoded_image": embedded(),
        "choices": None,
        "unit": None,
        "precision": None,
        "answer": answer,
        "question_type": "free_form",
        "answer_type": kind,
        "metadata": {
            "category": "math-targeted-vqa",
            "context": "scientific figure",
            "grade": "college",
            "img_height": 720,
            "img_width": 1514,
            "language": "english",
            "skills": ["scientific reasoning", "algebraic reasoning"],
            "source": "SciBench",
            "split": "testmini",
            "task": "textbook question answering",
        },
        "query": f"{hint}\nQuestion: {question}",
    }
    return row | more


ANGLES = ["45°", "60°", "120°"]
MATHVISTA = [
    vista("1", "By what distance is the spring compressed?", "1.2", "float", precision=1.0),
    vista("2", "How many are there? (Unit: g)", "1000", "integer", unit="g"),
    vista("506", "Between which two years?", "[2014, 2016]", "list"),
    vista(
        "3",
        "How large is the angle?",
        "60°",
        "text",
        question_type="multi_choice",
        choices=ANGLES,
        query="Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at "
        "the end.\nQuestion: How large is the angle?\nChoices:\n(A) 45°\n(B) 60°\n(C) 120°",
    ),
]

CHORD = "As shown in the figure, the length of BC is ()\nChoices:\nA:2\nB:2√{3}\nC:√{3}\nD:2√{2}"
LETTER = "Please first conduct reasoning, and then provide the correct option letter, e.g., A, B, C, D."


def verse(sample: int, problem: int, version: str, question: str, answer: str, kind: str, full: str) -> dict:
    """A row of MathVerse."""
    asked = f"{LETTER}\nQuestion: {question}" if question else f"According to the image, {LETTER.lower()}"
    return {
        "sample_index": str(sample),
        "problem_index": str(problem),
        "problem_version": version,
        "question": question,
        "image": embedded(),
        "answer": answer,
        "question_type": kind,
        "metadata": {
            "split": "testmini",
            "source": "GeoQA",
            "subject": "Plane Geometry",
            "subfield": "Length",
        },
        "query_wo": f"Please directly answer.\nQuestion: {question}",
        "query_cot": asked,
        "question_for_eval": full,
    }


MATHVERSE = [
    verse(1, 1, "Text Dominant", CHORD, "C", "multi-choice", CHORD),
    verse(5, 1, "Vision Only", "", "C", "multi-choice", CHORD),
    verse(3424, 685, "Vision Dominant", "Find L.", "14", "free-form", "The radius is 3 cm. Find L."),
]

STEP = {
    "split": "testmini",
    "knowledge concept": "Area of Circles",
    "question number": 1,
    "knowledge concept description": "Area of Circles: ...",
}
WEMATH = [
    {"ID": "2steps_1", "question": "How long is it?", "option": "A. 300, 400;B. 400, 300; C. No answer"}
    | {"answer": "B", "key": "2steps_1", "image_path": "2steps/image/1-1.png"}
    | STEP,
    {"ID": "2steps_1", "question": "Which one?", "option": "A. Cylinder ①; B．②;C. E; D. 40.; E. None"}
    | {"answer": "A", "key": "2steps_2", "image_path": "2steps/image/1-2.png"}
    | STEP,
    {"ID": "2steps_1", "question": "How much is both?", "option": "A. 4 B. 3 C. 2 ;D. 1; E. No answer"}
    | {"answer": "C", "key": "2steps_multi", "image_path": "2steps/image/1-multi.png"}
    | STEP,
]
WEMATH_ANSWERS = [("B", "A"), ("<Answer>: A", "E"), ("(C) 2", "D")]


def dyna(number: int, question: str, truth: str, kind: str) -> dict:
    """A row of DynaMath; two variants of each question."""
    return {
        "question_id": number,
        "id": str(number // 2 + 1),
        "question": question,
        "image": f"images/{number}.png",
        "decoded_image": embedded(),
        "ground_truth": truth,
        "answer_type": kind,
        "subject": "analytic geometry",
        "knowledge_level": "high school",
    }


DYNAMATH = [
    dyna(0, "What is the period of this function?", "2.0944", "float"),
    dyna(1, "What is the period of this function?", "6.283", "float"),
    dyna(2, "Is the function convex? choices: (A) convex (B) concave", "A", "multiple choice"),
    dyna(3, "Which line is it, A, B, C, D or E?", "E", "multiple choice"),
    dyna(4, "Which month is the hottest?", "May", "text"),
]
DYNAMATH_ANSWERS = [("2.095", "2.1"), ("2π", "2"), ("(A) convex", "B"), ("E", "a"), ("In May", "")]

LOGIC = {
    "reasoning": "It is seen.",
    "broad_capability": ["diagram"],
    "specific_capability": ["sequence pattern"],
    "imagesource": "aptitudetests",
    "sourcelink": "https://example.org",
    "liscenced": "false",
    "image": embedded(),
}
LOGICVISTA = [
    {"id": "v1_0", "question": "Which choice (A, B, C, or D) completes it?", "answer": "C"}
    | {"skill": ["inductive"]}
    | LOGIC,
    {"id": "v1_1", "question": "Which choices (A-D) belong to the green category?", "answer": "A, C"}
    | {"skill": ["inductive"]}
    | LOGIC,
    {"id": "v1_382", "question": "", "answer": "", "skill": ["spatial"]} | LOGIC,
    {"id": "v1_400", "question": "Is it? Select from A, B and C. (A) True (B)False (C)Neither", "answer": "B"}
    | {"skill": ["deductive"]}
    | LOGIC,
]


def without_image(row: dict) -> dict:
    """The same row with its picture elsewhere, and under its id alone."""
    return {column: value for column, value in row.items() if column not in ("id", "image")}


GOLDEN = [
    Golden(
        "mathvista",
        "README of github.com/lupantech/MathVista, section Data Format (53d5258)",
        parquet(MATHVISTA, "testmini-00000-of-00001.parquet"),
        [("1.24 m", "1.3"), ("1,000 g", "999"), ("[2014,2016]", "[2014]"), ("(B) 60°", "45°")],
    ),
    Golden(
        "mathvista",
        f"{VLMEVALKIT}/utils/mathvista.py; that question holds hint and options is assumed",
        tsv(
            [
                {"index": 3, "image": base64_picture(), "question": MATHVISTA[3]["query"]}
                | {"answer": "60°", "answer_option": "B", "choices": str(ANGLES)}
                | {"question_type": "multi_choice", "answer_type": "text"}
                | {"task": "geometry problem solving", "skills": "['geometry reasoning']"}
            ],
            "MathVista_MINI.tsv",
        ),
        [("b", "C")],
    ),
    Golden(
        "mathverse",
        "output_templates/ of github.com/ZrrSkywalker/MathVerse (937b090)",
        parquet(MATHVERSE, "testmini.parquet"),
        [("C", "B:2√{3}"), ("√{3}", "D"), ("14 ", "15")],
    ),
    Golden(
        "mathverse",
        f"{VLMEVALKIT}/utils/mathverse.py",
        tsv(
            [
                {"index": 685, "image": base64_picture(), "question": "Find L."}
                | {"answer": "\\frac{\\sqrt{30}}{2}", "question_type": "free-form"}
                | {"problem_version": "Vision Intensive", "query_cot": "Please reason.\nQuestion: Find L."}
                | {"question_for_eval": "Find L.", "metadata": "{'subject': 'Solid Geometry'}"}
            ],
            "MathVerse_MINIVInt.tsv",
        ),
        [("\\frac{\\sqrt{30}}{2}", "")],
    ),
    Golden(
        "mathvision",
        "data/test.jsonl of github.com/mathllm/MATH-V (a1f5cc3)",
        parquet(
            [
                {"id": "1", "question": "Which number?\n<image1>", "options": [], "answer": "60"}
                | {"image": "images/1.jpg", "decoded_image": embedded(), "solution": None}
                | {"level": 2, "subject": "arithmetic"},
                {"id": "2", "question": "Which bike?\n<image1>", "options": list("ABCDE"), "answer": "A"}
                | {"image": "images/2.jpg", "decoded_image": embedded(), "solution": None}
                | {"level": 2, "subject": "counting"},
                {"id": "9", "question": "What area?\n<image1>", "options": [], "answer": "$4 \\pi$"}
                | {"image": "images/9.jpg", "decoded_image": embedded(), "solution": None}
                | {"level": 5, "subject": "metric geometry - area"},
            ],
            "test-00000-of-00001-3532b8d3f1b4047a.parquet",
        ),
        [("The answer is 60.", "61"), ("So it is (A).", "B"), ("12.57", "12.5")],
    ),
    Golden(
        "mathvision",
        f"{VLMEVALKIT}/utils/mathv.py",
        tsv(
            [
                {"index": 7, "image": base64_picture(), "question": "How long?", "answer": "B"}
                | {"choices": "['$3 \\\\mathrm{~cm}$', '$4 \\\\mathrm{~cm}$']", "category": "topology"}
            ],
            "MathVision.tsv",
        ),
        [("$4 \\mathrm{~cm}$", "(A)")],
    ),
    Golden(
        "wemath",
        "data/testmini.json of github.com/We-Math/We-Math (a57a0e8) with its testmini.zip",
        json_folder(WEMATH, "testmini.json", [row["image_path"] for row in WEMATH]),
        WEMATH_ANSWERS,
    ),
    Golden(
        "wemath",
        "lmms-eval tasks/wemath/reasoning/utils.py (75571cf)",
        parquet([row | {"image_path": embedded()} for row in WEMATH]),
        WEMATH_ANSWERS,
    ),
    Golden(
        "wemath",
        f"{VLMEVALKIT}/image_mcq.py",
        tsv(
            [
                {"index": 1, "image": base64_picture(), "question": "How long is it?", "answer": "A"}
                | {"A": "3 m", "B": "4 m", "C": "5 m", "D": None, "ID": "3steps_7", "key": "3steps_3"}
            ],
            "WeMath.tsv",
        ),
        [("3 m", "4 m")],
    ),
    Golden(
        "dynamath",
        "lmms-eval tasks/dynamath/reasoning/utils.py (75571cf)",
        parquet(DYNAMATH),
        DYNAMATH_ANSWERS,
    ),
    Golden(
        "dynamath",
        f"{VLMEVALKIT}/dynamath.py",
        tsv(
            [
                {"index": 1, "qid": 1, "varid": 1, "question": "How long is it?", "answer": 4.75}
                | {"answer_type": "float", "subject": "statistics", "knowledge_level": "high school"}
                | {"image": base64_picture()}
            ],
            "DynaMath.tsv",
        ),
        [("4.750 cm", "4.76")],
    ),
    Golden(
        "logicvista",
        "data/README.md and dataset.json of github.com/Yijia-Xiao/LogicVista (e5795f1)",
        parquet(LOGICVISTA),
        [("C", "D"), ("C and A", "A"), ("(B) False", "A")],
    ),
    Golden(
        "logicvista",
        "data of github.com/Yijia-Xiao/LogicVista (e5795f1)",
        json_folder(
            {row["id"]: {"imagename": f"{row['id']}.png"} | without_image(row) for row in LOGICVISTA},
            "dataset.json",
            [f"images/{row['id']}.png" for row in LOGICVISTA],
        ),
        [("C", "D"), ("C and A", "A"), ("(B) False", "A")],
    ),
    Golden(
        "logicvista",
        f"{VLMEVALKIT}/utils/logicvista.py",
        tsv(
            [
                {"index": 4, "image": base64_picture(), "question": "Who is the odd-one-out? From A-I."}
                | {"answer": "G", "skill": "['inductive']"}
            ],
            "LogicVista.tsv",
        ),
        [("(G)", "C, G")],
    ),
]
