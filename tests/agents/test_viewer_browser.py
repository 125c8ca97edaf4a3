"""The pages as a reader meets them: in Chromium, at desktop and phone width, from all three sources."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from sample_trajectories import ByteTokenizer, picture, trajectory
from viewed_runs import MANY, many, storable, write

from agents.store import IMAGES
from agents.trajectory import SeedLineage
from agents.viewer import render_page
from agents.viewer.folder import CHUNK, write_folder
from agents.viewer.run import GrowingRun
from agents.viewer.tokens import Words
from deepeyes_env.outcome import Outcome

# The helper of the servers' tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "deepeyes_env" / "sandbox"))
from serving import serving

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = (
    "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    "<svg onload='window.pwned=1'></svg></template><script>window.pwned=1</script> \u202e \u2028 &lt; "
)
PHONE = {"width": 390, "height": 844}
ROWS_AT_MOST = 40
"""Rows drawn at once: a screen's, and a few above and below."""


def run():
    """Two samples of one task, then one each of: search and wrong, hostile, infrastructure failure."""
    return [
        storable("code", "answer", lineage=SeedLineage(1, prompt=0, sample=0)),
        storable("answer", lineage=SeedLineage(1, prompt=0, sample=1), accuracy=0.0, answer="7"),
        storable(
            "search", "answer", family="facts", task_id="facts/1", accuracy=0.0, question="Who built it?"
        ),
        storable(
            "code",
            "answer",
            task_id=HOSTILE,
            family=HOSTILE,
            question=HOSTILE,
            answer=HOSTILE,
            observation=HOSTILE + "<image>",
        ),
        storable("answer", task_id="broken", outcome=Outcome.INFRA_FAILED, answer=None),
    ]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Reader:
    """Opens pages, and remembers what they asked for and what went wrong."""

    def __init__(self, browser):
        self.browser = browser
        self.contexts, self.complaints, self.requests = [], [], []

    def open(self, address, width=1280, height=800, **options):
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(20_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)
        return page


@pytest.fixture
def reader(browser):
    """At the end asserts that nothing was thrown or refused by the pages' policies."""
    reader = Reader(browser)
    yield reader
    for context in reader.contexts:
        context.close()
    assert reader.complaints == []


@pytest.fixture
def opened(reader, tmp_path):
    """Opens trajectories as one page; at the end asserts that it asked for nothing."""
    file = tmp_path / "page.html"

    def open_page(trajectories, address="", width=1280, height=800, **options):
        file.write_text(render_page(trajectories, ByteTokenizer(), **options), encoding="utf-8")
        return reader.open(file.as_uri() + address, width, height)

    yield open_page
    assert all(url.startswith(("data:", file.as_uri())) for url in reader.requests)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The addresses of one run, by source."""
    from agents.viewer.server import make_app

    directory = tmp_path_factory.mktemp("run")
    write(directory, run())
    (directory / "one.html").write_text(render_page(run(), ByteTokenizer(), title=HOSTILE), encoding="utf-8")
    write_folder(run(), directory / "trajectories.html", ByteTokenizer(), title=HOSTILE)
    words = Words(ByteTokenizer)
    with serving(make_app(GrowingRun(directory), words, HOSTILE)) as address:
        yield {
            "embedded": (directory / "one.html").as_uri(),
            "folder": (directory / "trajectories.html").as_uri(),
            "live": address,
        }


@pytest.fixture(params=["embedded", "folder", "live"])
def anywhere(request, sources):
    return sources[request.param]


def expect(locator):
    """Waits; ``page.wait_for_function`` would evaluate text, which the pages' policy refuses."""
    from playwright import sync_api

    return sync_api.expect(locator)


def expect_title(page, title):
    expect(page.locator("#shown h2")).to_have_text(title)


def places(page):
    return [int(row.get_attribute("data-number")) for row in page.locator(".row:visible").all()]


def current(page):
    return page.locator(".row[aria-current]").get_attribute("data-number")


TASK = "fictional/closer-look/train/17"


# --- What holds for every source ---------------------------------------------------------------------------


def test_a_trajectory_is_shown_with_its_pictures(reader, anywhere):
    page = reader.open(anywhere)
    expect_title(page, TASK)
    expect(page.locator("#shown img")).to_have_count(2)
    page.locator("#shown img").last.scroll_into_view_if_needed()
    for picture_shown in page.locator("#shown img").all():
        expect(picture_shown).not_to_have_js_property("naturalWidth", 0)
    sizes = page.eval_on_selector_all("#shown img", "all => all.map(i => [i.naturalWidth, i.naturalHeight])")
    assert sizes == [[280, 196], [280, 196]]
    assert page.locator("#shown .code .fn").first.inner_text() == "print"
    assert page.locator("#shown .code .com").inner_text() == "# enlarge the sign"
    assert page.locator("#shown .compare-answers.right").count() == 1
    assert page.locator("#shown .formula").inner_text() == "total = 0.8 × accuracy + 0.2 × format"
    assert page.locator(".count").inner_text() == "5 of 5"


def test_tokens_show_mask_and_probability(reader, anywhere):
    page = reader.open(anywhere)
    expect_title(page, TASK)
    page.keyboard.press("t")
    assert page.locator("#shown .strip .tok").first.inner_text() == "image 1"
    expect(page.locator("#shown .strip .tok.sampled")).to_have_count(int(run()[0].loss_mask.sum()))
    page.locator("#shown .strip .tok.sampled").first.hover()
    tip = page.locator("#tip").inner_text()
    assert tip.startswith('"<"   id 60')
    assert "log p = -" in tip
    heads = page.locator("#shown .strip summary").all_inner_texts()
    assert [head.split(" ")[0] for head in heads] == ["prompt", "turn", "after", "turn"]
    page.keyboard.press("j")
    expect(page.locator("#shown .strip .tok.sampled")).to_have_count(int(run()[1].loss_mask.sum()))


def test_text_of_a_trajectory_stays_text(reader, anywhere):
    page = reader.open(anywhere)
    page.locator(".row[data-number='3']").click()
    expect(page.locator("#shown .asked")).to_have_text(HOSTILE)
    page.keyboard.press("t")
    assert page.locator("#shown h2").text_content() == HOSTILE
    assert page.locator("#shown .observation pre").text_content() == HOSTILE.rstrip()
    assert page.locator("h1").text_content() == HOSTILE
    assert page.locator("svg").count() == 0
    assert page.evaluate("window.pwned") is None


def test_markup_from_a_string_is_refused_by_the_browser(reader, anywhere):
    page = reader.open(anywhere)
    expect_title(page, TASK)
    refused = (
        "() => { try { document.body.innerHTML = '<b>x</b>'; return null } catch (e) { return e.name } }"
    )
    assert page.evaluate(refused) == "TypeError"
    page.evaluate("() => { const s = document.createElement('div'); s.append('x'); document.body.append(s) }")
    assert reader.complaints
    assert all("TrustedHTML" in complaint for complaint in reader.complaints)
    reader.complaints.clear()


def test_samples_of_a_task_stand_side_by_side(reader, anywhere):
    page = reader.open(anywhere)
    expect_title(page, TASK)
    page.keyboard.press("g")
    expect(page.locator(".column")).to_have_count(2)
    heads = page.locator(".columnhead")
    assert heads.locator(".said").all_inner_texts() == ["42", "7"]
    assert heads.locator(".reward").all_inner_texts() == ["1.00", "0.20"]
    assert (
        page.locator(".grouphead .muted").first.inner_text().startswith("2 samples · 1 right · reward 0.60")
    )
    tops = page.eval_on_selector_all(
        ".cell:nth-child(2)", "all => all.map(one => one.getBoundingClientRect().top)"
    )
    assert len(tops) == 2
    assert tops[0] == tops[1]
    assert page.locator(".column").nth(1).locator(".cell.missing").count() == 1
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    expect_title(page, TASK)
    assert current(page) == "1"


# --- Thousands ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def thousands(tmp_path_factory):
    directory = tmp_path_factory.mktemp("many")
    everything = list(many())
    images = directory / IMAGES
    images.mkdir()
    for image in {image.sha256: image for one in everything for image in one.images}.values():
        (images / image.sha256).write_bytes(image.data)
    assert write_folder(everything, directory / "trajectories.html", None, title="Thousands") == MANY
    return (directory / "trajectories.html").as_uri()


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE])
def test_thousands_are_listed_by_the_few_in_sight(reader, thousands, size):
    page = reader.open(thousands, **size)
    expect(page.locator(".count")).to_have_text("5,000 of 5,000")
    assert 5 < page.locator(".row").count() <= ROWS_AT_MOST
    assert page.evaluate("document.querySelectorAll('*').length") < 1_500
    # To the end: the last is there, and the first is gone.
    page.evaluate(
        "() => { const s = document.querySelector('.scroller'); s.scrollTop = 1e9; scrollTo(0, 1e9); }"
    )
    expect(page.locator(".row[data-number='4999']")).to_be_visible()
    expect(page.locator(".row[data-number='0']")).to_have_count(0)
    assert page.locator("li[aria-posinset='5000'][aria-setsize='5000']").count() == 1
    assert page.locator(".row").count() <= ROWS_AT_MOST
    page.fill("input[name=text]", "sign 1249?")
    expect(page.locator(".count")).to_have_text("4 of 5,000")
    assert places(page) == [4996, 4997, 4998, 4999]


def test_only_what_is_shown_is_loaded(reader, thousands):
    page = reader.open(thousands + "#t=3200&pane=detail")
    expect_title(page, "many/800")
    loaded = [url for url in reader.requests if url.endswith(".js")]
    assert loaded == [thousands.replace("trajectories.html", f"view/{3200 // CHUNK}.js")]
    assert len([url for url in reader.requests if f"/{IMAGES}/" in url]) == 1
    for _ in range(3):
        page.keyboard.press("n")
    expect_title(page, "many/803")
    assert len([url for url in reader.requests if url.endswith(".js")]) == 1


def test_a_page_without_its_folder_says_so(reader, thousands, tmp_path):
    moved = tmp_path / "moved.html"
    shutil.copy(thousands.removeprefix("file://"), moved)
    page = reader.open(moved.as_uri())
    expect(page.locator("[role=alert]")).to_contain_text("view/0.js is missing")
    reader.complaints.clear()  # the browser says so too


# --- A run that grows --------------------------------------------------------------------------------------


def test_new_trajectories_appear_in_an_open_page(reader, tmp_path):
    from agents.viewer.server import make_app

    with serving(make_app(GrowingRun(tmp_path), Words(lambda: None), "growing")) as address:
        page = reader.open(address + "#t=1&pane=detail")
        expect(page.locator(".empty")).to_contain_text("No trajectory yet")
        write(tmp_path, [storable("answer", task_id="first")])
        expect(page.locator(".count")).to_have_text("1 of 1")
        expect_title(page, "first")
        assert page.locator("#live").inner_text() == "live"
        write(tmp_path, [storable("answer", task_id="second", accuracy=0.0)])
        expect(page.locator(".count")).to_have_text("2 of 2")
        # What the address asks for was not there before.
        expect_title(page, "second")
        assert page.locator(".figure dd").nth(1).inner_text() == "50.0\u2009%"
    expect(page.locator("#live")).to_contain_text("not connected")
    reader.complaints.clear()  # the browser says so too


def test_a_browser_enters_with_the_token_as_password(reader, tmp_path):
    from agents.viewer.server import make_app

    write(tmp_path, run())
    with serving(make_app(GrowingRun(tmp_path), Words(lambda: None), "run", token="secret")) as address:
        page = reader.open(address, http_credentials={"username": "", "password": "secret"})
        expect_title(page, TASK)
        expect(page.locator("#shown img").first).to_have_js_property("naturalWidth", 280)
        page.context.close()
    reader.complaints.clear()  # Chromium tells of each refusal before it sends the password


# --- Filters, order, address -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("outcome", "infra_failed", [4]),
        ("family", "facts", [2]),
        ("verdict", "wrong", [1, 2]),
        ("tool", "code", [0, 3]),
        ("tool", "none", [1, 4]),
        ("skill", "search", [2]),
    ],
)
def test_a_filter_leaves_what_matches(opened, name, value, left):
    page = opened(run())
    option = page.locator(f"select[name={name}] option[value={value}]")
    assert option.inner_text().endswith(f" · {len(left)}")
    page.select_option(f"select[name={name}]", value)
    assert places(page) == left
    assert page.locator(".count").inner_text() == f"{len(left)} of 5"
    assert page.locator(".figure dd").first.inner_text() == str(len(left))


def test_filters_add_up_and_the_keys_follow_them(opened):
    page = opened(run())
    page.select_option("select[name=verdict]", "wrong")
    page.keyboard.press("Escape")
    page.locator(".row[data-number='1']").click()
    page.keyboard.press("j")
    expect_title(page, "facts/1")
    # The counts beside a facet's values heed the other facets, not its own.
    assert page.locator("select[name=tool] option").all_inner_texts() == [
        "any",
        "code · 0",
        "none · 1",
        "search · 1",
    ]
    page.select_option("select[name=tool]", "none")
    assert places(page) == [1]
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    assert places(page) == [0, 1, 2, 3, 4]


def test_rewards_are_bounded_and_an_unscored_one_is_in_no_bounds(opened):
    page = opened(run())
    page.fill("input[name=min]", "0.1")
    assert places(page) == [0, 1, 2, 3]
    page.fill("input[name=max]", "0.5")
    assert places(page) == [1, 2]


@pytest.mark.parametrize(
    ("order", "first"),
    [("-time", [4, 3]), ("reward", [1, 2]), ("-reward", [0, 3]), ("tokens", [1, 4]), ("-turns", [0, 2])],
)
def test_rows_are_ordered(opened, order, first):
    page = opened(run())
    page.select_option("select[name=sort]", order)
    assert places(page)[:2] == first
    if "reward" in order:
        assert places(page)[-1] == 4


def test_an_address_brings_the_whole_view_back(opened, reader):
    page = opened(run())
    page.select_option("select[name=verdict]", "wrong")
    page.select_option("select[name=sort]", "-time")
    page.fill("input[name=text]", "WHO built")
    page.locator(".row").first.click()
    page.keyboard.press("t")
    again = reader.open(page.url)
    expect_title(again, "facts/1")
    assert places(again) == [2]
    assert again.locator("select[name=sort]").input_value() == "-time"
    assert again.locator("input[name=text]").input_value() == "WHO built"
    page.go_back()
    page.reload()
    assert places(page) == [2]


@pytest.mark.parametrize(
    "address", ["#t=999", "#t=-1&pane=nowhere&sort=__proto__", "#verdict=<b>", "#%E0%A4%A", "#pane=group"]
)
def test_a_senseless_address_harms_nothing(opened, address):
    page = opened(run(), address=address)
    page.keyboard.press("x")
    page.keyboard.press("j")
    assert places(page) == [0, 1, 2, 3, 4]


# --- The keyboard ------------------------------------------------------------------------------------------


def test_j_and_k_walk_through_the_list(opened):
    page = opened(run())
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect_title(page, "facts/1")
    page.keyboard.press("k")
    assert current(page) == "1"
    for _ in range(9):
        page.keyboard.press("j")
    expect_title(page, "broken")
    assert page.locator(".detail .place").inner_text() == "5 / 5"


def test_h_and_l_walk_through_the_samples_and_n_and_p_through_the_tasks(opened):
    page = opened(run())
    for key, place in (("l", "1"), ("l", "1"), ("h", "0"), ("n", "2"), ("p", "1"), ("p", "1"), ("n", "2")):
        page.keyboard.press(key)
        assert current(page) == place


def test_the_list_is_one_stop_of_the_tab_key_and_arrows_walk_in_it(opened):
    page = opened(run())
    page.locator(".row").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.number") == "1"
    assert page.locator(".row[tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.list')") is None
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.dataset.number") == "1"


def test_the_search_box_narrows_the_list(opened):
    page = opened(run())
    page.keyboard.press("/")
    page.keyboard.type("WHO BUILT")
    assert places(page) == [2]
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect_title(page, "facts/1")


def test_every_control_has_a_name(opened):
    page = opened(run())
    nameless = """all => all.filter(one => !one.closest('[hidden]')
        && !(one.getAttribute('aria-label') || one.title || one.textContent.trim() || one.labels?.length))
        .map(one => one.outerHTML)"""
    assert page.eval_on_selector_all("button, input, select, dialog, nav, [role=group]", nameless) == []


def test_help_names_every_key(opened):
    page = opened(run())
    page.keyboard.press("?")
    keys = page.locator("#help kbd").all_inner_texts()
    assert {"j", "k", "h", "l", "n", "p", "g", "t", "z", "f", "x", "/", "?", "Esc"} == set(keys)
    page.keyboard.press("j")
    assert current(page) == "0"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert current(page) == "1"


# --- Details -----------------------------------------------------------------------------------------------


def test_a_picture_opens_at_full_size(opened):
    wide = picture("navy", "wide", (1680, 420))
    page = opened([trajectory("answer", images=(wide,))])
    page.locator("#shown .picture").click()
    assert page.locator("#zoom").evaluate("dialog => dialog.open")
    assert page.locator("#zoom img").bounding_box()["width"] < 1280
    page.locator("#zoom img").click()
    assert page.locator("#zoom img").bounding_box()["width"] == 1680
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").evaluate("dialog => dialog.open")


def test_the_enlarged_pictures_are_walked_through(opened):
    page = opened(run(), **PHONE)
    page.locator(".row").first.click()
    page.locator("#shown .picture").first.click()
    for step, label in (("Next", "image 2"), ("Next", "image 1"), ("Previous", "image 2")):
        page.get_by_role("button", name=f"{step} picture").click()
        assert page.locator("#zoom p").inner_text().startswith(label)
    page.keyboard.press("ArrowLeft")
    assert page.locator("#zoom p").inner_text().endswith("1 of 2")
    page.get_by_role("button", name="Close").click()
    assert not page.locator("#zoom").evaluate("dialog => dialog.open")


def test_tokens_that_no_policy_sampled_are_marked(opened):
    page = opened([trajectory("answer", scored_tokens=False)])
    assert page.locator("#shown .chips").inner_text().count("not token-exact") == 1
    page.keyboard.press("t")
    assert "no log-probabilities" in page.locator(".legend").inner_text()


def test_what_is_the_same_in_a_group_is_folded(opened):
    samples = [
        storable("code", "answer", lineage=SeedLineage(1, sample=0)),
        storable("code", "code", "answer", lineage=SeedLineage(1, sample=1)),
    ]
    page = opened(samples, address="#t=0&pane=group")
    second = page.locator(".column").nth(1)
    assert second.locator(".cell").first.locator("summary").inner_text() == "same as sample 0"
    assert second.locator(".cell").nth(1).locator("summary").count() == 0


HIGHLIGHTED = """def f(x):
    return "a # b" + 'it\\'s' + f'{x}'  # done
@wrap
class A: n = 0x1F + 1.5e3; s = \"\"\"open"""


def test_code_is_coloured_and_loses_nothing(opened):
    turn = f"<code>\n```python\n{HIGHLIGHTED}\n```\n</code>"
    one = trajectory("answer")
    page = opened([one_turn(one, turn)])
    code = page.locator("#shown .code pre")
    assert code.text_content() == HIGHLIGHTED

    def coloured(kind):
        return code.locator(f".{kind}").all_text_contents()

    assert coloured("kw") == ["def", "return", "class"]
    assert coloured("fn") == ["f", "@wrap", "A"]
    assert coloured("str") == ['"a # b"', "'it\\'s'", "f'{x}'", '"""open']
    assert coloured("com") == ["# done"]
    assert coloured("num") == ["0x1F", "1.5e3"]


def one_turn(one, text):
    from dataclasses import replace

    (turn,) = one.turns
    return replace(one, turns=(replace(turn, text=text, action="code"),))


def test_a_long_hostile_cell_does_not_stall_the_page(opened):
    cell = '"\\' * 20_000 + "r" * 50_000 + "@" * 50_000 + "'''" * 20_000
    page = opened([one_turn(trajectory("answer"), f"<code>{cell}</code>")])
    assert len(page.locator("#shown .code pre").text_content()) > 100_000


def test_only_the_pages_own_script_may_run(browser, tmp_path):
    file = tmp_path / "page.html"
    extra = "<p id=report>curves</p><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    file.write_text(render_page(run(), extra_html=extra), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.locator("#report").inner_text() == "curves"
    assert page.evaluate("window.pwned") is None
    page.close()


def test_a_page_without_trajectories_opens(opened):
    page = opened([])
    assert page.locator(".count").inner_text() == "0 of 0"
    assert page.locator(".empty").inner_text() == "This run has no trajectories."
    for key in ("j", "k", "h", "l", "n", "p", "g", "t", "z", "x"):
        page.keyboard.press(key)


# --- A phone -----------------------------------------------------------------------------------------------


def test_on_a_phone_the_list_gives_way_to_the_trajectory(opened):
    page = opened(run(), **PHONE)
    assert page.locator(".list").is_visible()
    assert not page.locator(".detail").is_visible()
    page.locator(".row").nth(2).click()
    assert not page.locator(".list").is_visible()
    expect_title(page, "facts/1")
    page.locator(".back").click()
    assert page.locator(".list").is_visible()
    page.locator(".row").nth(1).click()
    page.go_back()
    assert page.locator(".list").is_visible()


@pytest.mark.parametrize("address", ["", "#t=0&pane=detail", "#t=3&pane=detail", "#t=0&pane=group"])
def test_no_pane_is_wider_than_a_phone(opened, address):
    page = opened(run(), address=address, title="unbroken" * 20, **PHONE)
    if not address:
        page.locator(".toggle").click()
    if "detail" in address:
        page.keyboard.press("t")
        page.evaluate("document.querySelectorAll('#shown details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_on_a_phone_a_swipe_or_a_tab_chooses_the_sample(opened):
    page = opened(run(), address="#t=0&pane=group", **PHONE)
    columns = page.locator(".column")
    assert columns.first.bounding_box()["width"] == 390
    page.locator(".tab").nth(1).click()
    expect(page.locator(".columns")).to_have_js_property("scrollLeft", 390)
    page.evaluate("document.querySelector('.columns').scrollLeft = 0")
    expect(page.locator(".tab").first).to_have_attribute("aria-current", re.compile("true"))
