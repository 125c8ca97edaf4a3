"""Sealed runs: what `datasets` makes of them, and that sealing is incremental, bounded and all or nothing."""

import multiprocessing
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from talk import noise_image, scripted
from test_store import assert_equal, write

from agents.store import StoreError, TrajectoryWriter, read_trajectories, seal
from agents.store.errors import OtherSchemaError
from agents.store.parquet import from_row, read_rows, to_row, trajectory_schema
from agents.store.parquet_files import write_file, write_files
from agents.trajectory import Trajectory


def numbered(count: int, first: int = 0) -> list[Trajectory]:
    return [replace(scripted(), task_id=str(number)) for number in range(first, first + count)]


def load(tmp_path: Path, *arguments: str, **options: object) -> datasets.Dataset:
    return datasets.load_dataset(*arguments, split="train", cache_dir=str(tmp_path / "cache"), **options)


def test_a_sealed_run_is_one_line_of_datasets(tmp_path):
    write(tmp_path / "run", *numbered(3))
    seal(tmp_path / "run")
    rows = load(tmp_path, str(tmp_path / "run"))
    assert rows["task_id"] == ["0", "1", "2"]
    files = load(tmp_path, "parquet", data_files=str(tmp_path / "run" / "parquet" / "*.parquet"))
    assert files["task_id"] == rows["task_id"]


def test_a_row_has_every_field_and_its_images_decoded(tmp_path):
    one = scripted()
    write(tmp_path / "run", one)
    seal(tmp_path / "run")
    [row] = load(tmp_path, str(tmp_path / "run"))
    assert set(row) == set(Trajectory.__dataclass_fields__)
    for name in ("input_ids", "loss_mask", "logprobs"):
        np.testing.assert_array_equal(row[name], getattr(one, name))
    for shown, image in zip(row["images"], one.images, strict=True):
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(image.decode()))
    assert [turn["text"] for turn in row["turns"]] == [turn.text for turn in one.turns]
    assert row["turns"][0]["observation"] == "Images:\n<image>"
    assert row["turns"][1]["tool_ok"] is None
    assert row["reward"] == {"accuracy": 1.0, "format": 1.0, "total": 1.0}
    assert row["lineage"] == {"run_seed": 1, "step": 2, "prompt": 3, "sample": 4}
    assert row["image_spans"][1]["grid"] == list(one.image_spans[1].grid)
    assert row["versions"] == [{"name": "policy", "version": "tiny"}]
    assert (row["outcome"], row["answer"], row["token_exact"]) == ("answered", "7", False)


def test_a_row_gives_the_trajectory_back(tmp_path):
    odd = replace(scripted(), question="七\u2028\n", answer=None, skills=("search",), turns=scripted().turns)
    write_file(tmp_path / "one.parquet", trajectory_schema(), [to_row(odd)])
    [row] = read_rows(tmp_path / "one.parquet")
    assert_equal(from_row(row), odd)


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path):
    write(tmp_path / "run", replace(scripted(), question="a\ud800b"))
    seal(tmp_path / "run")
    assert load(tmp_path, str(tmp_path / "run"))["question"] == ["a?b"]


def test_only_what_is_new_is_sealed_again(tmp_path):
    write(tmp_path, *numbered(5))
    first = seal(tmp_path, shard_records=2)
    assert [path.name for path in first] == [f"trajectories-0000{n}.parquet" for n in range(3)]
    before = [path.stat().st_ino for path in first]
    assert [path.stat().st_ino for path in seal(tmp_path, shard_records=2)] == before
    write(tmp_path, *numbered(3, first=5))
    second = seal(tmp_path, shard_records=2)
    assert [path.stat().st_ino for path in second[:2]] == before[:2]
    assert second[2].stat().st_ino != before[2]
    assert [row["task_id"] for path in second for row in read_rows(path)] == [str(n) for n in range(8)]


def test_other_shards_take_the_place_of_all(tmp_path):
    write(tmp_path, *numbered(5))
    seal(tmp_path, shard_records=2)
    [only] = seal(tmp_path)
    assert list((tmp_path / "parquet").iterdir()) == [only]
    assert len(list(read_rows(only))) == 5


def test_an_image_of_a_whole_group_is_stored_once(tmp_path):
    group = [replace(scripted(), task_id=str(n)) for n in range(64)]
    write(tmp_path, *group)
    [shard] = seal(tmp_path)
    images = sum(len(image.data) for image in scripted().images)
    assert shard.stat().st_size < images + 64 * 1500


def test_memory_is_bounded_by_row_groups_and_files(tmp_path, monkeypatch):
    size = sum(len(image.data) for image in scripted().images)
    monkeypatch.setattr("agents.store.parquet_files.ROW_GROUP_BYTES", 2 * size)
    monkeypatch.setattr("agents.store.parquet_files.FILE_BYTES", 5 * size)
    write_files(tmp_path, "x", trajectory_schema(), map(to_row, numbered(9)))
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [f"x-0000{n}.parquet" for n in range(len(files))]
    assert len(files) > 1
    assert all(pq.ParquetFile(path).metadata.row_group(0).num_rows <= 2 for path in files)
    assert [row["task_id"] for path in files for row in read_rows(path)] == [str(n) for n in range(9)]


def test_no_row_still_gives_a_file_with_the_schema(tmp_path):
    write_files(tmp_path, "x", trajectory_schema(), [])
    [file] = tmp_path.iterdir()
    assert list(read_rows(file)) == []


def test_an_empty_run_has_no_shards(tmp_path):
    write(tmp_path)
    assert seal(tmp_path) == []


def test_sealing_a_run_with_a_lost_image_leaves_no_half_shard(tmp_path):
    write(tmp_path, scripted(), replace(scripted(), task_id="last"))
    (tmp_path / "images" / scripted().images[0].sha256).unlink()
    with pytest.raises(StoreError, match="is missing"):
        seal(tmp_path)
    assert list((tmp_path / "parquet").iterdir()) == []


def test_a_full_disk_while_sealing_leaves_whole_shards(tmp_path):
    """The file-size limit makes a write stop in the middle, as a full disk does."""
    write(tmp_path, *numbered(2))
    [first, _] = seal(tmp_path, shard_records=1)
    size, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (first.stat().st_size // 2, size[1]))
        with pytest.raises(OSError, match="File too large"):
            seal(tmp_path, shard_records=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [len(list(read_rows(shard))) for shard in sorted((tmp_path / "parquet").iterdir())] == [1, 1]
    assert len(seal(tmp_path, shard_records=2)) == 1


def seal_slowly(run: Path) -> None:
    seal(run, shard_records=1)


def test_a_killed_sealing_leaves_whole_shards_and_can_be_repeated(tmp_path):
    write(tmp_path, *numbered(60))
    process = multiprocessing.get_context("fork").Process(target=seal_slowly, args=(tmp_path,))
    process.start()
    while not list(tmp_path.glob("parquet/*.parquet")):
        time.sleep(0.001)
    process.kill()
    process.join()
    for shard in tmp_path.glob("parquet/*.parquet"):
        assert len(list(read_rows(shard))) == 1
    (tmp_path / "parquet" / ".half").write_bytes(b"half")
    assert len(seal(tmp_path, shard_records=1)) == 60
    assert not list((tmp_path / "parquet").glob(".*"))


def test_other_schemas_and_other_files_are_refused(tmp_path):
    schema = trajectory_schema()
    path = tmp_path / "x.parquet"
    other = {**schema.metadata, b"deepeyes_gym.trajectory_schema": b"1"}
    write_file(path, schema.with_metadata(other), [to_row(scripted())])
    with pytest.raises(OtherSchemaError, match="schema 1, this version of deepeyes-gym reads 2"):
        next(read_rows(path))
    write_file(path, schema.with_metadata({}), [to_row(scripted())])
    with pytest.raises(StoreError, match="no parquet file of trajectories"):
        next(read_rows(path))
    path.write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="cannot be read as parquet"):
        next(read_rows(path))


def test_a_run_can_be_sealed_while_it_is_written(tmp_path):
    with TrajectoryWriter(tmp_path) as writer:
        writer.append(replace(scripted(), images=(noise_image(0), noise_image(1, 2, 4))))
        assert len(seal(tmp_path)) == 1
        writer.append(scripted())
    assert len(list(read_trajectories(tmp_path))) == 2
