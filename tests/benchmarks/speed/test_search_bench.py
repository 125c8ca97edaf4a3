"""`deepeyes bench search` measures each engine at the same work; how fast they are is not tested."""

import json
from pathlib import Path

import pytest

from benchmarks.speed import command, search, search_engines
from benchmarks.speed.record import Record
from benchmarks.speed.run import INSTALL
from benchmarks.speed.search_corpus import write_corpus
from benchmarks.speed.search_engines import BM25S, FTS5, OURS


def test_a_small_run_has_every_row_and_every_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # numba takes most of a minute to compile on a busy machine
    monkeypatch.setitem(search_engines.NEEDS, BM25S, ("a_module_that_nobody_has",))
    output = tmp_path / "bench.json"
    arguments = ["--sizes", "300", "--queries", "20", "--rounds", "2", "--output", str(output)]
    assert command.main(["search", *arguments]) == 0
    bench = json.loads(output.read_text())
    rows = {(row["measure"], row["contender"]): row for row in bench["figures"]}
    of = search.measures_of(300)
    for field in search.Measures.__slots__:
        for engine in (OURS, FTS5):
            row = rows[getattr(of, field).name, engine]
            assert 0 < row["p50"] <= row["p99"]
    assert rows[of.latency.name, OURS]["n"] == 20
    assert rows[of.found.name, OURS]["p50"] == rows[of.found.name, FTS5]["p50"] == 100
    assert rows[of.latency.name, BM25S]["note"] == INSTALL
    assert "300 passages: build" in capsys.readouterr().out


def test_the_corpus_is_the_same_each_time_and_holds_the_answers(tmp_path: Path) -> None:
    questions = [write_corpus(tmp_path / name, 50, 10) for name in ("a", "b")]
    assert questions[0] == questions[1]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    passages = {
        (line := json.loads(text))["id"]: line["contents"]
        for text in (tmp_path / "a").read_text().splitlines()
    }
    for question in questions[0]:
        in_passage = set(passages[question.id].replace('"', "").split())
        assert len(in_passage.intersection(question.query.split())) >= 4


def test_targets_take_the_best_peer() -> None:
    record, of = Record(), search.measures_of(10)
    for engine, size, found in ((OURS, 30, 0.97), (BM25S, 60, 1.0), (FTS5, 20, 0.5)):
        record.add(of.size, engine, size)
        record.add(of.found, engine, found)
    verdicts = {verdict.name: verdict for verdict in search.verdicts_at(10, (BM25S, FTS5), record)}
    size = verdicts["10 passages: index with text: ours / FTS5"]
    assert (size.value, size.met) == (1.5, False)
    assert verdicts["10 passages: found among 5: ours / bm25s"].met is False
    assert verdicts["10 passages: build: ours / best peer"].met is None
