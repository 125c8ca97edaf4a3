"""What a batch refuses: what a model would stumble over never reaches it; the message names the episode."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from talk import noise_image, scripted, tiny, vocabulary

from agents.batch import collate
from agents.pixels import PixelCache
from agents.store import RECORDS, TrajectoryWriter, read_trajectories
from agents.tiny import build_tokenizer
from agents.trajectory import Trajectory, TrajectoryError, check_tokens, check_trajectory
from agents.vocabulary import Vocabulary
from deepeyes_env.images import EncodedImage

NAME = "fictional/closer-look/train/17"


def changed(trajectory: Trajectory, place: int, token: int) -> Trajectory:
    ids = trajectory.input_ids.copy()
    ids[place] = token
    return replace(trajectory, input_ids=ids)


def renamed(trajectory: Trajectory, old: int, new: int) -> Trajectory:
    ids = trajectory.input_ids
    return replace(trajectory, input_ids=np.where(ids == old, new, ids))


def sideways() -> EncodedImage:
    """A picture that is said to be wide and is tall, with just as many patches."""
    tall = noise_image(0, 2, 3)
    return EncodedImage(tall.data, tall.height, tall.width, tall.sha256)


def smuggled():
    good = scripted(name=NAME)
    first, last = good.turns[0].start, good.turns[1].end - 1
    pad, end = vocabulary().image_pad, vocabulary().im_end
    for token in sorted(vocabulary().banned_ids - {pad}):
        name = vocabulary().name(token).strip("'").replace("|", r"\|")
        yield f"control token '{name}' was sampled at {first}", changed(good, first, token)
    yield r"control token '<\|im_start\|>' was sampled", changed(good, last, vocabulary().id("<|im_start|>"))
    yield r"control token '<\|im_end\|>' was sampled", changed(good, first, end)
    yield "disagree", changed(good, first, pad)
    yield "not in the vocabulary", changed(good, first, vocabulary().size)
    yield "not in the vocabulary", changed(good, 0, vocabulary().size)
    yield r"0 <\|image_pad\|> stand for 2 images of 14 visual", renamed(good, pad, 65)
    yield r"but no video", changed(good, 1, vocabulary().id("<|video_pad|>"))
    yield r"image 0 is not between <\|vision_start\|>", changed(good, good.image_spans[0].start - 1, 65)
    span = good.image_spans[1]
    yield r"image 1 is not between <\|vision_start\|>", changed(good, span.start + span.length, 65)
    yield "1 spans for 2 images|2 spans for 1 images", replace(good, images=good.images[:1])
    yield (
        "image 0: the picture .* is said to be 84x56 and is 56x84",
        replace(good, images=(sideways(), good.images[1])),
    )
    broken = EncodedImage(b"no picture", 84, 56, "0" * 64)
    yield "image 0: the image does not decode", replace(good, images=(broken, good.images[1]))


@pytest.mark.parametrize(("message", "bad"), list(smuggled()), ids=lambda value: str(value)[:40])
def test_a_batch_refuses_what_no_model_should_see(message, bad):
    with pytest.raises(TrajectoryError, match=message) as caught:
        collate([scripted(name="good"), bad], vocabulary(), PixelCache())
    assert f"{NAME!r} SeedLineage(run_seed=1, step=2, prompt=3, sample=4)" in str(caught.value)


def test_placeholders_without_any_image_are_refused():
    plain = scripted(name=NAME)
    start = plain.turns[0].start
    text_only = replace(
        plain,
        input_ids=plain.input_ids[:start],
        loss_mask=plain.loss_mask[:start],
        logprobs=plain.logprobs[:start],
        images=(),
        image_spans=(),
        turns=(),
        prompt="",
    )
    with pytest.raises(TrajectoryError, match=rf"{NAME}.*6 <\|image_pad\|> stand for 0 images"):
        collate([text_only], vocabulary(), PixelCache())


def test_a_trajectory_of_another_tokenizer_is_refused():
    other = Vocabulary(build_tokenizer(["another corpus with other words"]))
    assert other.image_pad != vocabulary().image_pad
    with pytest.raises(TrajectoryError, match="read the trajectory with the tokenizer that wrote it"):
        collate([scripted()], other, PixelCache())


def test_a_sampled_end_of_turn_is_fine_at_the_end_of_a_turn():
    good = scripted()
    sampled_end = changed(good, good.turns[1].end - 1, vocabulary().im_end)
    check_trajectory(sampled_end)
    check_tokens(sampled_end, vocabulary())


def test_a_record_that_was_tampered_with_is_refused_by_name(tmp_path):
    with TrajectoryWriter(tmp_path) as writer:
        writer.append(scripted(name=NAME))
    path = tmp_path / RECORDS
    record = json.loads(path.read_text())
    size = record["images"][0]
    size["width"], size["height"] = size["height"], size["width"]
    span = record["image_spans"][0]
    span["grid"] = [1, span["grid"][2], span["grid"][1]]
    path.write_text(json.dumps(record) + "\n")
    (tampered,) = read_trajectories(tmp_path)
    with pytest.raises(TrajectoryError, match=rf"{NAME}.*image 0: .*said to be 56x84 and is 84x56"):
        collate([tampered], vocabulary(), PixelCache())


def test_a_jpeg_that_lies_on_its_side_is_seen_upright():
    """EXIF turns pictures: the size that counts is the one after it, for grid and pixels alike."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    noise_image(3, 3, 2).decode().save(buffer, format="JPEG", exif=exif)
    upright = EncodedImage.from_bytes(buffer.getvalue())
    pixels, grid = PixelCache()([upright])
    assert grid.tolist() == [[1, 6, 4]]
    assert len(pixels) == 24


def test_a_batch_of_sound_trajectories_is_padded_on_the_right():
    short = scripted()
    cut = short.turns[0].end
    shorter = replace(
        short,
        input_ids=short.input_ids[:cut],
        loss_mask=short.loss_mask[:cut],
        logprobs=short.logprobs[:cut],
        images=short.images[:1],
        image_spans=short.image_spans[:1],
        turns=(replace(short.turns[0], observation=""),),
    )
    batch = collate([short, shorter], vocabulary(), PixelCache())
    assert batch.input_ids.shape == (2, len(short.input_ids))
    assert (batch.input_ids[1, cut:] == vocabulary().pad).all()
    assert batch.attention_mask.sum(dim=1).tolist() == [len(short.input_ids), cut]
    assert not batch.loss_mask[1, cut:].any()
    assert torch.equal(batch.image_grid_thw, torch.tensor([[1, 4, 6], [1, 8, 4], [1, 4, 6]]))
    assert len(batch.pixel_values) == 24 + 32 + 24
    assert batch.mm_token_type_ids.sum() == 6 + 8 + 6
    assert tiny().model.config.image_token_id == vocabulary().image_pad
