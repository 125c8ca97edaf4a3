"""`deepeyes export` and `deepeyes import`: what comes back, and the choices of the commands."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from converting import ANSWER, CHATS, chat, export, imported, take_in, tokenizer
from room import room_for
from talk import finish, noise_image, scripted, seen, vocabulary
from test_store import write

from agents.convert import export_command, import_command
from agents.convert.formats import FORMATS
from agents.convert.image_folder import container
from agents.run_tokenizer import TOKENIZER, keep_tokenizer
from agents.store import StoreError, TrajectoryReader, TrajectoryWriter, read_trajectories, seal
from agents.tiny import build_tokenizer
from agents.trajectory import Trajectory
from agents.transcript import Transcript
from agents.vocabulary import Vocabulary
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.prompts import user_prompt
from deepeyes_env.rewards.base import NO_REWARD, Reward
from deepeyes_env.tasks.dataset_error import DatasetError

# --- There and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHATS)
def test_a_conversation_comes_back_with_its_texts_and_images(tmp_path, name):
    one = scripted()
    write(tmp_path / "run", one)
    out = export(tmp_path / "run", tmp_path / "out", name)
    [back] = imported(out / CHATS[name], name)
    assert (back.system_prompt, back.prompt, back.question) == (one.system_prompt, one.prompt, "What?")
    assert [turn.text for turn in back.turns] == [turn.text for turn in one.turns]
    assert [turn.action for turn in back.turns] == ["code", "answer"]
    assert [turn.observation for turn in back.turns] == [turn.observation for turn in one.turns]
    assert back.images == one.images
    assert (back.answer, back.outcome) == ("7", Outcome.ANSWERED)
    # The scripted one was encoded with the same tokenizer.
    assert back.input_ids.tolist() == one.input_ids.tolist()
    assert back.loss_mask.tolist() == one.loss_mask.tolist()


@pytest.mark.parametrize("name", CHATS)
def test_what_the_format_does_not_hold_is_filled_in(tmp_path, name):
    write(tmp_path / "run", scripted(), scripted())
    out = export(tmp_path / "run", tmp_path / "out", name)
    _, back = imported(out / CHATS[name], name, "--accuracy", "0.5")
    assert not back.token_exact
    assert not back.logprobs.any()
    assert (back.reference, back.skills) == ("", ())
    assert back.reward == Reward(0.5, 1.0, pytest.approx(0.6))
    assert (back.lineage.run_seed, back.lineage.prompt) == (0, 1)
    assert back.versions["imported"] == name.removesuffix("-files")
    assert back.task_id.endswith("/1")


def test_parquet_gives_everything_back(tmp_path):
    one = replace(scripted(), token_exact=True, skills=("search",))
    write(tmp_path / "run", one, replace(one, task_id="second"))
    out = export(tmp_path / "run", tmp_path / "out", "parquet")
    back, _ = take_in(out, tmp_path / "back", "parquet")
    assert (tmp_path / "back" / "trajectories.jsonl").read_bytes() == (
        tmp_path / "run" / "trajectories.jsonl"
    ).read_bytes()
    assert back.images == one.images
    assert not (tmp_path / "back" / "tokenizer").exists()


def test_what_is_there_already_is_passed_over(tmp_path, capsys):
    write(tmp_path / "run", scripted(), scripted())
    out = export(tmp_path / "run", tmp_path / "out", "sft")
    imported(out / "sft.json", "sft")
    capsys.readouterr()
    assert len(imported(out / "sft.json", "sft")) == 2
    assert "2 were there already" in capsys.readouterr().out


def test_what_the_infrastructure_spoiled_is_there_already_too(tmp_path, capsys):
    write(tmp_path / "run", replace(scripted(), outcome=Outcome.INFRA_FAILED))
    seal(tmp_path / "run")
    for _ in range(2):
        take_in(tmp_path / "run" / "parquet", tmp_path / "back", "parquet")
    assert len(list(read_trajectories(tmp_path / "back"))) == 1
    assert "1 were there already" in capsys.readouterr().out


def test_an_unanswered_last_observation_is_left_out(tmp_path):
    one = scripted()
    end = one.turns[1].start - 1
    cut = replace(
        one,
        turns=one.turns[:1],
        input_ids=one.input_ids[:end],
        loss_mask=one.loss_mask[:end],
        logprobs=one.logprobs[:end],
        answer=None,
        outcome=Outcome.TRUNCATED,
    )
    write(tmp_path / "run", cut)
    out = export(tmp_path / "run", tmp_path / "out", "sft")
    [record] = json.loads((out / "sft.json").read_text())
    assert [message["role"] for message in record["messages"]] == ["system", "user", "assistant"]
    assert len(record["images"]) == 1
    [back] = imported(out / "sft.json", "sft")
    assert (back.answer, back.outcome, back.reward) == (None, Outcome.TRUNCATED, NO_REWARD)


def test_a_group_shares_its_images_on_disk(tmp_path):
    write(tmp_path / "run", *(replace(scripted(), task_id=str(n)) for n in range(4)))
    for name in ("sft", "llama-factory", "openai-files"):
        out = export(tmp_path / "run", tmp_path / name, name)
        assert {path.name for path in (out / "images").iterdir()} == {
            f"{image.sha256}.png" for image in scripted().images
        }
        assert all((out / "images" / f"{i.sha256}.png").read_bytes() == i.data for i in scripted().images)


def test_other_containers_keep_their_bytes_and_names(tmp_path):
    import io

    buffer = io.BytesIO()
    noise_image(0).decode().save(buffer, "JPEG")
    photograph = EncodedImage.from_bytes(buffer.getvalue())
    assert container(photograph) == "JPEG"
    transcript = Transcript(vocabulary(), name="jpeg")
    transcript.start("", seen("<image>?", photograph))
    transcript.append_text(ANSWER)
    one = replace(
        scripted(),
        prompt="<image>?",
        system_prompt="",
        input_ids=transcript.input_ids,
        loss_mask=transcript.loss_mask,
        logprobs=transcript.logprobs,
        images=(photograph,),
        image_spans=transcript.image_spans,
        turns=transcript.turns,
    )
    write(tmp_path / "run", one)
    for name, file in CHATS.items():
        out = export(tmp_path / "run", tmp_path / name, name)
        assert imported(out / file, name)[0].images == (photograph,)
    assert (tmp_path / "sft" / "images" / f"{photograph.sha256}.jpeg").is_file()
    assert "data:image/jpeg;base64," in (tmp_path / "openai" / "messages.jsonl").read_text()


# --- The command's choices ---------------------------------------------------------------------------------


def varied(run: Path) -> None:
    wrong = Reward(0.0, 1.0, 0.2)
    write(
        run,
        replace(scripted(), task_id="right"),
        replace(scripted(), task_id="wrong", reward=wrong, family="other"),
        replace(scripted(), task_id="cut", reward=NO_REWARD, outcome=Outcome.TRUNCATED),
        replace(scripted(), task_id="down", outcome=Outcome.INFRA_FAILED),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["right", "wrong", "cut"]),
        (["--only", "right"], ["right"]),
        (["--only", "wrong"], ["wrong", "cut"]),
        (["--outcome", "truncated", "infra_failed"], ["cut", "down"]),
        (["--family", "other"], ["wrong"]),
        (["--only", "right", "--family", "other"], []),
    ],
)
def test_trajectories_are_chosen(tmp_path, options, expected):
    varied(tmp_path / "run")
    export(tmp_path / "run", tmp_path / "out", "parquet", *options)
    back = take_in(tmp_path / "out", tmp_path / "back", "parquet")
    assert [one.task_id for one in back] == expected


def test_what_was_left_out_is_counted_with_the_reason(tmp_path, capsys):
    marked = replace(scripted(), system_prompt="An <image> is a picture.", task_id="marked")
    write(tmp_path / "run", marked, scripted(), replace(scripted(), reward=NO_REWARD))
    export(tmp_path / "run", tmp_path / "out", "sft", "--only", "right")
    out = capsys.readouterr().out
    assert "1 trajectories as sft" in out
    assert "1 left out by the filters" in out
    assert "1 left out because a turn or the system prompt holds <image>" in out


def test_media_of_llama_factory_are_refused(tmp_path, capsys):
    write(tmp_path / "run", replace(scripted(), system_prompt="A <video> is long."))
    out = export(tmp_path / "run", tmp_path / "out", "llama-factory")
    assert json.loads((out / "deepeyes.json").read_text()) == []
    assert "holds <video>" in capsys.readouterr().out


def other_vocabulary() -> Vocabulary:
    """As many words as the tiny model's, but others."""
    return Vocabulary(build_tokenizer(["zebra quokka 12345 <think> </think> <answer> wombat giraffe"] * 30))


def written_with(words: Vocabulary, **changes) -> Trajectory:
    transcript = Transcript(words, name="other")
    transcript.start("You help.", seen("<image>\nWhat?", noise_image(0)))
    transcript.append_text("<think>seven wombats</think><answer>7</answer>")
    transcript.annotate("answer")
    return replace(finish(transcript), **changes)


def test_tokens_of_another_tokenizer_are_not_added_to_a_run(tmp_path):
    write(tmp_path / "run", written_with(vocabulary()))
    out = export(tmp_path / "run", tmp_path / "out", "parquet")
    mine = tmp_path / "mine"
    with TrajectoryWriter(mine) as writer:
        keep_tokenizer(mine, other_vocabulary())
        writer.append(written_with(other_vocabulary(), task_id="mine"))
    for options in ((), ("--tokenizer", str(mine / TOKENIZER))):
        with pytest.raises(DatasetError, match=r"row 0, column 'input_ids': .*run's tokenizer.*of its own"):
            take_in(out, mine, "parquet", *options)
    with pytest.raises(DatasetError, match="run's tokenizer"):
        take_in(out, tmp_path / "new", "parquet", "--tokenizer", str(mine / TOKENIZER))
    assert [one.task_id for one in take_in(out, mine, "parquet", "--skip-bad")] == ["mine"]


def test_the_named_tokenizer_is_checked_and_lies_beside_the_run(tmp_path):
    said = "<think>e\u0301 \u2028 \U0001f98a <|im_end|></think>\n<answer>7</answer>"
    transcript = Transcript(vocabulary(), name="odd")
    transcript.start("You help.", seen("<image>\nWhat?", noise_image(0)))
    for text in (said, said.removesuffix("</answer>")):
        transcript.append_text(text)
        transcript.annotate("answer")
        transcript.append_observation(seen("go on"))
    transcript.append_text("<think>cut", "length")
    write(tmp_path / "run", finish(transcript), scripted())
    out = export(tmp_path / "run", tmp_path / "out", "parquet")
    back = take_in(out, tmp_path / "back", "parquet", "--tokenizer", tokenizer())
    assert [one.task_id for one in back] == ["odd", "t"]
    assert (tmp_path / "back" / TOKENIZER).is_dir()


def test_an_output_that_is_there_is_kept(tmp_path):
    write(tmp_path / "run", scripted())
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        export(tmp_path / "run", tmp_path / "out", "sft")


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    write(tmp_path / "run", scripted())
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/out cannot be written \(.*; name another output"):
        export(tmp_path / "run", tmp_path / "file" / "out", "sft")


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, name):
    write(tmp_path / "run", scripted())
    full = r"out cannot be written \(.*File too large.*\); make room, then run the same command again"
    with room_for(10_000), pytest.raises(SystemExit, match=full):
        export(tmp_path / "run", tmp_path / "out", name)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_import_to_a_full_disk_goes_on_when_there_is_room(tmp_path):
    write(tmp_path / "run", scripted())
    out, new = export(tmp_path / "run", tmp_path / "out", "parquet"), tmp_path / "new"
    full = r"new cannot be written \(File too large\); make room, then run the same command again"
    with room_for(10_000), pytest.raises(SystemExit, match=full):
        take_in(out, new, "parquet")
    assert len(take_in(out, new, "parquet")) == 1


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    write(tmp_path / "run", scripted())
    out = export(tmp_path / "run", tmp_path / "out", "sft")
    absent = str(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"tokenizer = '.*absent': .*; give the directory or hub id of a Q"):
        import_command.main(
            [str(out / "sft.json"), str(tmp_path / "new"), "--format", "sft", "--tokenizer", absent]
        )


def test_a_failed_export_leaves_nothing(tmp_path):
    write(tmp_path / "run", scripted(), replace(scripted(), task_id="b"))
    (tmp_path / "run" / "images" / scripted().images[1].sha256).unlink()
    for name in FORMATS:
        with pytest.raises(SystemExit, match="is missing"):
            export(tmp_path / "run", tmp_path / "out", name)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_directory_without_a_run_is_named(tmp_path):
    with pytest.raises(SystemExit, match="holds no trajectories"):
        export(tmp_path, tmp_path / "out", "sft")


def test_every_format_of_the_command_is_in_the_table(tmp_path):
    from typing import get_args

    assert list(get_args(export_command.FormatName)) == list(FORMATS)


def test_a_run_keeps_its_tokenizer(tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps({"messages": chat("?", ANSWER)}))
    [one] = take_in(tmp_path / "in.jsonl", tmp_path / "run", "openai")  # the tiny model's, by default
    assert (tmp_path / "run" / "tokenizer" / "tokenizer.json").is_file()
    (tmp_path / "other.jsonl").write_text(json.dumps({"messages": chat("?", ANSWER)}))
    _, other = take_in(tmp_path / "other.jsonl", tmp_path / "run", "openai", "--tokenizer", tokenizer())
    assert one.input_ids.tolist() == other.input_ids.tolist()


def test_a_damaged_trajectory_file_stops_the_import(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"nonsense")
    with pytest.raises(SystemExit, match="cannot be read as parquet"):
        take_in(tmp_path / "x.parquet", tmp_path / "run", "parquet")
    with pytest.raises(DatasetError, match=r"holds no \.parquet file"):
        take_in(tmp_path / "run", tmp_path / "back", "parquet")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("outcome", "won", "'won' is not a valid Outcome"),
        ("lineage", None, "TypeError"),
        ("reward", {"accuracy": None, "format": 1.0, "total": 1.0}, "TypeError"),
        ("loss_mask", [True], "loss_mask has shape"),
    ],
)
def test_a_row_that_holds_no_sound_trajectory_is_named_or_left_out(tmp_path, capsys, field, value, problem):
    write(tmp_path / "run", *(scripted(name=name) for name in "abc"))
    file = export(tmp_path / "run", tmp_path / "out", "parquet") / "trajectories-00000.parquet"
    table = pq.read_table(file)
    records = table.to_pylist()
    records[1][field] = value
    pq.write_table(pa.Table.from_pylist(records, schema=table.schema), file)
    with pytest.raises(DatasetError, match=rf"trajectories-00000\.parquet', row 1: .*{problem}"):
        take_in(file, tmp_path / "first", "parquet")
    back = take_in(file, tmp_path / "second", "parquet", "--skip-bad")
    assert [one.task_id for one in back] == ["a", "c"]
    assert "left out: " in capsys.readouterr().out


@pytest.mark.parametrize("option", ["max-pixels", "max-tokens"])
@pytest.mark.parametrize("value", ["0", "-5"])
def test_an_impossible_limit_is_refused(tmp_path, option, value):
    with pytest.raises(ConfigError, match=f"{option.replace('-', '_')} = {value}: must be at least"):
        take_in(tmp_path / "x.json", tmp_path / "run", "sft", f"--{option}", value)


def test_an_impossible_accuracy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"accuracy = 2\.0"):
        take_in(tmp_path / "x.json", tmp_path / "run", "sft", "--accuracy", "2")


def test_the_question_is_found_in_every_prompt_variant(tmp_path):
    path = tmp_path / "in.jsonl"
    prompts = [
        user_prompt("How many?", (), EnvConfig(prompt=p))
        for p in ("full", "code_only", "search_only", "direct", "minimal")
    ]
    path.write_text("\n".join(json.dumps({"messages": chat(prompt, ANSWER)}) for prompt in prompts))
    assert {one.question for one in imported(path, "openai")} == {"How many?"}


def test_a_run_that_is_damaged_stops_the_export(tmp_path):
    write(tmp_path / "run", scripted())
    path = tmp_path / "run" / "trajectories.jsonl"
    path.write_text("{}\n")
    with TrajectoryReader(tmp_path / "run") as reader, pytest.raises(StoreError):
        reader[0]
    with pytest.raises(SystemExit, match=r"trajectories\.jsonl:1: the record is damaged"):
        export(tmp_path / "run", tmp_path / "out", "parquet")
