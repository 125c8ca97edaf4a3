"""Loading any Qwen2.5-VL: model, tokenizer and picture preparation, without torchvision.

The same functions serve the tiny model (`agents.tiny`) and `Qwen/Qwen2.5-VL-7B-Instruct`:

    qwen = load_qwen("Qwen/Qwen2.5-VL-7B-Instruct", dtype=torch.bfloat16, device="cuda")
    pixel_values, grid = pixel_inputs(images)      # images: EncodedImage, sides multiples of 28
    save_qwen(qwen, "runs/mine/checkpoint")

`Qwen.model` and `Qwen.tokenizer` are the plain Hugging Face objects.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoProcessor, AutoTokenizer, GenerationConfig
from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin
from transformers.utils import logging as transformers_logging

from deepeyes_env.images import MAX_PIXELS, MIN_PIXELS, PATCH_FACTOR, EncodedImage

PATCH = 14
"""Side of one vision patch in pixels (Qwen2.5-VL `vision_config.patch_size`)."""

MERGE = PATCH_FACTOR // PATCH
"""Patches merged into one visual token along each side (`vision_config.spatial_merge_size`)."""

FRAMES = 2
"""A still picture is given twice to the temporal patch (`vision_config.temporal_patch_size`)."""

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Channel means of the pixel normalisation (CLIP's, Qwen2.5-VL `preprocessor_config.json`)."""

IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)
"""Channel standard deviations of the pixel normalisation (same source)."""

MODEL_TYPE = "qwen2_5_vl"


class ModelError(ValueError):
    """A model that cannot be used; the message names the cause and the mend."""


@dataclass(frozen=True, slots=True)
class Qwen:
    """A Qwen2.5-VL with its tokenizer.

    Attributes:
        model: The model, in evaluation mode after loading.
        tokenizer: Its tokenizer, chat template included.
    """

    model: Qwen2_5_VLForConditionalGeneration
    tokenizer: Any


class QwenProcessor(Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor without the video slot, which cannot be built without torchvision.

    Registered for `Qwen2_5_VLConfig`, so `AutoProcessor`, TRL's trainers and `transformers serve` use it too.
    """

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts that are loaded and saved."""
        return ["image_processor", "tokenizer"]


AutoProcessor.register(Qwen2_5_VLConfig, QwenProcessor, exist_ok=True)
# Its bars for reading and writing weights would break into the bars of the commands.
transformers_logging.disable_progress_bar()


def load_qwen(
    path: str | Path, *, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> Qwen:
    """Load a Qwen2.5-VL checkpoint.

    Args:
        path: A checkpoint directory or a model id of the Hugging Face hub.
        dtype: Precision of the weights.
        device: Where the weights live.

    Returns:
        The model in evaluation mode and its tokenizer.

    Raises:
        ModelError: `path` is no Qwen2.5-VL, or lacks a part, or the device cannot hold it; the message says
            what to do.
    """
    check_is_qwen(str(path))
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=dtype).eval()
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"{path} has the configuration of a Qwen2.5-VL but does not load ({error}); copy the whole "
            "checkpoint again: config.json, *.safetensors, tokenizer files"
        ) from error
    if not tokenizer.chat_template:
        raise ModelError(f"the tokenizer of {path} has no chat template; copy chat_template.jinja next to it")
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ModelError(
            f"device = {str(device)!r} does not take the model ({error}); choose one that this torch has "
            f"({'cpu or cuda' if torch.cuda.is_available() else 'cpu'}) and that has room for the weights"
        ) from error
    return Qwen(model, tokenizer)


def save_qwen(qwen: Qwen, directory: str | Path) -> Path:
    """Write a checkpoint that `load_qwen`, `AutoProcessor`, TRL and vLLM can read.

    Args:
        qwen: The model and its tokenizer.
        directory: Made if missing; files of an earlier checkpoint in it are overwritten.

    Returns:
        The directory.
    """
    directory = Path(directory)
    qwen.model.save_pretrained(directory)
    processor = build_processor(qwen.tokenizer)
    processor.save_pretrained(directory)
    # Also as in the released checkpoints: vLLM looks for its video processor there.
    processor.image_processor.save_pretrained(directory)
    for name in ("processor_config.json", "tokenizer_config.json"):
        _name_no_processor(directory / name)
    return directory


def _name_no_processor(file: Path) -> None:
    """Let `AutoProcessor` go by the configuration: only this package knows a `QwenProcessor`."""
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings.pop("processor_class", None)
    file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def build_processor(tokenizer: Any) -> QwenProcessor:
    """The Hugging Face processor (text and pictures) around a Qwen2.5-VL tokenizer."""
    image_processor = Qwen2VLImageProcessorPil(size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS})
    return QwenProcessor(image_processor, tokenizer, chat_template=tokenizer.chat_template)


def generation_config(tokenizer: Any) -> GenerationConfig:
    """Both ends of a text and the padding, as in the released checkpoints' `generation_config.json`."""
    end, pad = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return GenerationConfig(eos_token_id=[end, pad], pad_token_id=pad)


def image_grid(image: EncodedImage) -> tuple[int, int, int]:
    """`(t, h, w)` of one picture in patches, as `image_grid_thw`.

    Args:
        image: A picture whose sides are multiples of `PATCH_FACTOR`.

    Raises:
        ValueError: A side is no multiple of `PATCH_FACTOR`: the picture was not resized to the budget.
    """
    if image.width % PATCH_FACTOR or image.height % PATCH_FACTOR:
        raise ValueError(
            f"a {image.width}x{image.height} picture does not fit Qwen's {PATCH_FACTOR}-pixel tokens; "
            "resize it with deepeyes_env.images.smart_resize first"
        )
    return 1, image.height // PATCH, image.width // PATCH


def visual_tokens(grid: tuple[int, int, int]) -> int:
    """Number of `<|image_pad|>` tokens of a picture with this grid."""
    return grid[0] * grid[1] * grid[2] // MERGE**2


def pixel_inputs(images: Sequence[EncodedImage]) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's view of some pictures.

    Equals `Qwen2VLImageProcessorPil` on pictures that are already at their final size, several times faster.

    Args:
        images: `I >= 1` pictures in order of appearance, sides multiples of `PATCH_FACTOR`.

    Returns:
        `pixel_values` float32 `[P, 1176]` with `P` patches in all, and `image_grid_thw` int64 `[I, 3]`.

    Raises:
        ValueError: A picture's side is no multiple of `PATCH_FACTOR`, or not what the image says.
    """
    grids = [image_grid(image) for image in images]
    patches = [patchify(_pixels(image)[None]) for image in images]
    return torch.from_numpy(np.concatenate(patches)), torch.tensor(grids, dtype=torch.int64)


def _pixels(image: EncodedImage) -> np.ndarray:
    """uint8 `[H, W, 3]`; width and height come from records too, and swapped ones would pass every count."""
    picture = image.decode()
    if picture.size != (image.width, image.height):
        raise ValueError(
            f"the picture {image.sha256[:12]} is said to be {image.width}x{image.height} and is "
            f"{picture.width}x{picture.height}; its record is damaged"
        )
    return np.asarray(picture)


def patchify(pixels: np.ndarray) -> np.ndarray:
    """Normalise and cut pictures of one size into patches, in Qwen's order.

    Args:
        pixels: uint8 `[N, H, W, 3]`, `H` and `W` multiples of `PATCH_FACTOR`.

    Returns:
        float32 `[N * H/14 * W/14, 1176]`.
    """
    count, height, width, _ = pixels.shape
    mean, std = np.asarray(IMAGE_MEAN, np.float32), np.asarray(IMAGE_STD, np.float32)
    scaled = (pixels.astype(np.float32) * np.float32(1 / 255) - mean) / std
    rows, columns = height // PATCH_FACTOR, width // PATCH_FACTOR
    cut = scaled.reshape(count, rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
    ordered = cut.transpose(0, 1, 4, 2, 5, 7, 3, 6)[..., None, :, :]
    frames = np.broadcast_to(ordered, (*ordered.shape[:6], FRAMES, PATCH, PATCH))
    return frames.reshape(-1, 3 * FRAMES * PATCH * PATCH)


def check_is_qwen(path: str) -> None:
    """See that a checkpoint is a Qwen2.5-VL, from its configuration alone.

    Raises:
        ModelError: It is none; the message says what it is.
    """
    try:
        config = AutoConfig.from_pretrained(path)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{path!r} is no model directory and no hub model that can be reached ({error}); give a "
            "directory with config.json, *.safetensors and the tokenizer's files, or a hub id such as "
            "Qwen/Qwen2.5-VL-7B-Instruct"
        ) from error
    if config.model_type != MODEL_TYPE:
        raise ModelError(
            f"{path!r} is a {config.model_type!r} model, but this agent speaks Qwen2.5-VL ({MODEL_TYPE!r}); "
            "give a Qwen2.5-VL checkpoint such as Qwen/Qwen2.5-VL-7B-Instruct"
        )
    vision = config.vision_config
    found = (vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size)
    if found != (PATCH, MERGE, FRAMES):
        raise ModelError(
            f"{path!r} cuts pictures with (patch, merge, frames) = {found}, but Qwen2.5-VL has "
            f"{(PATCH, MERGE, FRAMES)}; its vision_config was changed: restore the original config.json"
        )
