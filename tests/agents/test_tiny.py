"""The tiny Qwen2.5-VL: tokenizer, determinism, round trip through a checkpoint directory."""

import re
import unicodedata
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

from agents.qwen import (
    ModelError,
    QwenProcessor,
    image_grid,
    load_qwen,
    pixel_inputs,
    save_qwen,
    visual_tokens,
)
from agents.tiny import SPECIAL_TOKENS, build_tiny, build_tokenizer
from deepeyes_env.images import EncodedImage


@pytest.fixture(scope="module")
def tiny():
    return build_tiny(seed=3)


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    return save_qwen(tiny, tmp_path_factory.mktemp("tiny"))


def picture(width: int, height: int, seed: int = 0) -> EncodedImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return EncodedImage.from_pil(Image.fromarray(pixels))


def logits(qwen, images):
    pixel_values, grid = pixel_inputs(images)
    pads = [
        f"<|vision_start|>{'<|image_pad|>' * visual_tokens(image_grid(image))}<|vision_end|>"
        for image in images
    ]
    ids = torch.tensor([qwen.tokenizer.encode("".join(pads) + "What digit is on the red card?")])
    is_image = (ids == qwen.tokenizer.convert_tokens_to_ids("<|image_pad|>")).long()
    with torch.no_grad():
        return qwen.model(
            input_ids=ids, pixel_values=pixel_values, image_grid_thw=grid, mm_token_type_ids=is_image
        ).logits


def test_the_special_tokens_are_qwens_own(tiny):
    for token in SPECIAL_TOKENS:
        assert len(tiny.tokenizer.encode(token)) == 1
    assert tiny.tokenizer.eos_token == "<|im_end|>"
    assert tiny.tokenizer.pad_token == "<|endoftext|>"


def test_every_digit_is_one_token(tiny):
    assert [len(tiny.tokenizer.encode(str(number))) for number in (7, 42, 406)] == [1, 2, 3]


@cache
def small_tokenizer():
    return build_tokenizer(["a small corpus"])


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_any_text_survives_the_tokenizer(text):
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == unicodedata.normalize("NFC", text)


def test_the_same_seed_builds_the_same_model_and_leaves_the_global_random_state_alone(tiny):
    before = torch.get_rng_state()
    again, other = build_tiny(seed=3), build_tiny(seed=4)
    assert torch.equal(before, torch.get_rng_state())
    assert again.tokenizer.get_vocab() == tiny.tokenizer.get_vocab()
    weights = [qwen.model.model.language_model.layers[0].mlp.up_proj.weight for qwen in (tiny, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_checkpoint_directory_gives_the_same_model_back(tiny, saved):
    loaded = load_qwen(saved)
    images = [picture(56, 56), picture(112, 84, seed=1)]
    assert torch.equal(logits(tiny, images), logits(loaded, images))
    assert loaded.tokenizer.get_vocab() == tiny.tokenizer.get_vocab()
    assert loaded.tokenizer.chat_template == tiny.tokenizer.chat_template
    assert loaded.model.generation_config.eos_token_id == tiny.model.generation_config.eos_token_id


def test_a_checkpoint_names_no_processor_that_only_this_package_knows(saved):
    assert not [file for file in saved.glob("*.json") if "processor_class" in file.read_text()]
    assert isinstance(AutoProcessor.from_pretrained(saved), QwenProcessor)


@pytest.mark.parametrize("size", [(56, 56), (112, 112), (28, 140), (84, 56)])
def test_pixels_equal_the_hugging_face_processors(saved, size):
    image = picture(*size)
    processor = AutoProcessor.from_pretrained(saved)
    theirs = processor.image_processor(images=[image.decode()], return_tensors="pt")
    pixel_values, grid = pixel_inputs([image])
    torch.testing.assert_close(pixel_values, theirs["pixel_values"], atol=2e-6, rtol=0)
    assert torch.equal(grid, theirs["image_grid_thw"])
    assert grid.tolist() == [[1, size[1] // 14, size[0] // 14]]


def test_several_pictures_are_concatenated_in_order():
    first, second = picture(56, 56), picture(84, 56, seed=1)
    both, grid = pixel_inputs([first, second])
    assert torch.equal(both, torch.cat([pixel_inputs([first])[0], pixel_inputs([second])[0]]))
    assert grid.tolist() == [[1, 4, 4], [1, 4, 6]]


def test_the_chat_template_is_qwens(saved):
    processor = AutoProcessor.from_pretrained(saved)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hello?"}]}]
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Hello?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_picture_off_the_token_grid_is_refused():
    with pytest.raises(ValueError, match=r"57x56.*smart_resize"):
        pixel_inputs([picture(57, 56)])


def test_a_directory_that_is_no_model_names_cause_and_mend(tmp_path):
    with pytest.raises(ModelError, match=r"no model directory.*config\.json"):
        load_qwen(tmp_path)


def test_another_kind_of_model_names_cause_and_mend(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match=r"'bert' model.*Qwen2\.5-VL"):
        load_qwen(tmp_path)


def test_a_checkpoint_without_weights_names_cause_and_mend(saved, tmp_path):
    for part in saved.iterdir():
        if part.suffix != ".safetensors":
            (tmp_path / part.name).write_bytes(part.read_bytes())
    with pytest.raises(ModelError, match="copy the whole checkpoint"):
        load_qwen(tmp_path)


def test_weights_that_were_copied_in_part_name_cause_and_mend(saved, tmp_path):
    for part in saved.iterdir():
        data = part.read_bytes()
        (tmp_path / part.name).write_bytes(data[: len(data) // 2] if part.suffix == ".safetensors" else data)
    with pytest.raises(ModelError, match="copy the whole checkpoint"):
        load_qwen(tmp_path)


def test_a_device_that_is_not_there_names_cause_and_mend(saved):
    with pytest.raises(ModelError, match=r"device = 'gpu17' .*Invalid device string.*choose one"):
        load_qwen(saved, device="gpu17")


@pytest.mark.parametrize(("has_cuda", "devices"), [(False, "(cpu)"), (True, "(cpu or cuda)")])
def test_only_devices_that_this_torch_has_are_offered(saved, monkeypatch, has_cuda, devices):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    with pytest.raises(ModelError, match=re.escape(f"choose one that this torch has {devices}")):
        load_qwen(saved, device="gpu17")
