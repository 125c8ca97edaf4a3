"""Random access, summaries, and what a run that is to be resumed holds already."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from talk import scripted
from test_store import assert_equal, write

from agents.store import (
    RECORDS,
    StoreError,
    TornRecordWarning,
    TrajectoryReader,
    TrajectoryWriter,
    finished,
    read_trajectories,
)
from agents.store.errors import OtherSchemaError
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.outcome import Outcome


def drawn(sample: int, outcome: Outcome = Outcome.ANSWERED, task_id: str = "task") -> Trajectory:
    return replace(scripted(), task_id=task_id, outcome=outcome, lineage=SeedLineage(1, 2, 3, sample))


def test_a_record_is_read_without_the_others(tmp_path):
    write(tmp_path, *(scripted(name=name) for name in "abc"))
    path = tmp_path / RECORDS
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"x" * (len(first) - 1) + b"\n" + b"".join(rest))
    with TrajectoryReader(tmp_path) as reader:
        assert len(reader) == 3
        assert_equal(reader[1], scripted(name="b"))
        assert reader[-1].task_id == "c"
        with pytest.raises(StoreError, match=r"trajectories\.jsonl:1: the record is damaged"):
            reader[0]
        with pytest.raises(StoreError, match=r"trajectories\.jsonl:1: the record is damaged"):
            reader.summary(0)


@pytest.mark.parametrize("number", [3, -4])
def test_a_record_that_is_not_there_is_named(tmp_path, number):
    write(tmp_path, *(scripted(name=name) for name in "abc"))
    with TrajectoryReader(tmp_path) as reader, pytest.raises(IndexError, match="has 3 records"):
        reader[number]


def test_a_growing_run_is_followed_record_by_record(tmp_path):
    with TrajectoryWriter(tmp_path) as writer, TrajectoryReader(tmp_path) as reader:
        assert len(reader) == 0
        for count in range(1, 4):
            writer.append(scripted(name=str(count)))
            assert len(reader) == count - 1
            assert reader.refresh() == count
            assert reader[count - 1].task_id == str(count)
        assert [one.task_id for one in reader] == ["1", "2", "3"]


def test_half_a_record_does_not_count_until_it_is_whole(tmp_path):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    path = tmp_path / RECORDS
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with TrajectoryReader(tmp_path) as reader:
        assert len(reader) == 1
        with path.open("ab") as file:
            file.write(whole[-5:])
        assert reader.refresh() == 2
        assert reader[1].task_id == "b"


def test_a_run_that_was_written_anew_is_noticed(tmp_path):
    write(tmp_path, scripted())
    with TrajectoryReader(tmp_path) as reader:
        (tmp_path / RECORDS).write_bytes(b"")
        with pytest.raises(StoreError, match="shorter"):
            reader.refresh()


def test_a_summary_needs_neither_arrays_nor_images(tmp_path):
    odd = replace(scripted(), question='","input_ids":{"type":', versions={"input_ids": "x", "a": "b"})
    write(tmp_path, odd)
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    path = tmp_path / RECORDS
    line = path.read_bytes()
    path.write_bytes(line[: line.rindex(b'"input_ids":{"type"') + 20] + b"garbage\n")
    with TrajectoryReader(tmp_path) as reader:
        [summary] = reader.summaries()
    assert summary.question == odd.question
    assert (summary.task_id, summary.family, summary.skills) == ("t", "test", ())
    assert (summary.reference, summary.answer) == ("7", "7")
    assert (summary.outcome, summary.reward) == (odd.outcome, odd.reward)
    assert (summary.tools, summary.turns, summary.images) == (("code",), 2, 2)
    assert summary.tokens == odd.loss_mask.sum()
    assert summary.lineage == odd.lineage
    assert not summary.token_exact


def test_a_summary_of_another_schema_is_refused(tmp_path):
    write(tmp_path, scripted())
    path = tmp_path / RECORDS
    path.write_text(path.read_text().replace('"schema":2', '"schema":9'))
    with TrajectoryReader(tmp_path) as reader, pytest.raises(OtherSchemaError, match=r"schema 9.* reads 2"):
        reader.summary(0)


def test_many_threads_read_a_run_while_it_grows(tmp_path):
    with TrajectoryWriter(tmp_path) as writer, TrajectoryReader(tmp_path) as reader:
        writer.append(scripted(name="0"))
        stop = threading.Event()

        def read(worker: int) -> int:
            count = 0
            while not stop.is_set() or count == 0:
                number = reader.refresh() - 1
                assert reader[number].task_id == reader.summary(number).task_id == str(number)
                count += 1
            return count

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read, worker) for worker in range(4)]
            for number in range(1, 60):
                writer.append(scripted(name=str(number)))
            stop.set()
            assert all(one.result() for one in readers)


def test_what_is_finished_is_known_by_lineage_and_task(tmp_path):
    assert finished(tmp_path / "none") == {}
    write(tmp_path, drawn(0), drawn(1), drawn(1, task_id="other"), drawn(2, Outcome.TRUNCATED))
    assert finished(tmp_path) == {
        SeedLineage(1, 2, 3, 0): {"task"},
        SeedLineage(1, 2, 3, 1): {"task", "other"},
        SeedLineage(1, 2, 3, 2): {"task"},
    }


def test_failed_infrastructure_is_to_be_drawn_again(tmp_path):
    write(tmp_path, drawn(0, Outcome.INFRA_FAILED), drawn(1, Outcome.INFRA_FAILED), drawn(1))
    assert list(finished(tmp_path)) == [SeedLineage(1, 2, 3, 1)]


def test_the_same_draw_twice_is_finished_once_and_both_are_kept(tmp_path):
    write(tmp_path, drawn(0), drawn(0))
    assert finished(tmp_path) == {SeedLineage(1, 2, 3, 0): {"task"}}
    assert len(list(read_trajectories(tmp_path))) == 2


@pytest.mark.parametrize("cut", [1, 300])
def test_a_torn_draw_is_drawn_again(tmp_path, cut):
    write(tmp_path, drawn(0), drawn(1))
    path = tmp_path / RECORDS
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(finished(tmp_path)) == [SeedLineage(1, 2, 3, 0)]
    with pytest.warns(TornRecordWarning):
        writer = TrajectoryWriter(tmp_path)
    with writer:
        assert list(finished(tmp_path)) == [SeedLineage(1, 2, 3, 0)]
        writer.append(drawn(1))
    assert len(finished(tmp_path)) == 2
    assert [one.lineage.sample for one in read_trajectories(tmp_path)] == [0, 1]


# --- The end of a machine ----------------------------------------------------------------------------------


def lose_power(run: Path, *, synced: int) -> Path:
    """Stop the machine when only the journal's first `synced` records were forced to the disk."""
    lines = (run / RECORDS).read_bytes().splitlines(keepends=True)
    (run / "synced").write_text(f"{len(b''.join(lines[:synced])):020}\n")
    return run / RECORDS


def test_records_whose_images_the_disk_has_lost_are_removed(tmp_path):
    write(tmp_path, *(scripted(name=name) for name in "abc"))
    lose_power(tmp_path, synced=0)
    (tmp_path / "images" / scripted().images[1].sha256).write_bytes(b"")
    with pytest.warns(TornRecordWarning, match="is damaged.*the disk did not have it yet"):
        write(tmp_path, scripted(name="d"))
    [only] = read_trajectories(tmp_path)
    assert_equal(only, scripted(name="d"))


def test_records_before_the_loss_are_kept(tmp_path):
    write(tmp_path, *(scripted(name=name) for name in "abc"))
    path = lose_power(tmp_path, synced=1)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second + bytes(len(third) - 1) + b"\n")
    with pytest.warns(TornRecordWarning, match="the disk did not have it yet"):
        write(tmp_path, scripted(name="d"))
    assert [one.task_id for one in read_trajectories(tmp_path)] == ["a", "b", "d"]


def test_a_first_record_that_the_disk_has_lost_is_removed(tmp_path):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    path = lose_power(tmp_path, synced=0)
    whole = path.read_bytes()
    path.write_bytes(bytes(50) + whole[50:])
    with pytest.warns(TornRecordWarning, match="the disk did not have it yet"):
        write(tmp_path, scripted(name="c"))
    assert [one.task_id for one in read_trajectories(tmp_path)] == ["c"]


def test_a_mark_that_the_disk_has_lost_makes_nothing_lost(tmp_path):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    (tmp_path / "synced").write_bytes(bytes(21))
    write(tmp_path, scripted(name="c"))
    assert [one.task_id for one in read_trajectories(tmp_path)] == ["a", "b", "c"]


def test_a_file_that_is_none_of_ours_is_not_written(tmp_path):
    (tmp_path / RECORDS).write_bytes(b"a diary\n")
    with pytest.raises(StoreError, match="record is damaged"):
        write(tmp_path, scripted())
    assert (tmp_path / RECORDS).read_bytes() == b"a diary\n"


def test_folders_of_other_programs_among_the_images_are_left_alone(tmp_path):
    write(tmp_path, scripted(name="a"))
    (tmp_path / "images" / ".ipynb_checkpoints").mkdir()
    write(tmp_path, scripted(name="b"))
    assert (tmp_path / "images" / ".ipynb_checkpoints").is_dir()


def test_synced_records_are_never_removed(tmp_path):
    write(tmp_path, scripted(name="a"), scripted(name="b"))
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    write(tmp_path)
    (tmp_path / "images").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "images")
    assert len(list(read_trajectories(tmp_path))) == 2


def test_a_run_that_came_without_its_mark_is_kept_whole(tmp_path):
    write(tmp_path, scripted(name="a"))
    (tmp_path / "synced").unlink()
    (tmp_path / "images" / scripted().images[1].sha256).unlink()
    write(tmp_path)
    assert (tmp_path / RECORDS).stat().st_size == int((tmp_path / "synced").read_text()) > 0


def test_a_writer_refuses_a_run_of_another_schema_and_leaves_it_alone(tmp_path):
    write(tmp_path, scripted())
    path = tmp_path / RECORDS
    path.write_text(path.read_text().replace('"schema":2', '"schema":1'))
    before = path.read_bytes()
    with pytest.raises(OtherSchemaError, match="schema 1"):
        TrajectoryWriter(tmp_path)
    assert path.read_bytes() == before


def test_what_was_appended_long_ago_is_forced_to_the_disk(tmp_path, monkeypatch):
    with TrajectoryWriter(tmp_path) as writer:
        writer.append(scripted())
        assert int((tmp_path / "synced").read_text()) == 0
        monkeypatch.setattr("agents.store.writer.SYNC_SECONDS", 0.0)
        writer.append(scripted())
        assert int((tmp_path / "synced").read_text()) == (tmp_path / RECORDS).stat().st_size


def test_half_an_image_of_a_killed_writer_is_removed(tmp_path):
    write(tmp_path, scripted())
    (tmp_path / "images" / ".half").write_bytes(b"half")
    write(tmp_path)
    assert {image.name for image in (tmp_path / "images").iterdir()} == {i.sha256 for i in scripted().images}


def test_half_an_image_of_the_right_size_is_written_anew(tmp_path):
    write(tmp_path, *(scripted(name=name) for name in "ab"))
    lose_power(tmp_path, synced=0)
    for image in (tmp_path / "images").iterdir():
        image.write_bytes(bytes(image.stat().st_size))
    with pytest.warns(TornRecordWarning, match="the disk did not have it yet"):
        write(tmp_path, scripted(name="d"))
    [only] = read_trajectories(tmp_path)
    assert_equal(only, scripted(name="d"))


def kill(run: Path, *trajectories: Trajectory) -> None:
    """Append as a writer does that is killed then: nothing is synced."""
    writer = TrajectoryWriter(run)
    for trajectory in trajectories:
        writer.append(trajectory)
    writer._release()


def test_a_journal_that_somebody_has_shortened_loses_nothing_more(tmp_path):
    write(tmp_path, *(scripted(name=name) for name in "abc"))
    path = tmp_path / RECORDS
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    added = ["longer than those before, so that no line ends where one has ended", "e", "f"]
    kill(tmp_path, *(scripted(name=name) for name in added))
    with warnings.catch_warnings():
        warnings.simplefilter("error", TornRecordWarning)
        write(tmp_path)
    assert [one.task_id for one in read_trajectories(tmp_path)] == ["a", "b", *added]


def test_a_mark_inside_a_record_is_set_back_to_its_beginning(tmp_path):
    write(tmp_path, *(scripted(name=name) for name in "abc"))
    first = (tmp_path / RECORDS).read_bytes().index(b"\n") + 1
    (tmp_path / "synced").write_text(f"{first + 10:020}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error", TornRecordWarning)
        writer = TrajectoryWriter(tmp_path)
    assert int((tmp_path / "synced").read_text()) == first
    writer.close()
    assert [one.task_id for one in read_trajectories(tmp_path)] == ["a", "b", "c"]


def test_the_images_of_a_killed_writer_are_forced_to_the_disk_with_its_records(tmp_path, monkeypatch):
    kill(tmp_path, scripted())
    forced: list[Path] = []
    with TrajectoryWriter(tmp_path) as writer:
        monkeypatch.setattr("agents.store.writer._force", forced.append)
        writer.sync()
    assert {path for path in forced if path.is_file()} == set((tmp_path / "images").iterdir())


def test_images_may_be_read_by_whoever_may_read_the_records(tmp_path):
    write(tmp_path, scripted())
    modes = {image.stat().st_mode & 0o777 for image in (tmp_path / "images").iterdir()}
    assert modes == {0o644}
