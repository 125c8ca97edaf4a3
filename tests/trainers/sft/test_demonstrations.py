"""What SFT reads: runs, the released JSON unchanged, several at once; nothing is left out without a word."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agents.qwen import Qwen
from agents.store import RECORDS, TrajectoryWriter
from agents.trajectory import check_tokens, check_trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError
from deepeyes_env.outcome import Outcome
from trainers.config import SftConfig
from trainers.sft.conversion import DESCRIPTION, Limits, convert
from trainers.sft.demonstrations import Demonstrations, look_into, open_demonstrations
from trainers.sft.train import train_sft

CODE = "<think>Small.</think>\n<code>\n```python\nimage_1.show()\n```\n</code>"
SEEN = "Code execution result:\nstdout:\n```\n\n```\n\nstderr:\n```\n\n```\n\nImages:\n<image>"
ANSWER = "<think>It reads 47.</think>\n<answer>47</answer>"
COT = "<think>Two and two: 2 + 2 = 4.</think>\n\nThe answer is \\boxed{4}."
BROKEN_CALL = '<think>Who?</think>\n<tool_call>\n{"name": "search", "arguments": {"query": \n</tool_call>'
LIMITS = Limits()


def record(*said: str, images: int = 0, system: str | None = "You are an agent.") -> dict[str, Any]:
    messages = [] if system is None else [{"role": "system", "content": system}]
    messages += [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    return {"messages": messages, "images": [f"images/7_{number:03}.jpg" for number in range(images)]}


GOOD = record("<image>\nWhat number?", CODE, SEEN, ANSWER, images=2)
TEXT = record("2 + 2?", COT)
RECORDS_WITH_FAULTS = [
    GOOD,
    TEXT,
    record("<image>\n<image>\nWhat number?", ANSWER, images=1),  # two markers, one image
    record("<image>\nWho built it?", BROKEN_CALL, "<tool_response>\n</tool_response>", ANSWER, images=1),
    record("No markers?", ANSWER, images=0, system=None),
]


@pytest.fixture
def vocabulary(tiny: Qwen) -> Vocabulary:
    return Vocabulary(tiny.tokenizer)


def released(folder: Path, records: list[dict[str, Any]], name: str = "sft_part_0.json") -> Path:
    """A file in the released layout, its pictures beside it."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(2):
        shade = Image.new("RGB", (700 + number, 600), (40 * number, 90, 30))
        shade.save(folder / "images" / f"7_{number:03}.jpg")
    (folder / name).write_text(json.dumps(records))
    return folder / name


def opened(paths: list[Path], vocabulary: Vocabulary, cache: Path, **options: Any) -> Demonstrations:
    return open_demonstrations(paths, vocabulary, cache=cache, **{"limits": LIMITS} | options)


def test_the_released_json_is_read_and_its_faults_are_named(vocabulary: Vocabulary, tmp_path: Path) -> None:
    file = released(tmp_path / "released", RECORDS_WITH_FAULTS)
    data = opened([file], vocabulary, tmp_path / "cache")
    assert len(data) == 3
    for one in data:
        check_trajectory(one)
        check_tokens(one, vocabulary)
    assert [len(one.images) for one in data] == [2, 0, 0]
    assert all(image.pixels <= LIMITS.max_pixels for one in data for image in one.images)
    assert (data[1].turns[0].text, data[1].outcome) == (COT, Outcome.MALFORMED), "no answer tag is needed"
    report = data.report()
    assert "3 demonstrations" in report
    assert "2 left out" in report
    assert "row 2" in report
    assert "2 <image> markers for 1 images" in report
    assert "row 3" in report
    assert "tool call that does not parse" in report


def test_runs_and_files_and_folders_are_joined_in_order(
    vocabulary: Vocabulary, make_trajectory: Any, tmp_path: Path
) -> None:
    with TrajectoryWriter(tmp_path / "run") as writer:
        for i in range(3):
            writer.append(make_trajectory(i, accuracy=float(i != 1)))
    folder = released(tmp_path / "released", [GOOD, TEXT]).parent
    released(folder, [TEXT], "sft_part_1.json")
    data = opened([tmp_path / "run", folder], vocabulary, tmp_path / "cache")
    names = [one.task_id for one in data]
    assert names[:2] == ["test/0", "test/2"]
    assert [name.rsplit("/", 2)[-2:] for name in names[2:]] == [
        ["sft_part_0", "0"],
        ["sft_part_0", "1"],
        ["sft_part_1", "0"],
    ]
    assert (data[-1].task_id, data[0:2][1].task_id) == (names[-1], names[1])
    with pytest.raises(IndexError):
        data[5]
    assert "test/1): the answer is wrong" in data.report()
    everything = opened([tmp_path / "run"], vocabulary, tmp_path / "cache", only_right=False)
    assert len(everything) == 3


def test_a_stored_trajectory_of_another_tokenizer_is_left_out_by_name(
    vocabulary: Vocabulary, make_trajectory: Any, tmp_path: Path
) -> None:
    """Before training, and not when its turn comes."""
    with TrajectoryWriter(tmp_path / "run") as writer:
        for number, token in enumerate((None, vocabulary.size + 5, None, vocabulary.size)):
            one = make_trajectory(number)
            ids = one.input_ids.copy()
            if token is not None:
                ids[one.turns[0].start] = token
            writer.append(replace(one, input_ids=ids))
    data = opened([tmp_path / "run"], vocabulary, tmp_path / "cache")
    assert [one.task_id for one in data] == ["test/0", "test/2"]
    report = data.report()
    assert "2 left out" in report
    for number in (1, 3):
        assert f"record {number} (test/{number})" in report
    assert report.count("is not in the vocabulary") == 2


def test_a_conversion_is_made_once_and_goes_on_where_it_stopped(
    vocabulary: Vocabulary, tmp_path: Path, monkeypatch: Any
) -> None:
    file = released(tmp_path / "released", [*RECORDS_WITH_FAULTS, GOOD])
    whole = convert(file, None, vocabulary, LIMITS, tmp_path / "whole")
    journal = (whole.run / RECORDS).read_bytes()

    append, calls = TrajectoryWriter.append, 0

    def stops_after_two(self: TrajectoryWriter, trajectory: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise KeyboardInterrupt
        append(self, trajectory)

    monkeypatch.setattr(TrajectoryWriter, "append", stops_after_two)
    with pytest.raises(KeyboardInterrupt):
        convert(file, None, vocabulary, LIMITS, tmp_path / "parts")
    monkeypatch.setattr(TrajectoryWriter, "append", append)
    parts = convert(file, None, vocabulary, LIMITS, tmp_path / "parts")
    assert parts.run.name == whole.run.name
    assert (parts.run / RECORDS).read_bytes() == journal
    assert (parts.written, parts.cut, parts.left_out) == (whole.written, whole.cut, whole.left_out)

    before = (whole.run / DESCRIPTION).stat().st_mtime_ns
    monkeypatch.setattr(TrajectoryWriter, "append", None)  # nothing may be written any more
    assert convert(file, None, vocabulary, LIMITS, tmp_path / "whole") == whole
    assert (whole.run / DESCRIPTION).stat().st_mtime_ns == before


def test_several_processes_make_one_conversion(vocabulary: Vocabulary, tmp_path: Path) -> None:
    file = released(tmp_path / "released", [GOOD, TEXT] * 3)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(convert, file, None, vocabulary, LIMITS, tmp_path / "cache") for _ in range(3)]
    [done] = {job.result() for job in jobs}
    assert done.written == 6
    assert len((done.run / RECORDS).read_bytes().splitlines()) == 6


def test_whatever_decides_the_tokens_names_the_conversion(vocabulary: Vocabulary, tmp_path: Path) -> None:
    file = released(tmp_path / "released", [GOOD])
    names = {
        convert(file, None, vocabulary, limits, tmp_path / "cache").run.name
        for limits in (LIMITS, Limits(500))
    }
    (file.parent / "images" / "7_001.jpg").unlink()
    lacking = convert(file, None, vocabulary, LIMITS, tmp_path / "cache")
    assert lacking.written == 0
    assert "7_001.jpg" in lacking.left_out[0]
    file.write_text(json.dumps([TEXT]))
    names |= {lacking.run.name, convert(file, None, vocabulary, LIMITS, tmp_path / "cache").run.name}
    assert len(names) == 4


def test_long_ones_are_cut_at_a_turn_or_left_out(
    vocabulary: Vocabulary, make_trajectory: Any, tmp_path: Path
) -> None:
    file = released(tmp_path / "released", [GOOD, TEXT])
    whole = opened([file], vocabulary, tmp_path / "cache")[0]
    limits = Limits(max_tokens=whole.turns[0].end + 3)
    data = opened([file], vocabulary, tmp_path / "cache", limits=limits)
    assert [len(one.turns) for one in data] == [1, 1]
    check_trajectory(data[0])
    assert data[0].outcome is Outcome.TRUNCATED
    assert data[0].answer is None
    assert len(data[0].images) == 1
    assert f"1 of them cut at the end of a turn: longer than {limits.max_tokens} tokens" in data.report()

    shorter = opened([file], vocabulary, tmp_path / "cache", limits=Limits(max_tokens=60))
    assert "above max_tokens = 60" in shorter.report()

    with TrajectoryWriter(tmp_path / "run") as writer:
        writer.append(make_trajectory(0))
        writer.append(make_trajectory(1, tool=False))
    stored = opened(
        [tmp_path / "run"], vocabulary, tmp_path / "cache", limits=Limits(make_trajectory(0).turns[0].end)
    )
    assert len(stored) == 2 - (
        len(make_trajectory(1, tool=False).input_ids) > make_trajectory(0).turns[0].end
    )
    assert len(stored[0].turns) == 1


def test_training_on_texts_alone_and_on_both(tiny: Qwen, vocabulary: Vocabulary, tmp_path: Path) -> None:
    file = released(tmp_path / "released", [TEXT, GOOD, TEXT])
    limits = Limits(max_pixels=56 * 56)
    data = opened([file], vocabulary, tmp_path / "cache", limits=limits)
    quick = SftConfig(epochs=4, batch_size=2, learning_rate=3e-3, freeze_vision=False, progress=False)
    history = train_sft(quick, tiny.model, tiny.tokenizer, data)
    assert history[-1]["loss"] < history[0]["loss"]
    texts = opened([released(tmp_path / "texts", [TEXT])], vocabulary, tmp_path / "cache", limits=limits)
    assert train_sft(quick, tiny.model, tiny.tokenizer, texts)[-1]["tokens"] > 0


def test_reading_one_reads_no_other(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Another record's picture may even be gone."""
    data = opened([released(tmp_path / "released", [GOOD, TEXT])], vocabulary, tmp_path / "cache")
    for image in (data.parts[0].reader.path.parent / "images").iterdir():
        image.unlink()
    assert data[1].turns[0].text == COT
    with pytest.raises(ValueError, match="is missing"):
        data[0]


def test_the_hash_is_of_what_is_imitated(vocabulary: Vocabulary, tmp_path: Path) -> None:
    file = released(tmp_path / "released", [GOOD, TEXT])
    hashes = [opened([file], vocabulary, tmp_path / name).sha256 for name in ("one", "two")]
    assert hashes[0] == hashes[1]
    assert opened([file], vocabulary, tmp_path / "one", limits=Limits(300)).sha256 != hashes[0]


def test_a_path_that_holds_neither(vocabulary: Vocabulary, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither a directory of trajectories .* nor a JSON file"):
        opened([tmp_path], vocabulary, tmp_path / "cache")


def test_a_look_says_what_is_there_and_writes_nothing(
    vocabulary: Vocabulary, make_trajectory: Any, tmp_path: Path
) -> None:
    file = released(tmp_path / "released", RECORDS_WITH_FAULTS)
    seen = look_into(file, vocabulary, LIMITS, None, 4)
    assert "5 records, 2 of the first 4 cannot be used" in seen
    with pytest.raises(ValueError, match="tool call"):
        look_into(released(tmp_path / "bad", RECORDS_WITH_FAULTS[3:4]), vocabulary, LIMITS, None, 4)
    assert {path.name for path in tmp_path.iterdir()} == {"released", "bad"}
