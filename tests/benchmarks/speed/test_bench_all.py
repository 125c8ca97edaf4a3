import json
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.speed import command
from benchmarks.speed.all import QUICK, AllBenchOptions, run_all
from benchmarks.speed.all_page import write_page
from benchmarks.speed.part import Part

FAST = """
import sys
from pathlib import Path
from dataclasses import dataclass
from benchmarks.speed.machine import write_json
from benchmarks.speed.measured import Measured
from benchmarks.speed.record import Measure, Record
from benchmarks.speed.targets import Verdict
@dataclass
class Options:
    n: int = 1
record, measure = Record(), Measure("work <b>", "ms", 1e3)
record.add(measure, "ours", 0.002)
record.note(measure, "peer", "not installed")
with open({count!r}, "a") as file:
    file.write("x")
verdicts = [
    Verdict("ours against a & b", "x", 2.0, 1.5, at_least=True),
    Verdict("too slow", "x", 2.0, 1.5, at_least=False),
    Verdict("alone", "x", None, 1.5, at_least=True),
]
write_json(Path(sys.argv[sys.argv.index("--output") + 1]), Options(), Measured(verdicts, record.rows()))
{end}
"""


def script(folder: Path, name: str, end: str = "") -> Part:
    file = folder / f"{name}.py"
    file.write_text(FAST.format(count=str(folder / f"{name}.count"), end=end))
    return Part(name, (sys.executable, str(file)))


def broken(folder: Path) -> Part:
    file = folder / "broken.py"
    file.write_text(
        f"open({str(folder / 'broken.count')!r}, 'a').write('x')\nraise ValueError('no peer <i>today</i>')\n"
    )
    return Part("broken", (sys.executable, str(file)))


def runs(folder: Path, name: str) -> int:
    return len((folder / f"{name}.count").read_text())


def run(parts, out):
    return run_all(parts, out, Console(quiet=True), quick=True)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(command.__file__).parents[2]))


def test_a_benchmark_that_fails_is_shown_and_does_not_stop_the_others(tmp_path):
    out = tmp_path / "out"
    failed, fast = run([broken(tmp_path), script(tmp_path, "fast")], out)
    assert failed.failure is not None
    assert "ValueError: no peer <i>today</i>" in failed.failure
    assert fast.failure is None
    said = json.loads((out / "all.json").read_text())
    assert [part["name"] for part in said["parts"]] == ["broken", "fast"]
    assert [target["met"] for target in said["parts"][1]["targets"]] == [True, False, None]
    page = (out / "index.html").read_text()
    assert "no peer &lt;i&gt;today" in page
    assert "work &lt;b&gt;" in page
    for status in ("met", "not met", "no peer"):
        assert f'<td class="status {status}">{status}</td>' in page
    assert fast.command in page
    assert "not installed" in page


def test_finished_parts_are_kept_and_failed_ones_run_again(tmp_path):
    parts = [broken(tmp_path), script(tmp_path, "fast")]
    first = run(parts, tmp_path / "out")
    again = run(parts, tmp_path / "out")
    assert again[1] == first[1]
    assert (runs(tmp_path, "fast"), runs(tmp_path, "broken")) == (1, 2)


def test_another_command_another_version_or_a_torn_file_is_no_finished_part(tmp_path):
    out = tmp_path / "out"
    part = script(tmp_path, "fast")
    run([part], out)
    run([Part(part.name, (*part.command, "--n", "2"))], out)
    assert runs(tmp_path, "fast") == 2
    kept = out / "fast.json"
    said = json.loads(kept.read_text())
    kept.write_text(json.dumps(said | {"versions": said["versions"] | {"numpy": "0"}}))
    run([Part(part.name, (*part.command, "--n", "2"))], out)
    assert runs(tmp_path, "fast") == 3
    kept.write_text(kept.read_text()[:50])
    run([Part(part.name, (*part.command, "--n", "2"))], out)
    assert runs(tmp_path, "fast") == 4


def test_the_page_keeps_what_is_not_run_again_and_names_what_was_never_run(tmp_path):
    out = tmp_path / "out"
    parts = [script(tmp_path, name) for name in ("first", "second", "third")]
    run_all(parts, out, Console(quiet=True), only=["first", "second"])
    (report,) = run_all(parts, out, Console(quiet=True), only=["second"])
    assert report.name == "second"
    assert (runs(tmp_path, "first"), runs(tmp_path, "second")) == (1, 1)
    said = json.loads((out / "all.json").read_text())
    assert [part["name"] for part in said["parts"]] == ["first", "second"]
    assert said["waiting"] == ["third"]


def test_what_was_measured_before_a_failure_is_shown(tmp_path):
    (report,) = run([script(tmp_path, "leaky", end="sys.exit('3 sockets left behind')")], tmp_path / "out")
    assert report.failure is not None
    assert "3 sockets left behind" in report.failure
    assert "ended with status 1" in report.failure
    assert len(report.targets) == 3


def test_a_process_that_says_nothing_has_failed(tmp_path):
    (report,) = run([Part("silent", (sys.executable, "-c", "pass"))], tmp_path / "out")
    assert report.failure == "ended with status 0"


def test_the_page_shows_intervals_where_a_verdict_has_them(tmp_path):
    verdict = {"name": "ratio", "unit": "x", "value": 0.9, "bound": 0.9, "at_least": True, "met": True}
    part = {"name": "p", "command": "c", "failure": None, "seconds": 1.0, "figures": []}
    everything = {"quick": False, "machine": {}, "versions": {}, "waiting": []}
    for ends, shown in (({"low": 0.88, "high": 0.93}, "0.9 [0.88, 0.93] x"), ({}, "0.9 x")):
        write_page(tmp_path / "page.html", everything | {"parts": [part | {"targets": [verdict | ends]}]})
        assert f'<td class="number">{shown}</td>' in (tmp_path / "page.html").read_text()


def test_every_speed_benchmark_takes_part_and_can_be_reproduced():
    assert set(QUICK) == set(command.BENCHES) - {"all", "mismatch"}
    quick = [part.shown for part in AllBenchOptions(quick=True).parts]
    assert "deepeyes bench sandbox --quick" in quick
    assert "deepeyes bench stress --episodes 16 --rounds 2" in quick
    assert [part.shown for part in AllBenchOptions().parts] == [f"deepeyes bench {name}" for name in QUICK]


@pytest.mark.parametrize("name", QUICK)
def test_the_quick_arguments_are_understood(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main([name, *QUICK[name], "--output", "x.json", "--help"])
    assert stopped.value.code == 0
    assert re.search(r"--output", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ("rollout --episodes 7 --at-once 4", "episodes = 7: must be a multiple of"),
        ("rollout --episodes 0", "episodes = 0: must be a multiple of"),
        ("worlds --n 7", "n = 7: must be a multiple of 5"),
        ("sandbox --rounds 0", "rounds = 0: must be at least 1"),
        ("search --peers foo", "invalid choice 'foo' for argument '--peers'"),
    ],
)
def test_an_option_that_measures_nothing_is_refused(arguments, refused, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments.split())
    assert stopped.value.code == 2
    assert refused in " ".join(capsys.readouterr().err.replace("│", " ").split())
