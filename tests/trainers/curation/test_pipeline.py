"""From tasks to the two sets in the fictional world, with the real sandbox; every number is known before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from curation_plans import (
    TINIEST,
    ability,
    base,
    contents,
    environment,
    failing_voice,
    interrupted_voice,
    make_plan,
    recipe,
    silent,
    teacher,
)

from agents.actor import ActorOptions
from agents.qwen import save_qwen
from agents.store import read_trajectories
from agents.tiny import build_tiny
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks import open_source
from trainers.arguments import parse_options
from trainers.curation.pipeline import DIFFICULTY, SYNTHESIS, curate
from trainers.curation.placement import Place
from trainers.curation.plan import Curated, Plan
from trainers.curation.report import write_report
from trainers.curation.stages import CurationError, locked
from trainers.dapo.command import DapoOptions
from trainers.sft import command as sft_command


def finish(plan: Plan) -> Curated:
    done = curate(plan)
    write_report(plan, done, plan.out / "report.html")
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory: Any) -> tuple[Plan, Curated]:
    plan = make_plan(tmp_path_factory.mktemp("curation") / "out")
    return plan, finish(plan)


def places(done: Curated) -> dict[str, Place]:
    """Task -> its place; fails if one has two."""
    named = [(done.found.cards[one.digest].id, one.place) for one in done.places]
    assert len(dict(named)) == len(named) == len(done.found.cards)
    return dict(named)


def test_the_split_is_what_the_scripts_abilities_imply(finished: tuple[Plan, Curated]) -> None:
    _, done = finished
    for name, place in places(done).items():
        alone, helped = ability(name)
        wanted = Place.EASY if alone > 2 else Place.RL if helped >= 1 else Place.COLD_START
        assert place is wanted, name
    assert Counter(places(done).values()) == {Place.EASY: 5, Place.RL: 3, Place.COLD_START: 4}
    for digest, one in done.found.difficulty.items():
        assert (one.scored, one.right, one.tools) == (8, ability(done.found.cards[digest].id)[0], 0)
    for digest, one in done.found.benefit.items():
        assert (one.scored, one.right, one.tools) == (8, ability(done.found.cards[digest].id)[1], 8)


def test_every_kept_trajectory_is_right_and_without_an_error(finished: tuple[Plan, Curated]) -> None:
    plan, done = finished
    kept = list(read_trajectories(plan.out / "sft"))
    cold = {name for name, place in places(done).items() if place is Place.COLD_START}
    assert Counter(one.task_id for one in kept) == dict.fromkeys(cold, 1)
    for one in kept:
        assert one.reward.accuracy == one.reward.format == 1.0
        assert [turn.tool_ok for turn in one.turns if turn.action == "code"].count(False) == 0
        assert one.lineage.sample == 2
    flaws = [flaw for attempts in done.found.flaws.values() for flaw in attempts.values()]
    assert Counter(map(str, flaws)) == {
        "code error": 4,
        "wrong answer": 4,
        "None": 4,
        "repeats another attempt": 4,
    }


def test_the_rl_set_is_a_source_of_tasks(finished: tuple[Plan, Curated]) -> None:
    plan, done = finished
    options = ActorOptions(policy="oracle", tasks=(str(plan.out / "rl" / "tasks.json"),), split="train")
    source = open_source(options.env_config.source)
    names = [source.task(index).id for index in range(source.size("train") or 0)]
    assert names == [name for name, place in places(done).items() if place is Place.RL]
    assert source.search_engine() is not None
    assert source.size("validation") is None


def test_dapo_reads_the_rl_set(finished: tuple[Plan, Curated], tmp_path: Path) -> None:
    plan, _ = finished
    file = tmp_path / "dapo.toml"
    file.write_text(f'[env.source]\nkind = "selection"\nfile = "{plan.out / "rl" / "tasks.json"}"\n')
    flags = ["--config", str(file), "--model", "m", "--run-dir", "r"]
    options = parse_options(DapoOptions, flags, "dapo")
    assert open_source(options.env.source).size("train") == 3


def test_nothing_that_a_task_says_becomes_markup(finished: tuple[Plan, Curated], tmp_path: Path) -> None:
    plan, done = finished
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    cards = {
        digest: replace(card, question=hostile, answer=hostile, family=hostile)
        for digest, card in done.found.cards.items()
    }
    page = write_report(plan, replace(done, found=replace(done.found, cards=cards)), tmp_path / "page.html")
    text = page.read_text()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_fits_its_window(finished: tuple[Plan, Curated], width: int) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    plan, _ = finished
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((plan.out / "report.html").as_uri())
        page.get_by_text("Tasks: RL set").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.querySelectorAll('.curation img')].every(i => i.naturalWidth > 0)")
        browser.close()
    assert complaints == []


def test_started_again_it_makes_nothing_again(finished: tuple[Plan, Curated]) -> None:
    plan, _ = finished
    before = contents(plan.out)
    finish(replace(plan, base=silent(plan.base), teacher=silent(plan.teacher)))
    assert contents(plan.out) == before


def test_another_setting_makes_only_what_depends_on_it(
    finished: tuple[Plan, Curated], tmp_path: Path
) -> None:
    plan, done = finished
    quiet = replace(plan, base=silent(plan.base), teacher=silent(plan.teacher))

    def made_anew(changed: Plan) -> set[str]:
        known = {stage.ref for stage in done.stages}
        return {stage.name for stage in curate(changed).stages if stage.ref not in known}

    fewer = recipe(benefit={"samples": 4})  # four of the eight that are there
    assert made_anew(replace(quiet, recipe=fewer)) == {"benefit"}
    harder = recipe(difficulty={"prompt": "minimal", "most_right": 0})
    assert made_anew(replace(quiet, recipe=harder)) == {
        "benefit",
        "rl-balance",
        "demonstrations",
        "cold-start-balance",
        "thought",
        "rl",
        "sft",
    }
    capped = recipe(balance={"rl": {"caps": {"perception": 0}}})
    assert made_anew(replace(quiet, recipe=capped)) == {"rl-balance", "rl"}
    curate(plan)  # for the other tests: `rl` and `sft` are what the last start has made


def test_more_tasks_take_the_rollouts_that_are_there(finished: tuple[Plan, Curated]) -> None:
    plan, _ = finished
    fewer = curate(replace(plan, base=silent(plan.base), teacher=silent(plan.teacher), indexes=range(4, 12)))
    assert len(fewer.places) == 8
    curate(plan)


def test_what_the_infrastructure_spoiled_is_made_again_and_never_counts_as_wrong(tmp_path: Path) -> None:
    def plan(name: str) -> Plan:
        return make_plan(tmp_path / name, env=environment(("emblem-fact",)), indexes=range(3))

    done = finish(plan("whole"))
    # The server is down for task 1 without tools, and for task 2 where the teacher speaks.
    down = {(DIFFICULTY, 1), (SYNTHESIS, 2)}
    broken = failing_voice(base, down), failing_voice(teacher, down)
    first = finish(replace(plan("out"), base=broken[0], teacher=broken[1]))
    assert list(places(first).values()) == [Place.COLD_START, Place.UNSCORED, Place.UNSCORED]
    assert any("the server is down" in reason for reason in first.failures)
    again = finish(plan("out"))
    assert list(places(again).values()) == [Place.COLD_START, Place.RL, Place.COLD_START]
    assert [stage.ref for stage in again.stages] == [stage.ref for stage in done.stages]
    for part in ("rl", "sft"):
        assert contents((tmp_path / "out" / part).resolve()) == contents(
            (tmp_path / "whole" / part).resolve()
        )
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("out", "whole")]
    assert pages[0] == pages[1]


def test_a_curation_that_the_infrastructure_lets_nothing_do_says_so(tmp_path: Path) -> None:
    plan = make_plan(tmp_path / "out", env=environment(("emblem-fact",)), indexes=range(1))
    with pytest.raises(CurationError, match=r"in all 8 rollouts of difficulty: .*the server is down"):
        curate(replace(plan, base=failing_voice(base, {(DIFFICULTY, 0)})))


def test_interrupted_killed_and_started_again_it_comes_to_the_same_bytes(
    finished: tuple[Plan, Curated], tmp_path: Path
) -> None:
    whole, _ = finished
    plan = make_plan(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        curate(replace(plan, base=interrupted_voice(base, turns=40)))
    first = journals(plan.out)
    assert 0 < sum(data.count(b"\n") for data in first.values()) < 96  # in the answers without tools
    program = [sys.executable, str(Path(__file__).with_name("curation_plans.py")), str(plan.out)]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(program, env=environ, start_new_session=True)
    try:
        wait_for(plan.out, 110, process)  # in those with tools
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    second = journals(plan.out)
    finish(plan)
    third = journals(plan.out)
    for earlier, later in ((first, second), (second, third)):
        for path, known in earlier.items():
            assert later[path].startswith(known[: known.rfind(b"\n") + 1])
    mine = {name: data for name, data in contents(plan.out).items() if not name.endswith("synced")}
    theirs = contents(whole.out)
    assert {name: theirs.get(name) for name in mine} == mine
    # Only what the tests with other settings have made there is not here.
    assert all(name.startswith("stages/") for name in theirs.keys() - mine.keys() if "synced" not in name)


def journals(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.glob("rollouts/*/trajectories.jsonl")}


def wait_for(out: Path, records: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if sum(data.count(b"\n") for data in journals(out).values()) >= records:
            return
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    raise AssertionError(f"there were no {records} rollouts in time")


def test_two_do_not_curate_in_one_place(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(CurationError, match="another process"):
        curate(make_plan(tmp_path))


def test_a_folder_in_the_place_of_a_result_is_told_before_anything_is_sampled(tmp_path: Path) -> None:
    (tmp_path / "sft").mkdir()
    with pytest.raises(CurationError, match=r"sft is there and no link"):
        curate(make_plan(tmp_path))
    assert journals(tmp_path) == {}


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    options = ActorOptions(policy="oracle", tasks=(str(tmp_path / "none.jsonl"),), split="train")
    with pytest.raises(ConfigError, match="none to curate"):
        curate(make_plan(tmp_path / "out", env=options.env_config))


def test_sft_trains_on_what_came_out(finished: tuple[Plan, Curated], tmp_path: Path) -> None:
    plan, _ = finished
    model = save_qwen(build_tiny(seed=0, shape=TINIEST), tmp_path / "model")
    flags = ["--model", str(model), "--data", str(plan.out / "sft"), "--run-dir", str(tmp_path / "run")]
    sft_command.main([*flags, "--train.epochs", "2", "--train.batch-size", "2"])
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") == 4
