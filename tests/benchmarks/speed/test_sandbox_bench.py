"""`deepeyes bench sandbox` shows every measure of every contender; how fast they are is not tested."""

import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.speed import cells, command, ipython_kernel, measures, targets
from benchmarks.speed.footprint import left_behind
from benchmarks.speed.record import Measure, Record, interleave
from benchmarks.speed.run import INSTALL, Run

EVERYBODY = {targets.OURS, targets.BARE, targets.KERNEL, targets.FRESH}
EXPECTED = {
    measures.START: EVERYBODY | {targets.EMPTY_KERNEL, targets.FORK},
    measures.CELL: EVERYBODY | {targets.ECHO},
    measures.PICTURE_IN: EVERYBODY,
    measures.PICTURE_OUT: EVERYBODY,
    measures.EPISODE: EVERYBODY | {targets.GROUP},
    measures.SESSIONS: EVERYBODY,
    measures.CELLS: EVERYBODY,
    measures.MEMORY: EVERYBODY - {targets.FRESH},
    measures.PER_GIB: EVERYBODY - {targets.FRESH},
}


@pytest.mark.slow
@pytest.mark.timeout(900)  # it starts a dozen kernels, each of which takes seconds on a busy machine
def test_a_quick_run_has_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "bench.json"
    assert command.main(["sandbox", "--quick", "--output", str(output)]) == 0
    bench = json.loads(output.read_text())
    found = {(row["measure"], row["contender"]): row for row in bench["figures"]}
    assert set(found) == {(measure.name, name) for measure, names in EXPECTED.items() for name in names}
    for row in found.values():
        assert row["note"] or 0 < row["p50"] <= row["p99"]
    assert {"descriptors", "processes", "mounts", "directories"} <= set(bench["left_behind"])
    shown = capsys.readouterr().out
    assert "targets" in shown
    assert "figures" in shown


def test_a_peer_that_is_not_installed_is_named_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ipython_kernel, "NEEDS", ("a_module_that_nobody_has",))
    with Run(1, 1, tmp_path / "unused", Console(quiet=True)) as run:
        run.starts()
    notes = {row.contender: row.note for row in run.record.rows()}
    assert notes == {
        targets.OURS: "",
        targets.FORK: "",
        targets.BARE: "",
        targets.FRESH: "",
        targets.KERNEL: INSTALL,
        targets.EMPTY_KERNEL: INSTALL,
    }
    met = {verdict.name: verdict.met for verdict in targets.verdicts(run.record, None)}
    assert met["session start: ours against ipykernel, no libraries"] is None


def test_targets_compare_medians_in_the_right_direction():
    record = Record()
    for contender, seconds in ((targets.OURS, 0.001), (targets.EMPTY_KERNEL, 1.5), (targets.ECHO, 0.0001)):
        record.add(measures.START, contender, seconds)
        record.add(measures.CELL, contender, seconds)
    met = {verdict.name: verdict for verdict in targets.verdicts(record, {"descriptors": -3, "mounts": 1})}
    start = met["session start: ours against ipykernel, no libraries"]
    assert (start.value, start.met) == (pytest.approx(1_500), True)
    cell = met["cell: ours / socketpair"]
    assert (cell.value, cell.met) == (pytest.approx(10), False)
    left = met["left behind by churned sessions"]
    assert (left.value, left.met) == (1, False)


def test_rows_have_median_and_percentile_in_the_measures_unit():
    record, measure = Record(), Measure("time", "ms", 1e3)
    for sample in range(101):
        record.add(measure, "a", sample / 1e3)
    record.note(measure, "b", "absent")
    a, b = record.rows()
    assert (a.n, a.p50, a.p99) == (101, pytest.approx(50), pytest.approx(99))
    assert (b.n, b.p50, b.note) == (0, None, "absent")


def test_contenders_take_turns_and_each_begins_in_its_turn():
    measure, turns = Measure("order", ""), []

    def work(name: str):
        turns.append(name)
        yield measure, 1.0

    record = Record()
    interleave(3, {name: lambda name=name: work(name) for name in "abc"}, record)
    assert "".join(turns) == "abcbcacab"
    assert [row.n for row in record.rows()] == [3, 3, 3]


def test_what_is_left_behind_is_counted(tmp_path: Path):
    pytest.importorskip("psutil")
    descriptors: list[int] = []
    left = left_behind(lambda: descriptors.append(os.open(tmp_path, os.O_RDONLY)), settle_seconds=0)
    os.close(descriptors[0])
    assert left["descriptors"] == 1
    assert left["processes"] == 0


def test_the_photograph_is_what_the_cells_expect(tmp_path: Path):
    from PIL import Image

    cells.write_photograph(tmp_path / "photograph.jpg")
    with Image.open(tmp_path / "photograph.jpg") as image:
        assert image.size == (cells.WIDTH, cells.HEIGHT)


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]):
    assert command.main(["sandbx"]) == 2
    assert "sandbox" in capsys.readouterr().err
    assert command.main(["--help"]) == 0
    assert "sandbox      the sandbox beside an ipykernel" in capsys.readouterr().out
