import json
import multiprocessing
import resource
import signal
import warnings
from dataclasses import fields, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from talk import noise_image, scripted

from agents.store import RECORDS, StoreError, TornRecordWarning, TrajectoryWriter, read_trajectories
from agents.trajectory import Trajectory, TrajectoryError


def assert_equal(one: Trajectory, other: Trajectory) -> None:
    for field in fields(Trajectory):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)
        else:
            assert mine == theirs, field.name


def write(directory: Path, *trajectories: Trajectory) -> None:
    with TrajectoryWriter(directory) as writer:
        for trajectory in trajectories:
            writer.append(trajectory)


def test_what_is_written_is_read_back(tmp_path):
    odd = replace(scripted(name="b"), question="七\u2028\n\ud800", answer=None)
    write(tmp_path, scripted(name="a"))
    write(tmp_path, odd)
    first, second = read_trajectories(tmp_path)
    assert_equal(first, scripted(name="a"))
    assert_equal(second, odd)
    assert first.images[0] is second.images[0]
    first.input_ids[0] = 1


def test_images_are_kept_once_under_their_hash(tmp_path):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    names = {path.name for path in (tmp_path / "images").iterdir()}
    assert names == {image.sha256 for image in scripted().images}


def test_token_arrays_are_compact(tmp_path):
    write(tmp_path, scripted())
    line = json.loads((tmp_path / "trajectories.jsonl").read_text())
    tokens = len(scripted().input_ids)
    assert len(json.dumps([line["input_ids"], line["loss_mask"], line["logprobs"]])) < 6 * tokens


def test_a_torn_last_record_is_left_out_and_reported(tmp_path):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    path = tmp_path / "trajectories.jsonl"
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for cut in (first_line + 1, first_line + 500, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.warns(TornRecordWarning, match=r"trajectories\.jsonl was cut off"):
            [only] = read_trajectories(tmp_path)
        assert_equal(only, scripted(name="a"))


@pytest.mark.parametrize("cut", [-1, -200])
def test_a_new_writer_goes_on_after_a_torn_record(tmp_path, cut):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    path = tmp_path / "trajectories.jsonl"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.warns(TornRecordWarning):
        write(tmp_path, scripted(name="c"))
    assert [t.task_id for t in read_trajectories(tmp_path)] == ["a", "c"]


def test_a_run_that_is_one_torn_record_starts_anew(tmp_path):
    (tmp_path / "trajectories.jsonl").write_bytes(b'{"schema"')
    with pytest.warns(TornRecordWarning):
        write(tmp_path, scripted(name="c"))
    assert [t.task_id for t in read_trajectories(tmp_path)] == ["c"]


def test_a_full_disk_keeps_what_was_written(tmp_path):
    """The file-size limit makes a write stop in the middle, as a full disk does."""
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with TrajectoryWriter(tmp_path) as writer:
        writer.append(scripted(name="a"))
        written = (tmp_path / "trajectories.jsonl").stat().st_size
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (written + 100, size[1]))
            with pytest.raises(OSError, match="File too large"):
                writer.append(scripted(name="b"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, size)
            signal.signal(signal.SIGXFSZ, ignored)
        assert [t.task_id for t in read_trajectories(tmp_path)] == ["a"]
        writer.append(scripted(name="c"))
    assert [t.task_id for t in read_trajectories(tmp_path)] == ["a", "c"]


def test_a_full_disk_while_writing_an_image_leaves_no_half_image(tmp_path):
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with TrajectoryWriter(tmp_path) as writer:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, size[1]))
            with pytest.raises(OSError, match="File too large"):
                writer.append(scripted(name="a"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, size)
            signal.signal(signal.SIGXFSZ, ignored)
    assert list((tmp_path / "images").iterdir()) == []
    assert list(read_trajectories(tmp_path)) == []


def write_forever(directory: Path, written: Connection) -> None:
    writer = TrajectoryWriter(directory)
    while True:
        writer.append(scripted())
        written.send_bytes(b".")


def test_a_killed_writer_leaves_everything_readable(tmp_path):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=write_forever, args=(tmp_path, theirs))
    process.start()
    theirs.close()
    for _ in range(20):
        ours.recv_bytes()
    process.kill()
    process.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TornRecordWarning)
        found = list(read_trajectories(tmp_path))
        assert len(found) >= 20
        for trajectory in found:
            assert_equal(trajectory, scripted())
        write(tmp_path, scripted(name="after"))
    assert [t.task_id for t in read_trajectories(tmp_path)][-1] == "after"


def test_a_run_can_be_read_while_it_is_written(tmp_path):
    with TrajectoryWriter(tmp_path) as writer:
        writer.append(scripted(name="a"))
        assert [t.task_id for t in read_trajectories(tmp_path)] == ["a"]


def test_two_writers_of_one_run_are_refused(tmp_path):
    with TrajectoryWriter(tmp_path), pytest.raises(StoreError, match="another writer"):
        TrajectoryWriter(tmp_path)
    write(tmp_path, scripted())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "run" / RECORDS).mkdir(parents=True)
    for place in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / "run", "/proc/nothing"):
        with pytest.raises(StoreError, match=rf"^{place} cannot be written \(.*; name a directory"):
            TrajectoryWriter(place)


def test_a_broken_trajectory_is_not_written(tmp_path):
    bad = replace(scripted(), images=(noise_image(0),))
    with TrajectoryWriter(tmp_path) as writer, pytest.raises(TrajectoryError, match="2 spans for 1 images"):
        writer.append(bad)
    assert list(read_trajectories(tmp_path)) == []


def test_another_schema_is_refused_and_says_what_to_do(tmp_path):
    write(tmp_path, scripted())
    path = tmp_path / "trajectories.jsonl"
    path.write_text(path.read_text().replace('"schema":2', '"schema":3'))
    with pytest.raises(
        StoreError,
        match=r"trajectories\.jsonl:1: the record has schema 3, this version of deepeyes-gym reads 2",
    ):
        list(read_trajectories(tmp_path))


@pytest.mark.parametrize("line", [b"{}", b"[]", b"nonsense", b'{"schema":2}', b'"schema"', b"null", b"\xff"])
def test_a_damaged_record_in_the_middle_is_named(tmp_path, line):
    write(tmp_path, scripted(name="a"))
    path = tmp_path / "trajectories.jsonl"
    good = path.read_bytes()
    path.write_bytes(good + line + b"\n" + good)
    found = read_trajectories(tmp_path)
    assert next(found).task_id == "a"
    with pytest.raises(StoreError, match=r"trajectories\.jsonl:2: the record is damaged"):
        next(found)


def test_damaged_arrays_are_named(tmp_path):
    write(tmp_path, scripted())
    path = tmp_path / "trajectories.jsonl"
    record = json.loads(path.read_text())
    for data in ("!", "AAAA", record["logprobs"]["data"][:-8]):
        record["input_ids"]["data"] = data
        path.write_text(json.dumps(record) + "\n")
        with pytest.raises(StoreError, match="damaged"):
            list(read_trajectories(tmp_path))


def test_an_array_is_not_unpacked_beyond_what_any_can_have(tmp_path, monkeypatch):
    write(tmp_path, scripted())
    monkeypatch.setattr("agents.store.record.MOST_ARRAY_BYTES", 100)
    with pytest.raises(StoreError, match=r"damaged.*has more than 100 bytes"):
        list(read_trajectories(tmp_path))


def test_missing_and_damaged_images_are_named(tmp_path):
    write(tmp_path, scripted())
    image = tmp_path / "images" / scripted().images[1].sha256
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(StoreError, match=rf"{image.name} is damaged"):
        list(read_trajectories(tmp_path))
    image.unlink()
    with pytest.raises(StoreError, match=rf"{image.name} is missing"):
        list(read_trajectories(tmp_path))


def test_an_image_name_cannot_leave_the_run(tmp_path):
    write(tmp_path / "run", scripted())
    path = tmp_path / "run" / "trajectories.jsonl"
    (tmp_path / "run" / "secret").write_bytes(b"x")
    path.write_text(path.read_text().replace(scripted().images[0].sha256, "../secret"))
    with pytest.raises(StoreError, match="is missing"):
        list(read_trajectories(tmp_path / "run"))


def test_a_directory_without_a_run_is_named(tmp_path):
    with pytest.raises(StoreError, match="holds no trajectories"):
        list(read_trajectories(tmp_path))
