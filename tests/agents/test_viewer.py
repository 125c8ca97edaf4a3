import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_trajectories import ByteTokenizer, picture, trajectory

from agents.trajectory import SeedLineage
from agents.viewer import render_page
from agents.viewer.cards import cards
from agents.viewer.segments import split_turn
from agents.viewer.tokens import strip
from deepeyes_env.outcome import Outcome

HOSTILE = (
    "</script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "</pre></template><svg onload=document.title='pwned'>",
    "--><!-- ]]> {{ 7*7 }} {% raw %} \" ' & &lt; \u2028 \x00",
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


MARKUP = ["<code>", "</code>", "```python\n", "\n```\n", "<think>", "</think>", "<answer>", "A B\n"]


@given(st.text() | st.lists(st.sampled_from(MARKUP)).map("".join))
def test_split_turn_is_total_and_loses_no_capital(text):
    shown = "".join(piece.text for piece in split_turn(text))
    assert [c for c in shown if c.isupper()] == [c for c in text if c.isupper()]


def test_code_is_highlighted_and_escaped():
    (piece,) = split_turn("<code>\n```python\nif a < b: print('<b>')\n```\n</code>")
    assert '<span class="k">if</span>' in piece.html
    assert "<b>" not in piece.html


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


def test_pictures_stand_where_their_markers_stand():
    images = tuple(picture(colour, colour) for colour in ("red", "green", "blue"))
    one = trajectory("code", "answer", observation="before <image><image> after", images=images)
    (card,) = cards([one])
    assert [shown.image.sha256 for shown in card.pictures] == [images[0].sha256]
    first, second = card.turns[0].observation
    assert (first.text, [shown.label for shown in first.pictures]) == ("before", ["image 2", "image 3"])
    assert (second.text, second.pictures) == ("after", ())


def test_an_observation_that_never_came_leaves_its_turn_without_one():
    (card,) = cards([trajectory("code", outcome=Outcome.TRUNCATED, answer=None)])
    assert card.turns[-1].observation == ()


def test_samples_of_one_task_know_each_other():
    lineages = [SeedLineage(1, step=step, sample=sample) for step in (0, 1) for sample in (0, 1)]
    draws = [trajectory("answer", lineage=lineage) for lineage in lineages]
    assert [card.siblings for card in cards(draws)] == [(0, 1), (0, 1), (2, 3), (2, 3)]


def test_an_infra_failure_is_neither_right_nor_wrong():
    (card,) = cards([trajectory("answer", outcome=Outcome.INFRA_FAILED)])
    assert card.verdict == "unscored"
    assert "Not scored" in render_page([trajectory("answer", outcome=Outcome.INFRA_FAILED)])


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
    assert f"script-src 'sha256-{digest}'" in page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    calm = Elements(render_page([trajectory("code", "answer")]))
    page = render_page(
        [
            trajectory(
                "code",
                "answer",
                question=text,
                observation=text + "<image>",
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


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=40))
def test_any_observation_renders(text):
    words = text.replace("<image>", "")
    page = render_page([trajectory("code", "answer", observation=words + "<image>")])
    assert page.count("<template id=") == 1


def test_the_vocabulary_survives_html():
    page = render_page([trajectory("code", "answer")], ByteTokenizer())
    block = re.search(r'id="vocabulary">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(block)[str(ord("<"))] == "<"


def test_extra_html_is_put_in_as_it_is():
    page = render_page([], extra_html="<svg id='curve'></svg>")
    assert "<svg id='curve'></svg>" in page
