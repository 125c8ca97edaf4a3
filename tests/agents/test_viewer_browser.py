"""The page as a reader meets it: in Chromium, at desktop and phone width."""

from __future__ import annotations

import shutil

import pytest
from sample_trajectories import ByteTokenizer, picture, trajectory

from agents.trajectory import SeedLineage
from agents.viewer import render_page
from deepeyes_env.outcome import Outcome

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
    "<svg onload='window.pwned=1'></svg></template><script>window.pwned=1</script>"
)


def run():
    """Two samples of one task, then one each of: search and wrong, hostile, infrastructure failure."""
    return [
        trajectory("code", "answer", lineage=SeedLineage(1, prompt=0, sample=0)),
        trajectory("answer", lineage=SeedLineage(1, prompt=0, sample=1), accuracy=0.0, answer="7"),
        trajectory(
            "search", "answer", family="facts", task_id="facts/1", accuracy=0.0, question="Who built it?"
        ),
        trajectory("code", "answer", task_id="hostile", question=HOSTILE, observation=HOSTILE + "<image>"),
        trajectory("answer", task_id="broken", outcome=Outcome.INFRA_FAILED, answer=None),
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


@pytest.fixture
def opened(browser, tmp_path):
    """Opens trajectories; at the end asserts that nothing was requested, thrown or refused by the policy."""
    file = tmp_path / "page.html"
    contexts, complaints, requests = [], [], []

    def open_page(trajectories, width=1280, height=800, **options):
        file.write_text(render_page(trajectories, ByteTokenizer(), **options), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith(("data:", file.as_uri())) for url in requests)


def title(page):
    return page.locator("#shown h2").inner_text()


def places(page):
    return [int(row.get_attribute("data-number")) for row in page.locator(".row:visible").all()]


def test_a_trajectory_is_shown_with_its_pictures(opened):
    page = opened(run())
    assert title(page) == "fictional/closer-look/train/17"
    page.wait_for_function("[...document.querySelectorAll('#shown img')].every((i) => i.naturalWidth > 0)")
    sizes = page.eval_on_selector_all("#shown img", "all => all.map(i => [i.naturalWidth, i.naturalHeight])")
    assert sizes == [[280, 196], [240, 160]]
    assert page.locator("#shown .code .nb").first.inner_text() == "print"
    assert page.locator("#shown .compare.right").count() == 1


def test_j_and_k_walk_through_the_list(opened):
    page = opened(run())
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert title(page) == "facts/1"
    page.keyboard.press("k")
    assert page.locator(".row[aria-current]").get_attribute("data-number") == "1"
    for _ in range(9):
        page.keyboard.press("j")
    assert title(page) == "broken"
    assert page.locator(".place").inner_text() == "5 / 5"


def test_h_and_l_walk_through_the_samples_of_a_task(opened):
    page = opened(run())
    page.keyboard.press("l")
    assert page.locator(".row[aria-current]").get_attribute("data-number") == "1"
    page.keyboard.press("l")
    assert page.locator(".row[aria-current]").get_attribute("data-number") == "1"
    page.keyboard.press("h")
    assert page.locator(".row[aria-current]").get_attribute("data-number") == "0"


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("outcome", "infra_failed", [4]),
        ("family", "facts", [2]),
        ("verdict", "wrong", [1, 2]),
        ("tool", "code", [0, 3]),
        ("tool", "none", [1, 4]),
    ],
)
def test_a_filter_leaves_what_matches(opened, name, value, left):
    page = opened(run())
    page.select_option(f"select[name={name}]", value)
    assert places(page) == left
    assert page.locator(".count").inner_text() == f"{len(left)} of 5"


def test_filters_add_up_and_the_keys_follow_them(opened):
    page = opened(run())
    page.select_option("select[name=verdict]", "wrong")
    page.keyboard.press("Escape")
    page.locator(".row[data-number='1']").click()
    page.keyboard.press("j")
    assert title(page) == "facts/1"
    page.select_option("select[name=tool]", "none")
    assert places(page) == [1]


def test_the_search_box_narrows_the_list(opened):
    page = opened(run())
    page.keyboard.press("/")
    page.keyboard.type("WHO BUILT")
    assert places(page) == [2]
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert title(page) == "facts/1"


def test_tokens_show_mask_and_probability(opened):
    from playwright import sync_api

    page = opened(run())
    page.keyboard.press("t")
    tokens = page.locator("#shown .strip .tok")
    assert tokens.first.inner_text() == "image 1"
    sync_api.expect(page.locator("#shown .strip .tok.sampled")).to_have_count(int(run()[0].loss_mask.sum()))
    page.locator("#shown .strip .tok.sampled").first.hover()
    tip = page.locator("#tip").inner_text()
    assert tip.startswith('"<"   id 60')
    assert "log p = -" in tip
    page.keyboard.press("j")
    sync_api.expect(page.locator("#shown .strip .tok.sampled")).to_have_count(int(run()[1].loss_mask.sum()))


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


def test_text_from_a_tool_stays_text(opened):
    page = opened(run(), title=HOSTILE)
    page.locator(".row[data-number='3']").click()
    page.keyboard.press("t")
    assert page.locator("#shown .asked").inner_text() == HOSTILE
    assert page.locator("#shown .observation pre").inner_text() == HOSTILE
    assert page.locator("#shown svg").count() == 0
    assert page.evaluate("window.pwned") is None


def test_only_the_pages_own_script_may_run(browser, tmp_path):
    file = tmp_path / "page.html"
    extra = "<p id=report>curves</p><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    file.write_text(render_page(run(), extra_html=extra), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.locator("#report").inner_text() == "curves"
    assert page.evaluate("window.pwned") is None
    page.close()


def test_a_link_opens_the_trajectory_it_names(opened):
    page = opened(run())
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.reload()
    assert title(page) == "facts/1"


def test_on_a_phone_the_list_gives_way_to_the_trajectory(opened):
    page = opened(run(), width=390, height=844)
    assert page.locator(".list").is_visible()
    assert not page.locator(".detail").is_visible()
    page.locator(".row").nth(2).click()
    assert not page.locator(".list").is_visible()
    assert title(page) == "facts/1"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator(".back").click()
    assert page.locator(".list").is_visible()


def test_a_page_without_trajectories_opens(opened):
    page = opened([])
    assert page.locator(".count").inner_text() == "0 of 0"
    page.keyboard.press("j")
