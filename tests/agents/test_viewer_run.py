"""A run as the viewer reads it from the disk: while it grows, and cut into chunks for a page."""

import base64
import json
import re
import zlib

import pytest
from sample_trajectories import ByteTokenizer
from viewed_runs import storable, write

from agents.store import RECORDS, StoreError
from agents.viewer.command import PAGE, main
from agents.viewer.detail import detail
from agents.viewer.folder import CHUNK, write_folder
from agents.viewer.rows import row
from agents.viewer.run import GrowingRun
from deepeyes_env.errors import ConfigError


def named(number):
    return storable("code", "answer", task_id=f"task/{number}")


def chunk(path):
    number, packed = re.fullmatch(
        r'deepeyesChunk\((\d+), "([A-Za-z0-9+/=]*)"\);\n', path.read_text()
    ).groups()
    return int(number), json.loads(zlib.decompress(base64.b64decode(packed)))


def test_a_run_is_seen_as_it_grows(tmp_path):
    run = GrowingRun(tmp_path)
    assert run.refresh() == 0
    write(tmp_path, [named(0), named(1)])
    assert run.refresh() == 2
    write(tmp_path, [named(2)])
    assert [one["task_id"] for one in run.rows(0, 10)] == ["task/0", "task/1"]
    assert run.refresh() == 3
    assert [one["task_id"] for one in run.rows(1, 1)] == ["task/1"]
    assert run.rows(2, 10) == [row(2, named(2))]
    assert run.rows(3, 10) == []


def test_a_trajectory_is_looked_for_though_nobody_asked_for_rows(tmp_path):
    write(tmp_path, [named(0)])
    run = GrowingRun(tmp_path)
    assert run.trajectory(0).task_id == "task/0"
    write(tmp_path, [named(1)])
    assert run.trajectory(1).task_id == "task/1"


def test_a_record_that_is_being_written_is_not_seen(tmp_path):
    write(tmp_path, [named(0), named(1)])
    records = tmp_path / RECORDS
    whole = records.read_bytes()
    records.write_bytes(whole[:-10])
    run = GrowingRun(tmp_path)
    assert run.refresh() == 1
    with records.open("ab") as file:
        file.write(whole[-10:])
    assert run.refresh() == 2
    assert run.trajectory(1).task_id == "task/1"


def test_a_run_that_was_written_anew_has_another_name(tmp_path):
    write(tmp_path, [named(0), named(1)])
    run = GrowingRun(tmp_path)
    run.refresh()
    before = run.name
    (tmp_path / RECORDS).rename(tmp_path / "old")
    write(tmp_path, [named(7)])
    assert run.refresh() == 1
    assert run.name != before
    assert run.rows(0, 10)[0]["task_id"] == "task/7"


def test_a_trajectory_is_read_without_its_pictures(tmp_path):
    write(tmp_path, [named(0)])
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    run = GrowingRun(tmp_path)
    run.refresh()
    assert detail(run.trajectory(0)) == detail(named(0))
    for number in (-1, 1):
        with pytest.raises(IndexError):
            run.trajectory(number)


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        GrowingRun(tmp_path / "nowhere")


def test_chunks_hold_every_trajectory_once_and_the_words_of_their_tokens(tmp_path):
    total = 2 * CHUNK + 1
    stale = tmp_path / "view" / "9.js"
    stale.parent.mkdir()
    stale.write_text("")
    page = tmp_path / PAGE
    assert write_folder((named(n) for n in range(total)), page, ByteTokenizer(), title="Run") == total
    files = sorted((tmp_path / "view").iterdir())
    assert [file.name for file in files] == ["0.js", "1.js", "2.js"]
    chunks = [chunk(file) for file in files]
    assert [number for number, _ in chunks] == [0, 1, 2]
    assert [len(held["details"]) for _, held in chunks] == [CHUNK, CHUNK, 1]
    assert chunks[2][1]["details"] == [json.loads(json.dumps(detail(named(total - 1))))]
    assert chunks[2][1]["words"][str(ord("<"))] == "<"
    held = json.loads(re.search(r'id="run">(.*?)</script>', page.read_text(), re.DOTALL)[1])
    assert [one["task_id"] for one in held["rows"]] == [f"task/{n}" for n in range(total)]
    assert (held["source"], held["chunks"], held["chunk_size"]) == ("folder", "view", CHUNK)


def test_a_small_run_becomes_one_page_and_a_big_one_a_folder(tmp_path, monkeypatch, capsys):
    write(tmp_path, [named(0)])
    assert main([str(tmp_path)]) == 0
    assert '"source": "embedded"' in (tmp_path / PAGE).read_text()
    assert not (tmp_path / "view").exists()
    monkeypatch.setattr("agents.viewer.command.EMBEDDED_BYTES", 1)
    assert main([str(tmp_path)]) == 0
    assert '"source": "folder"' in (tmp_path / PAGE).read_text()
    assert (tmp_path / "view" / "0.js").exists()
    assert main([str(tmp_path), "--output", str(tmp_path / "mail.html")]) == 0
    assert '"source": "embedded"' in (tmp_path / "mail.html").read_text()
    assert capsys.readouterr().out.count("1 trajectories") == 3


def test_what_cannot_be_shown_is_named(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        main([str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="holds no trajectories"):
        main([str(tmp_path)])
    with pytest.raises(ConfigError, match="--output"):
        main([str(tmp_path), "--serve", "--output", str(tmp_path / "page.html")])
    with pytest.raises(ConfigError, match="DEEPEYES_VIEW_TOKEN"):
        main([str(tmp_path), "--serve", "--host", "0.0.0.0", "--port", "0"])
