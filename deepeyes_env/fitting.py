"""Fits what tools give into an observation: images to their budget, text and counts to their limits."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.images import MAX_ASPECT_RATIO, EncodedImage, ImageError, smart_resize, snapshot, to_rgb
from deepeyes_env.protocol import CodeOutput, ImageHits, TextHits, ToolError, ToolResult
from deepeyes_env.search.base import Hit

KEPT_PIXELS = 2
"""Pixels of a tool's picture for each that is observed, above which it is shrunk at once. Others are resized
when somebody asks for its pixels: that takes longer than everything else in a turn."""


def fit_image(image: EncodedImage, min_pixels: int, max_pixels: int) -> EncodedImage:
    """The image as the model sees it: bicubic, sides multiples of 28, area inside the budget.

    Cached, since a group of episodes asks about the same picture.

    Args:
        image: Any image.
        min_pixels: Smallest area.
        max_pixels: Largest area.

    Returns:
        `image` itself when it fits already, else a resized PNG.

    Raises:
        ImageError: The image does not decode or its aspect ratio exceeds 200.
    """
    height, width = observed_size(image.height, image.width, min_pixels, max_pixels)
    if (height, width) == (image.height, image.width):
        return image
    return _resized(_ByKey(image.key, image), width, height)


@dataclass(frozen=True, slots=True)
class _ByKey:
    """An image that is compared without being encoded."""

    key: str
    image: EncodedImage = field(compare=False)


@functools.lru_cache(maxsize=64)
def _resized(named: _ByKey, width: int, height: int) -> EncodedImage:
    return EncodedImage.owning(named.image.decode().resize((width, height), Image.Resampling.BICUBIC))


def fit_result(result: ToolResult, config: EnvConfig) -> tuple[ToolResult, tuple[EncodedImage, ...]]:
    """Cut a result to the configured limits.

    Args:
        result: What the tool gave back.
        config: The limits.

    Returns:
        The result with only what is shown, and its images as the model sees them, in order.
    """
    match result:
        case CodeOutput():
            return _fit_code(result, config)
        case TextHits(query, hits):
            return TextHits(_cut(query, 500), _fit_hits(hits[: config.search_hits], config)), ()
        case ImageHits(hits):
            return _fit_image_hits(hits[: config.search_hits], config)
        case ToolError(message):
            return ToolError(_cut(message, config.max_observation_chars)), ()
    return result, ()


def _fit_code(output: CodeOutput, config: EnvConfig) -> tuple[CodeOutput, tuple[EncodedImage, ...]]:
    images: list[EncodedImage] = []
    shown: list[Image.Image] = []
    notes: list[str] = []
    for picture in output.images[: config.max_images_per_turn]:
        try:
            images.append(_fit_picture(picture, config))
            shown.append(picture)
        except ImageError as error:
            notes.append(f"[an image was left out: {error}]")
    if (extra := len(output.images) - config.max_images_per_turn) > 0:
        notes.append(
            f"[{extra} more images were left out: at most {config.max_images_per_turn} are shown per cell]"
        )
    room = config.max_observation_chars
    stderr = _cut("\n".join(filter(None, (output.stderr, *notes))), room // 2)
    stdout = _cut(output.stdout, room - len(stderr))
    return replace(output, stdout=stdout, stderr=stderr, images=tuple(shown)), tuple(images)


def _fit_picture(picture: Image.Image, config: EnvConfig) -> EncodedImage:
    height, width = observed_size(
        picture.height, picture.width, config.tool_min_pixels, config.tool_max_pixels
    )
    rgb = to_rgb(picture)
    if rgb.width * rgb.height > KEPT_PIXELS * width * height:
        return EncodedImage.owning(rgb.resize((width, height), Image.Resampling.BICUBIC))
    return EncodedImage.owning(snapshot(rgb) if rgb is picture else rgb, (width, height))


def observed_size(height: int, width: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Height and width as observed: `smart_resize`'s, if the model's own processor takes them as they are.

    Raises:
        ImageError: The picture is too narrow, or becomes so: 6000x30 is 200:1, but 214:1 in whole tokens, and
            every processor that meets it again (vLLM's, TRL's) would refuse it.
    """
    size = smart_resize(height, width, min_pixels=min_pixels, max_pixels=max_pixels)
    if max(size) > MAX_ASPECT_RATIO * min(size):
        raise ImageError(
            f"aspect ratio of a {width}x{height} image exceeds {MAX_ASPECT_RATIO}:1 in whole visual tokens "
            f"({size[1]}x{size[0]}); crop a less narrow region"
        )
    return size


def _fit_hits(hits: tuple[Hit, ...], config: EnvConfig) -> tuple[Hit, ...]:
    snippet = config.max_observation_chars // (2 * config.search_hits)
    return tuple(
        replace(
            hit,
            title=_cut(hit.title, snippet // 2),
            url=_cut(hit.url, snippet // 2),
            snippet=_cut(hit.snippet, snippet),
            date=hit.date and _cut(hit.date, snippet // 2),
        )
        for hit in hits
    )


def _fit_image_hits(hits: tuple[Hit, ...], config: EnvConfig) -> tuple[ImageHits, tuple[EncodedImage, ...]]:
    images: list[EncodedImage] = []
    shown: list[Hit] = []
    for hit in hits:
        if hit.thumbnail is None or len(images) == config.max_images_per_turn:
            continue
        try:
            images.append(fit_image(hit.thumbnail, config.tool_min_pixels, config.tool_max_pixels))
            shown.append(hit)
        except ImageError:
            # A thumbnail that cannot be shown is left out with its hit, as upstream does with missing files.
            continue
    return ImageHits(_fit_hits(tuple(shown), config)), tuple(images)


def _cut(text: str, limit: int) -> str:
    """Keep the start and the end of a text that is too long."""
    if len(text) <= limit:
        return text
    mark = f"\n[… {len(text) - limit} characters left out …]\n"
    keep = max(0, limit - len(mark))
    return text[: keep - keep // 2] + mark + text[len(text) - keep // 2 :]
