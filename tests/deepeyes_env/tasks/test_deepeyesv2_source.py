import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepeyes_env.images import MAX_DECODED_PIXELS
from deepeyes_env.task import Skill, TaskSource
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from deepeyes_env.tasks.dataset_error import DatasetError


def png(colour: str = "navy", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row as reference 4.3 describes it."""
    question = f"What is in picture {number}?"
    return {
        "prompt": [
            {"role": "system", "content": "Act as an agent."},
            {"role": "user", "content": f"<image>\n{question}\n\nPut the answer inside <answer> </answer>."},
        ],
        "images": [{"bytes": png(), "path": None}],
        "env_name": "deepeyes_v2",
        "data_source": "perception",
        "reward_model": {"ground_truth": f"thing {number}", "style": "rule"},
        "extra_info": {"index": f"fvqa_{number}", "question": question, "answer": f"thing {number}"},
    } | changes


def write(path: Path, rows: list[dict[str, Any]], row_group_size: int = 2) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=row_group_size)
    return str(path)


def test_rows_become_tasks_in_order_over_files_and_row_groups(tmp_path: Path) -> None:
    first = write(tmp_path / "perception_all_1.parquet", [row(number) for number in range(5)])
    second = write(tmp_path / "search.parquet", [row(number, data_source="search") for number in range(5, 8)])
    held_out = write(tmp_path / "vstar_test.parquet", [row(9, data_source="vstar-test")])
    source = open_source(DeepEyesV2Config(train=(first, second), validation=(held_out,)))
    assert isinstance(source, TaskSource)
    assert (source.size("train"), source.size("validation"), source.size("test")) == (8, 1, 0)
    tasks = [source.task(index) for index in (6, 0, 7, 4, 1)]
    assert [task.answer.text for task in tasks] == [f"thing {number}" for number in (6, 0, 7, 4, 1)]
    assert tasks[0].id == "deepeyesv2/search/1"
    assert tasks[0].skills == {Skill.SEARCH}
    assert tasks[1].question == "What is in picture 0?"
    assert tasks[1].system_prompt == "Act as an agent."
    assert tasks[1].images[0].data == png()
    assert tasks[1].metadata == {
        "index": "fvqa_0",
        "env_name": "deepeyes_v2",
    }
    assert source.search_engine() is None


def test_a_bare_prompt_will_do(tmp_path: Path) -> None:
    plain = row(
        prompt=[{"role": "user", "content": "<image>Which?"}], extra_info={"index": "1"}, env_name=None
    )
    plain["reward_model"] = {"ground_truth": ["red", "scarlet"]}
    task = open_source(DeepEyesV2Config(train=(write(tmp_path / "a.parquet", [plain]),))).task(0)
    assert task.question == "Which?"
    assert task.system_prompt is None
    assert (task.answer.text, task.answer.aliases) == ("red", ("scarlet",))


BAD_ROWS = {
    "no image": (row(images=[]), "images", "no image"),
    "null images": (row(images=None), "images", "no image"),
    "no bytes": (row(images=[{"bytes": b"", "path": None}]), "images", "no bytes"),
    "not an image": (row(images=[{"bytes": b"GIF89a but not", "path": None}]), "images", "does not decode"),
    "cut short": (
        row(images=[{"bytes": png(size=(300, 300))[:-200], "path": None}]),
        "images",
        "does not decode",
    ),
    "no answer": (row(reward_model={"ground_truth": "", "style": "rule"}), "reward_model", "no answer"),
    "null answer": (row(reward_model={"ground_truth": None, "style": "rule"}), "reward_model", "no answer"),
    "no question": (row(prompt=[], extra_info={"index": "1", "question": ""}), "prompt", "no question"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named_when_it_is_reached(tmp_path: Path, case: str) -> None:
    bad, column, problem = BAD_ROWS[case]
    path = write(tmp_path / "rows.parquet", [row(), bad], row_group_size=1)
    source = open_source(DeepEyesV2Config(train=(path,)))
    assert source.task(0).answer.text == "thing 0"
    with pytest.raises(DatasetError, match=problem) as caught:
        source.task(1)
    assert (caught.value.file, caught.value.row, caught.value.column) == (path, 1, column)
    assert "row 1" in str(caught.value)
    assert path in str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    side = int(MAX_DECODED_PIXELS**0.5) + 100
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    path = write(tmp_path / "bomb.parquet", [row(images=[{"bytes": buffer.getvalue(), "path": None}])])
    with pytest.raises(
        DatasetError, match=r"exceeds the limit.*column 'images'|column 'images'.*exceeds the limit"
    ):
        open_source(DeepEyesV2Config(train=(path,))).task(0)


def test_bad_files_are_named_when_they_are_opened(tmp_path: Path) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("not parquet")
    for path in (text, tmp_path / "missing.parquet"):
        with pytest.raises(DatasetError, match="cannot be read as parquet"):
            open_source(DeepEyesV2Config(train=(str(path),)))
    lacking = row()
    del lacking["reward_model"]
    with pytest.raises(DatasetError, match="column 'reward_model': the column is missing"):
        open_source(DeepEyesV2Config(train=(write(tmp_path / "lacking.parquet", [lacking]),)))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("prompt", "What is it?"),
        ("prompt", [{"from": "human", "value": "What is it?"}]),
        ("images", "a.png"),
        ("reward_model", "red"),
        ("extra_info", "{}"),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path: Path, column: str, value: object) -> None:
    path = write(tmp_path / "other.parquet", [row(**{column: value})])
    with pytest.raises(DatasetError, match=f"column '{column}': the type is"):
        open_source(DeepEyesV2Config(train=(path,)))


def test_damaged_data_are_named(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "damaged.parquet", [row()]))
    data = bytearray(path.read_bytes())
    data[10:60] = bytes(50)
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"damaged\.parquet.*row group 0 cannot be read"):
        open_source(DeepEyesV2Config(train=(str(path),))).task(0)


def test_an_index_outside_is_refused(tmp_path: Path) -> None:
    source = open_source(DeepEyesV2Config(train=(write(tmp_path / "one.parquet", [row()]),)))
    for index in (-1, 1):
        with pytest.raises(IndexError, match=str(index)):
            source.task(index)
    with pytest.raises(IndexError):
        source.task(0, "test")
