"""TRL's own collator on what `deepeyes export --format trl` writes: the tokens are the trajectory's."""

import datasets
import numpy as np
import pytest
from talk import scripted, seen, tiny, vocabulary
from test_store import write
from trl.chat_template_utils import get_training_chat_template
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from agents.convert import export_command, import_command
from agents.qwen import build_processor, pixel_inputs
from agents.store import read_trajectories
from agents.trajectory import Trajectory
from agents.transcript import Transcript
from deepeyes_env.tasks.dataset_error import DatasetError


def text_only() -> Trajectory:
    transcript = Transcript(vocabulary(), name="text")
    transcript.start("Be brief.", seen("2 + 2?"))
    transcript.append_text("<think>easy, no <image></think>\n<answer>4</answer>")
    from talk import finish

    return finish(transcript)


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> datasets.Dataset:
    path = tmp_path_factory.mktemp("trl")
    write(path / "run", scripted(), text_only())
    export_command.main([str(path / "run"), str(path / "out"), "--format", "trl"])
    return datasets.load_dataset(
        "parquet", data_files=str(path / "out" / "*.parquet"), split="train", cache_dir=str(path / "cache")
    )


def test_rows_are_conversations_with_images_in_their_places(rows):
    first, second = rows
    assert list(first) == ["messages", "images"]
    assert [message["role"] for message in first["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert [block["type"] for block in first["messages"][1]["content"]] == ["image", "text"]
    assert [block["type"] for block in first["messages"][3]["content"]] == ["text", "image"]
    assert [image.size for image in first["images"]] == [(84, 56), (56, 112)]
    assert second["images"] == []
    assert "<image>" in second["messages"][2]["content"][0]["text"]


def test_trls_collator_gives_the_trajectorys_tokens_and_pixels(rows):
    one, processor = scripted(), build_processor(tiny().tokenizer)
    template = get_training_chat_template(processor)
    collate = DataCollatorForVisionLanguageModeling(
        processor, assistant_only_loss=True, chat_template=template
    )
    batch = collate([rows[0], rows[1]])
    ids = batch["input_ids"][0][batch["attention_mask"][0].bool()].numpy()
    # TRL closes every turn with `<|im_end|>` and a line break, and trains both; ours end at the stop string.
    pixels, grids = pixel_inputs(one.images)
    np.testing.assert_allclose(batch["pixel_values"].numpy(), pixels.numpy(), atol=1e-6)
    assert batch["image_grid_thw"].tolist() == grids.tolist()
    assert (ids == vocabulary().image_pad).sum() == sum(span.length for span in one.image_spans)
    trained = batch["labels"][0][batch["labels"][0] != -100].tolist()
    said = "".join(turn.text + "<|im_end|>\n" for turn in one.turns)
    assert vocabulary().decode(trained) == said
    first_turn = one.turns[0].start
    assert ids[:first_turn].tolist() == one.input_ids[:first_turn].tolist()


def test_plain_strings_show_their_images_before_the_first_users_words(tmp_path):
    """As `prepare_multimodal_messages` lays them out."""
    picture = scripted().images[0]
    row = {
        "messages": [
            {"role": "user", "content": "Which?"},
            {"role": "assistant", "content": "<think>1</think><answer>1</answer>"},
        ],
        "images": [{"bytes": picture.data, "path": None}],
    }
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "in.parquet")
    import_command.main([str(tmp_path / "in.parquet"), str(tmp_path / "run"), "--format", "trl"])
    [one] = read_trajectories(tmp_path / "run")
    assert (one.prompt, one.images) == ("<image>Which?", (picture,))


@pytest.mark.parametrize(
    ("content", "images", "problem"),
    [
        ([{"type": "image", "text": None}], [], "1 blocks of type image for 0 images"),
        ([{"type": "text", "text": "?"}], [b"x"], "an image cannot be used"),
        ([{"type": "video", "text": None}], [], "a block of a user message cannot be read"),
    ],
)
def test_a_bad_row_is_named(tmp_path, content, images, problem):
    row = {
        "messages": [{"role": "user", "content": content}],
        "images": [{"bytes": data, "path": "x"} for data in images],
    }
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DatasetError, match=rf"in\.parquet', row 0, column '\w+': .*{problem}"):
        import_command.main([str(tmp_path / "in.parquet"), str(tmp_path / "run"), "--format", "trl"])


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([{"from": "human", "value": "?"}], "not a message"),
        ("all in one text", "not a list"),
        ([None, {"role": "user", "content": "?"}], "not a message"),
    ],
)
def test_what_are_no_messages_is_named(tmp_path, messages, problem):
    row = {"messages": messages, "images": []}
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DatasetError, match=rf"in\.parquet', row 0, column 'messages': .*{problem}"):
        import_command.main([str(tmp_path / "in.parquet"), str(tmp_path / "run"), "--format", "trl"])


def test_a_picture_outside_the_folder_of_images_is_not_read(tmp_path):
    (tmp_path / "secret.png").write_bytes(scripted().images[0].data)
    (tmp_path / "data").mkdir()
    row = {
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": "<answer>1</answer>"},
        ],
        "images": [{"bytes": None, "path": "../secret.png"}],
    }
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "data" / "in.parquet")
    with pytest.raises(DatasetError, match=r"row 0, column 'images': .*lies outside .*--image-root"):
        import_command.main([str(tmp_path / "data" / "in.parquet"), str(tmp_path / "run"), "--format", "trl"])


def test_a_missing_column_is_named(tmp_path):
    datasets.Dataset.from_list([{"messages": [{"role": "user", "content": "?"}]}]).to_parquet(
        tmp_path / "in.parquet"
    )
    with pytest.raises(DatasetError, match=r"column 'images': the column is missing \(found messages\)"):
        import_command.main([str(tmp_path / "in.parquet"), str(tmp_path / "run"), "--format", "trl"])
