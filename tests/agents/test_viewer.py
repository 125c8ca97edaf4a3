"""What the pages hold: rows, details, tokens, and that none of it can become markup or script."""

import base64
import hashlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_trajectories import ByteTokenizer, picture, trajectory

from agents.metrics import tools_used
from agents.trajectory import SeedLineage
from agents.viewer import render_page
from agents.viewer.detail import detail
from agents.viewer.formula import formula
from agents.viewer.rows import CLIPPED, row
from agents.viewer.segments import split_turn
from agents.viewer.tokens import Words, strip
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.base import Reward
from deepeyes_env.rewards.combine import COMBINATIONS, Earned

HOSTILE = (
    "</script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "</pre></template><svg onload=document.title='pwned'>",
    "--><!-- ]]> {{ 7*7 }} {% raw %} \" ' & &lt; \u2028 \x00",
    "half a pair \ud83d, \u202egnihton ot",
)


class Elements(HTMLParser):
    """Every tag and attribute of a page, as a browser's tokenizer finds them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.scripts, self._script = [], [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self._script = tag == "script" and not dict(attrs).get("type")

    def handle_data(self, data):
        if self._script:
            self.scripts.append(data)
            self._script = False


def block(page, name):
    """What a page holds under a name."""
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page, re.DOTALL)[1])


def test_split_turn_finds_the_blocks_and_what_stands_outside():
    pieces = split_turn(
        "<think>why</think> hm\n<code>\n```python\nprint(1)\n```\n</code> so <answer>4</answer> <answer>"
    )
    assert [(piece.kind, piece.text) for piece in pieces] == [
        ("think", "why"),
        ("text", "hm"),
        ("code", "print(1)"),
        ("text", "so"),
        ("answer", "4"),
        ("text", "<answer>"),
    ]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("\n ```\n  x = 1\n\n ``` \n", "  x = 1"),
        ("```python\nx = 1\n", "x = 1"),
        ("```python\nx = 1 ``` ```", "x = 1 ```"),
        ("```python\n```", None),
        ("x = 1 ```", "x = 1 ```"),
        ("``` x = 1\n```", "``` x = 1\n```"),
    ],
)
def test_code_is_shown_without_its_fence(cell, code):
    shown = [piece.text for piece in split_turn(f"<code>{cell}</code>")]
    assert shown == ([] if code is None else [code])


def test_observations_begin_and_end_with_what_is_to_be_seen():
    one = trajectory("code", "answer", observation=" \n\n  seven\n\neight \n <image>")
    (shown,) = detail(one)["turns"][0]["observation"]
    assert shown["text"] == "  seven\n\neight"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("blank", ["\n", " ", "\n "])
def test_blanks_take_no_more_time_than_letters(blank):
    """With a million of them, a pattern that looks again from each would take hours."""
    blanks = blank * 1_000_000
    (code,) = split_turn(f"<code>\n```python\nx{blanks}y\n```\n</code>")
    assert code.text == f"x{blanks}y"
    one = trajectory("code", "answer", observation=f"x{blanks}y<image>")
    assert detail(one)["turns"][0]["observation"][0]["text"] == f"x{blanks}y"


MARKUP = ["<code>", "</code>", "```python\n", "\n```\n", "<think>", "</think>", "<answer>", "A B\n"]


@given(st.text() | st.lists(st.sampled_from(MARKUP)).map("".join))
def test_split_turn_is_total_and_loses_no_capital(text):
    shown = "".join(piece.text for piece in split_turn(text))
    assert [c for c in shown if c.isupper()] == [c for c in text if c.isupper()]


def test_strip_puts_an_image_in_one_entry_and_keeps_every_position():
    one = trajectory("code", "answer")
    data = strip(one)
    assert data["ids"][:2] == [-70, ord("\n")]
    assert sum(-entry if entry < 0 else 1 for entry in data["ids"]) == len(one.input_ids)
    sampled = [start + place for start, logprobs in data["turns"] for place in range(len(logprobs))]
    assert sampled == np.flatnonzero(one.loss_mask).tolist()
    shown = np.concatenate([logprobs for _, logprobs in data["turns"]])
    np.testing.assert_allclose(shown, one.logprobs[one.loss_mask], atol=1e-4)


def test_strip_of_a_demonstration_claims_no_probabilities():
    assert strip(trajectory("answer", scored_tokens=False))["scored"] is False


def test_a_token_is_decoded_once():
    class Counting(ByteTokenizer):
        decoded = 0

        def decode(self, token_ids):
            self.decoded += 1
            return super().decode(token_ids)

    decoder, one = Counting(), trajectory("code", "answer")
    words = Words(lambda: decoder)
    assert words.of([one]) == words.of([one, one])
    assert decoder.decoded == len(set(one.input_ids.tolist()))


def test_a_token_that_the_tokenizer_lacks_has_no_text():
    class Small(ByteTokenizer):
        def decode(self, token_ids):
            if token_ids[0] == ord("<"):
                raise IndexError("list index out of range")
            return super().decode(token_ids)

    one = trajectory("answer")
    assert Words(Small).of([one]).keys() == set(one.input_ids.tolist()) - {ord("<")}


def test_a_decoder_is_looked_for_until_it_is_there_and_by_one_thread_at_a_time():
    asked, inside, together = [], [], threading.Event()

    def find():
        asked.append(None)
        inside.append(None)
        if len(inside) > 1:
            together.set()
        together.wait(0.2)
        inside.pop()
        return ByteTokenizer() if len(asked) > 2 else None

    words, one = Words(find), trajectory("answer")
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: words.of([one]), range(6)))
    assert not together.is_set()
    assert len(asked) == 3
    assert sum(map(bool, found)) == 4


def test_pictures_stand_where_their_markers_stand():
    images = tuple(picture(colour, colour) for colour in ("red", "green", "blue"))
    one = trajectory("code", "answer", observation="before <image><image> after", images=images)
    laid_out = detail(one)
    assert [shown["sha256"] for shown in laid_out["pictures"]] == [images[0].sha256]
    first, second = laid_out["turns"][0]["observation"]
    assert (first["text"], [shown["label"] for shown in first["pictures"]]) == (
        "before",
        ["image 2", "image 3"],
    )
    assert second == {"text": "after", "pictures": []}


def test_an_observation_that_never_came_leaves_its_turn_without_one():
    turns = detail(trajectory("code", outcome=Outcome.TRUNCATED, answer=None))["turns"]
    assert turns[-1]["observation"] == []


def test_a_row_counts_tools_and_code_that_failed():
    one = trajectory("code", "search", "code", "answer", tool_ok=False)
    seen = row(3, one)
    assert seen["tools"] == dict(tools_used(one)) == {"code": 2, "search": 1}
    assert (seen["number"], seen["code_runs"], seen["code_errors"]) == (3, 2, 2)
    assert seen["skills"] == ["perception", "search"]
    assert (seen["sampled"], seen["tokens"]) == (one.loss_mask.sum(), len(one.input_ids))


def test_a_row_clips_what_the_detail_shows_whole():
    one = trajectory("answer", question="Q" * 1000, answer="A" * 1000, reference="R" * 1000)
    assert [len(row(0, one)[name]) for name in ("question", "answer", "reference")] == [CLIPPED] * 3
    assert [len(detail(one)[name]) for name in ("question", "answer", "reference")] == [1000] * 3


@pytest.mark.parametrize(
    ("options", "verdict"),
    [({}, "right"), ({"accuracy": 0.5}, "wrong"), ({"outcome": Outcome.INFRA_FAILED}, "unscored")],
)
def test_an_infra_failure_is_neither_right_nor_wrong(options, verdict):
    assert row(0, trajectory("answer", **options))["verdict"] == verdict


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize(("searched", "calls"), [(False, 0), (False, 2), (True, 1)])
@pytest.mark.parametrize("parts", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.5, 1.0), (0.0, 0.0)])
def test_a_formula_gives_the_total(name, searched, calls, parts):
    accuracy, form = parts
    total = COMBINATIONS[name](Earned(accuracy, form, searched, calls, images=calls))
    said = formula(Reward(accuracy, form, total))
    if accuracy == form == total == 0:
        assert said == ""
        return
    sum_ = re.sub(r"\((searched|looked|called|\d calls)\)", "", said).replace("×", "*")
    assert eval(sum_, {"accuracy": accuracy, "format": form}) == pytest.approx(total)
    if name == "deepeyesv2":
        assert ("searched" in said) == (searched and accuracy > 0)


def test_a_total_of_another_making_has_no_formula():
    assert formula(Reward(1.0, 1.0, 0.33)) == ""


def test_a_page_holds_rows_and_details_in_order():
    page = render_page([trajectory("answer", task_id=name) for name in ("a", "b")], title="Two")
    assert [(one["number"], one["task_id"]) for one in block(page, "run")["rows"]] == [(0, "a"), (1, "b")]
    assert block(page, "detail-1")["answer"] == "42"
    assert "detail-2" not in page


def test_an_image_is_in_the_page_once():
    page = render_page([trajectory("code", "answer"), trajectory("code", "code", "answer")])
    assert page.count("data:image/png;base64,") == 2


def test_a_page_asks_nothing_of_the_network():
    page = render_page([trajectory("code", "answer")], ByteTokenizer())
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:)""", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_the_policy_admits_only_the_pages_own_script():
    page = render_page([trajectory("code", "answer")])
    (script,) = Elements(page).scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Policy" content="([^"]*)"', page)[1]
    assert f"script-src 'sha256-{digest}';" in policy
    assert "require-trusted-types-for 'script'" in policy


def test_the_front_end_makes_no_markup_from_strings():
    script = Elements(render_page([])).scripts[0]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\bon\w+=", script
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    calm = Elements(render_page([trajectory("code", "answer")]))
    page = render_page(
        [
            trajectory(
                "code",
                "answer",
                question=text.replace("\ud83d", ""),
                observation=text.replace("\ud83d", "") + "<image>",
                answer=text,
                reference=text,
                family=text,
                task_id=text,
            )
        ],
        title=text,
    )
    wild = Elements(page)
    assert wild.tags == calm.tags
    assert wild.attributes == calm.attributes
    assert wild.scripts == calm.scripts
    assert block(page, "run")["rows"][0]["family"] == text


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=40))
def test_any_observation_renders(text):
    words = text.replace("<image>", "")
    page = render_page([trajectory("code", "answer", observation=words + "<image>")])
    (shown, *_) = block(page, "detail-0")["turns"][0]["observation"]
    assert shown["text"].split() == words.split()


def test_the_vocabulary_survives_html():
    page = render_page([trajectory("code", "answer")], ByteTokenizer())
    assert block(page, "vocabulary")[str(ord("<"))] == "<"


def test_extra_html_is_put_in_as_it_is():
    page = render_page([], extra_html="<svg id='curve'></svg>")
    assert "<svg id='curve'></svg>" in page


def test_a_group_is_named_by_its_lineage_and_task():
    lineage = SeedLineage(1, 2, 3, 4)
    seen = row(0, trajectory("answer", lineage=lineage))
    assert [seen[name] for name in ("seed", "step", "prompt", "sample")] == [1, 2, 3, 4]
