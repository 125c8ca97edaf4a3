import pytest
from env_parts import picture
from PIL import Image

from deepeyes_env.protocol import (
    CodeOutput,
    Finish,
    ImageHits,
    InfraFailure,
    InvalidCall,
    Malformed,
    RunCode,
    SearchImage,
    SearchText,
    TextHits,
    ToolError,
    parse_turn,
    render_result,
    turn_spans,
)
from deepeyes_env.search.base import Hit


def fenced(program: str, language: str = "python") -> str:
    return f"<think>t</think>\n<code>\n```{language}\n{program}\n```\n</code>"


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (fenced("print(1)"), RunCode("print(1)")),
        (fenced("print(1)", ""), RunCode("print(1)")),
        (fenced("print(1)", "py"), RunCode("print(1)")),
        (fenced("  if x:\n    y\n  z"), RunCode("if x:\n  y\nz")),
        (fenced("x = '''a\n   \nb'''"), RunCode("x = '''a\n   \nb'''")),
        (fenced("print('''\n```''')"), RunCode("print('''\n```''')")),
        (fenced("a\n```\nwords\n```python\nb"), RunCode("b")),
        ("<code>```python print(1)```</code>", RunCode("print(1)")),
        ("<code>```python\r\nx = 1\r\n```\r\n</code>", RunCode("x = 1")),
        ("<code>```python\n1\n```</code><code>```python\n2\n```</code>", RunCode("2")),
        ("<code>print(1)</code>", Malformed("the <code> block holds no fenced python code")),
        ("<code>```javascript\n1\n```</code>", Malformed("the <code> block holds no fenced python code")),
        ("<code>```python\n  \n```</code>", Malformed("the <code> block holds no fenced python code")),
        ("<answer> 42\n</answer>", Finish("42")),
        ("<answer></answer><answer>a</answer><answer> </answer>", Finish("a")),
        ("<answer>a</answer><answer>b</answer>", Finish("b")),
        (fenced("x") + "<answer>a</answer>", Finish("a")),
        ("<think><answer>a</answer></think><answer>b</answer>", Finish("b")),
        ("<think>t</think><answer>a</answer>no!</think>" + fenced("1"), RunCode("1")),
        ('<tool_call>{"name": "image_search"}</tool_call>', SearchImage()),
        ('<tool_call>{"name": "image_search", "arguments": null}</tool_call>', SearchImage()),
        ('<tool_call>{"name": "image_search", "arguments": {}}</tool_call>', SearchImage()),
        (
            '<tool_call>{"name": "image_search", "arguments": {"image": null, "region": null}}</tool_call>',
            SearchImage(),
        ),
        (
            '<tool_call>{"name": "image_search", "arguments": {"image": "crop"}}</tool_call>',
            SearchImage("crop"),
        ),
        (
            '<tool_call>{"name": "image_search", "arguments": {"region": [-3, 0, 90.5, 60]}}</tool_call>',
            SearchImage(None, (-3, 0, 90.5, 60)),
        ),
        ('<tool_call>{"name": "search", "arguments": {"query": " a b "}}</tool_call>', SearchText("a b")),
        (
            '<tool_call>{"name": "search", "arguments": {"query": "\\ud800x"}}</tool_call>',
            SearchText("?x"),
        ),
    ],
)
def test_parse(text: str, action: object) -> None:
    assert parse_turn(text) == action


def test_code_comes_before_a_call_in_the_same_turn() -> None:
    assert parse_turn('<tool_call>{"name": "image_search"}</tool_call>' + fenced("1")) == RunCode("1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "<think>x</think>",
        "<answer>",
        "<answer> </answer>",
        "<tool_call></tool_call>",
        "</think>",
    ],
)
def test_a_turn_without_a_complete_block_is_malformed(text: str) -> None:
    assert parse_turn(text) == Malformed("the turn holds no complete <code>, <tool_call> or <answer> block")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('{"name": "zoom"}', 'Error: Invalid tool call name: {"name": "zoom"}.'),
        (
            '{"name": "image_search", "arguments": {"bbox": []}}',
            "Error: Invalid tool call parameters for image search: "
            '{"name": "image_search", "arguments": {"bbox": []}}.',
        ),
        (
            '{"name": "search"}',
            'Error: Invalid tool call parameters for search: {"name": "search"}.',
        ),
        ("[1]", "Error: Invalid tool call format: [1]. Error: expected a JSON object with a 'name'"),
        (
            "{name}",
            "Error: Invalid tool call format: {name}. Error: "
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
    ],
)
def test_bad_calls_are_named_as_upstream_names_them(call: str, message: str) -> None:
    assert parse_turn(f"<tool_call>\n{call}\n</tool_call>") == InvalidCall(message)


@pytest.mark.parametrize("query", [["a"], 5, "", "  ", None])
def test_a_query_must_be_text(query: object) -> None:
    import json

    call = json.dumps({"name": "search", "arguments": {"query": query}})
    assert isinstance(parse_turn(f"<tool_call>{call}</tool_call>"), InvalidCall)


@pytest.mark.parametrize(
    "arguments",
    [
        "[]",
        '"image_1"',
        "0",
        '{"image": ""}',
        '{"image": 1}',
        '{"image": "image_1.crop((0, 0, 9, 9))"}',
        '{"image": "x); import os; (x"}',
        '{"image": "lambda"}',
        '{"image": "None"}',
        '{"region": []}',
        '{"region": [1, 2, 3]}',
        '{"region": [1, 2, 3, 4, 5]}',
        '{"region": [1, 2, 3, "4"]}',
        '{"region": [false, 2, 3, 4]}',
        '{"region": [0, 0, 9, NaN]}',
        '{"region": [0, 0, 9, Infinity]}',
        '{"region": [0, 0, 9, 1e999]}',
        '{"region": [9, 0, 9, 9]}',
        '{"region": [0, 9, 9, 3]}',
        '{"region": [-9, -9, 0, 9]}',
        '{"region": "0 0 9 9"}',
        '{"region": {"left": 0}}',
        '{"image": "image_1", "regoin": [0, 0, 9, 9]}',
    ],
)
def test_bad_arguments_of_an_image_search_are_refused_as_upstream_refuses_any(arguments: str) -> None:
    call = f'{{"name": "image_search", "arguments": {arguments}}}'
    message = f"Error: Invalid tool call parameters for image search: {call}."
    assert parse_turn(f"<tool_call>{call}</tool_call>") == InvalidCall(message)


def test_large_coordinates_are_the_edge_of_the_picture() -> None:
    call = f'{{"name": "image_search", "arguments": {{"region": [0, 0, {"9" * 400}, 1e308]}}}}'
    assert isinstance(parse_turn(f"<tool_call>{call}</tool_call>"), SearchImage)


def test_hostile_json_is_an_invalid_call() -> None:
    for body in ("[" * 100_000, '{"name": ' + "9" * 10_000 + "}", "{" * 50_000):
        action = parse_turn(f"<tool_call>{body}</tool_call>")
        assert isinstance(action, InvalidCall)
        assert len(action.message) < 2_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["<answer>", "<code>```python\n", "```python x", "</think>", "<code>``` a ```"]
)
def test_parsing_takes_linear_time(piece: str) -> None:
    for text in (piece * 40_000, "<code>" + piece * 40_000 + "</code>"):
        assert parse_turn(text) is not None


def test_spans() -> None:
    text = "<think>t</think> x <answer>1</answer>y"
    kinds = [(span.kind, text[span.start : span.end]) for span in turn_spans(text)]
    assert kinds == [
        ("think", "<think>t</think>"),
        ("text", " x "),
        ("answer", "<answer>1</answer>"),
        ("text", "y"),
    ]


def test_code_template() -> None:
    assert render_result(CodeOutput("5\n", "")) == (
        "Code execution result:\nstdout:\n```\n5\n\n```\n\nstderr:\n```\n\n```"
    )
    image = Image.new("RGB", (28, 28))
    assert render_result(CodeOutput("", "Boom", (image, image))) == (
        "Code execution result:\nstdout:\n```\n\n```\n\nstderr:\n```\nBoom\n```\n\nImages:\n<image><image>"
    )


def test_text_search_template() -> None:
    hits = (
        Hit(1, "Old Harbour Lighthouse", "https://example.org/l", "First lit in 1874 …", "2021-04-02"),
        Hit(2, "Second", "https://example.org/2"),
    )
    assert render_result(TextHits("lighthouse year", hits)) == (
        "<tool_response>\n"
        "A Google search for 'lighthouse year' found 2 results:\n\n"
        "## Web Results\n"
        "1. [Old Harbour Lighthouse](https://example.org/l)\n"
        "Date published: 2021-04-02\n\n"
        "First lit in 1874 …\n\n"
        "2. [Second](https://example.org/2)\n\n"
        "</tool_response>"
    )


def test_image_search_template_leaves_out_hits_without_a_picture() -> None:
    hits = (Hit(1, "A", "u", thumbnail=picture()), Hit(2, "B", "u"), Hit(3, "C", "u", thumbnail=picture()))
    assert render_result(ImageHits(hits)) == (
        "<tool_response>\n"
        "A Google image search for the image found 2 results:\n\n"
        "## Web Results\n"
        "1. <image>\n[A] \n\n\n"
        "2. <image>\n[C] \n\n"
        "</tool_response>"
    )


def test_errors_and_failures() -> None:
    assert render_result(ToolError("Error: <image>")) == "Error: ‹image>"
    assert render_result(InfraFailure("secret")) == ""


def test_what_is_left_around_removed_boilerplate_is_neutralised_too() -> None:
    hit = Hit(1, "<imaYour browser can't play this video.ge>", "u", "Your browser can't play this video.x")
    assert render_result(TextHits("q", (hit,))).splitlines()[4:7] == ["1. [‹image>](u)", "", "x"]
