"""Encoded images: bytes with a hash and a size, so that images travel by reference.

An episode, a trajectory and a search hit all hold `EncodedImage`: immutable, hashable, cheap to copy.
Pixels are decoded at the edge, under limits, by `EncodedImage.decode`.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import weakref
from dataclasses import dataclass, field

from PIL import Image, ImageOps, UnidentifiedImageError

from deepeyes_env.stripes import Stripes

PATCH_FACTOR = 28
"""Side of one visual token in pixels: patch 14 x merge 2 (Qwen2.5-VL `preprocessor_config.json`)."""

MIN_PIXELS = 4 * PATCH_FACTOR**2
"""Smallest image area the model sees, 3,136 px = 4 visual tokens (Qwen2.5-VL default)."""

MAX_PIXELS = 16384 * PATCH_FACTOR**2
"""Largest image area the model sees, 12,845,056 px (Qwen2.5-VL default; reference section 1.6)."""

MAX_ASPECT_RATIO = 200
"""Longest side over shortest side that Qwen's `smart_resize` accepts."""

MAX_DECODED_PIXELS = 64_000_000
"""Area above which an image is refused before its pixels are decoded (a decompression bomb guard)."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""Container formats that are decoded; everything else is refused by name."""


KEPT_BLOCKS = 8
"""Blocks of at most 16 MiB that Pillow keeps for the next picture instead of giving them back: the kernel's
work of handing out cleared pages is a third of the time that a large picture's decoding or resizing takes."""

if "PILLOW_BLOCKS_MAX" not in os.environ:  # Pillow's own setting of the same number
    Image.core.set_blocks_max(KEPT_BLOCKS)


class ImageError(ValueError):
    """An image that cannot be used: it does not decode, is too large, or has an impossible shape."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class EncodedImage:
    """One image; `from_bytes` gives the same object for the same bytes.

    Attributes:
        data: The encoded bytes (PNG, JPEG, ...).
        width: Width in pixels, after EXIF orientation.
        height: Height in pixels, after EXIF orientation.
        sha256: Hexadecimal SHA-256 of `data`; the image's name everywhere.
    """

    data: bytes = field(repr=False)
    width: int
    height: int
    sha256: str

    @classmethod
    def from_bytes(cls, data: bytes) -> EncodedImage:
        """Check encoded bytes and wrap them unchanged.

        Args:
            data: A PNG, JPEG, WebP, GIF or BMP file.

        Returns:
            The wrapped image; `width` and `height` are those of the decoded picture.

        Raises:
            ImageError: The bytes do not decode, or the picture exceeds `MAX_DECODED_PIXELS`.
        """
        width, height = decode_rgb(data).size
        return cls(data, width, height, hashlib.sha256(data).hexdigest()).shared()

    @classmethod
    def from_pil(cls, image: Image.Image) -> EncodedImage:
        """Take a picture, which is encoded when somebody asks: losslessly (PNG, RGB) and deterministically.

        Equal pictures are encoded once, and their bytes are kept once, as long as anybody has one of them.

        Args:
            image: Any PIL image; transparency is laid over white.

        Returns:
            The image as it is now: what is painted over `image` later does not change it.
        """
        rgb = to_rgb(image)
        return cls.owning(snapshot(rgb) if rgb is image else rgb)

    @classmethod
    def owning(cls, image: Image.Image, size: tuple[int, int] | None = None) -> EncodedImage:
        """As `from_pil`, without a copy: for an RGB picture that nobody else will paint over.

        Args:
            image: The picture.
            size: Width and height that it is to have; it is resized (bicubic) when somebody asks for pixels.
        """
        return _PaintedImage.of(freeze(image), size or image.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EncodedImage):
            return NotImplemented
        return self is other or (
            (self.width, self.height, self.sha256) == (other.width, other.height, other.sha256)
            and self.data == other.data
        )

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def key(self) -> str:
        """A name for caches of this process, for which nothing is encoded. Equal keys: the same picture."""
        return self.sha256

    def encode(self) -> None:
        """Encode a picture of `from_pil` in this thread, if nobody has yet, and keep its bytes alone.

        For whoever keeps an image: pixels take some four times the memory.
        """

    def shared(self) -> EncodedImage:
        """The one object with these bytes, as long as anybody in this process has it.

        The episodes of a group crop the same regions of the same picture: its bytes are kept once.
        """
        name = self.sha256
        with _SHARING.of(hash(name)):
            known = _SHARED.setdefault(name, self)
        return known if known == self else self

    def decode(self) -> Image.Image:
        """Decode to an RGB PIL image of `width` x `height`.

        Raises:
            ImageError: The bytes do not decode.
        """
        return decode_rgb(self.data)

    def decode_shared(self) -> Image.Image:
        """Decode once for everybody who asks while somebody has the pixels.

        Returns:
            A picture of one's own over common pixels; who changes it gets pixels of one's own too (`freeze`).

        Raises:
            ImageError: The bytes do not decode.
        """
        with _DECODING.of(hash(self.sha256)):
            image = _DECODED.get(self.sha256)
            if image is None:
                image = _DECODED[self.sha256] = freeze(self.decode())
        return _view(image)

    @property
    def pixels(self) -> int:
        """Area in pixels."""
        return self.width * self.height


class _PaintedImage(EncodedImage):
    """A picture of this process. Most are only looked at, and to hash or encode one takes long."""

    __slots__ = ("_encoded", "_key", "_picture")
    _encoded: EncodedImage | None
    _key: str
    _picture: Image.Image | None
    """Of any size until the first who asks has waited for `width` x `height`; None once it is encoded."""

    def __new__(cls, data: bytes, width: int, height: int, sha256: str) -> EncodedImage:  # type: ignore[misc]
        """What `dataclasses.replace` makes has bytes of its own."""
        return EncodedImage(data, width, height, sha256)

    @classmethod
    def of(cls, picture: Image.Image, size: tuple[int, int]) -> _PaintedImage:
        image = object.__new__(cls)
        image._set(width=size[0], height=size[1], _encoded=None, _key="", _picture=picture)
        return image

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"EncodedImage(width={self.width}, height={self.height}, key={self.key!r})"

    def __reduce__(self) -> tuple[type[EncodedImage], tuple[bytes, int, int, str]]:
        return EncodedImage, (self.data, self.width, self.height, self.sha256)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _PaintedImage):
            return self is other or self.key == other.key
        return super().__eq__(other)

    __hash__ = EncodedImage.__hash__

    @property
    def data(self) -> bytes:
        return self._bytes().data

    @property
    def sha256(self) -> str:
        return self._bytes().sha256

    @property
    def key(self) -> str:
        picture = self._resized()  # first: it goes only when there is a key
        if not self._key:
            assert picture is not None
            self._set(_key=pixel_hash(picture))
        return self._key

    def decode(self) -> Image.Image:
        picture = self._resized()
        return self._bytes().decode() if picture is None else picture.copy()

    def decode_shared(self) -> Image.Image:
        picture = self._resized()
        return self._bytes().decode_shared() if picture is None else _view(picture)

    def encode(self) -> None:
        self._bytes()

    def _resized(self) -> Image.Image | None:
        """The picture in its size, or None once there are bytes."""
        size = self.width, self.height
        picture = self._picture
        if picture is None or picture.size == size:
            return picture
        with _RESIZING.of(id(self)):
            picture = self._picture
            if picture is not None and picture.size != size:
                picture = freeze(picture.resize(size, Image.Resampling.BICUBIC))
                self._set(_picture=picture)
        return picture

    def _bytes(self) -> EncodedImage:
        if self._encoded is None:
            key = self.key
            with _DECODING.of(hash(key)):
                encoded = _ENCODED.get(key)
                if encoded is None:
                    encoded = _ENCODED[key] = self._png()
                self._set(_encoded=encoded)
                self._set(_picture=None)
        assert self._encoded is not None
        return self._encoded

    def _png(self) -> EncodedImage:
        assert self._picture is not None
        buffer = io.BytesIO()
        # Of the pixels alone: a profile or a transparent colour of the file that they are from says no more.
        self._picture.save(buffer, format="PNG", compress_level=1, icc_profile=None, transparency=None)
        data = buffer.getvalue()
        return EncodedImage(data, self.width, self.height, hashlib.sha256(data).hexdigest()).shared()


_SHARED: weakref.WeakValueDictionary[str, EncodedImage] = weakref.WeakValueDictionary()
_ENCODED: weakref.WeakValueDictionary[str, EncodedImage] = weakref.WeakValueDictionary()
_SHARING = Stripes()
_DECODED: weakref.WeakValueDictionary[str, Image.Image] = weakref.WeakValueDictionary()
_DECODING = Stripes()
_RESIZING = Stripes()


def freeze(image: Image.Image) -> Image.Image:
    """Mark a picture as read-only: whoever changes it by Pillow's functions gets pixels of its own first.

    Returns:
        The same picture.
    """
    image.load()  # which says anew whether it is read-only
    image.readonly = 1
    image._frozen = True  # type: ignore[attr-defined]  # files that are not read yet are read-only, too
    return image


def snapshot(image: Image.Image) -> Image.Image:
    """The picture as it is now, whatever is painted over it later: a frozen one is not copied for that."""
    return _view(image) if image.readonly and hasattr(image, "_frozen") else image.copy()


def _view(frozen: Image.Image) -> Image.Image:
    """Another picture over the pixels of a frozen one, which lives as long as its views.

    Pillow gives new pixels to the picture that is changed: all who hold that picture see them.
    """
    view = freeze(frozen._new(frozen.im))
    view._frozen = frozen  # type: ignore[attr-defined]  # keeps it alive
    return view


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of a picture's size and RGB pixels: how it was encoded makes no difference."""
    rgb = to_rgb(image)
    digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any PIL mode to RGB, laying transparency over white; of 16 bits the upper 8 are kept."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):  # Pillow's own conversion makes everything above 255 white
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(canvas, rgba).convert("RGB")
    return image.convert("RGB")


def smart_resize(
    height: int,
    width: int,
    *,
    factor: int = PATCH_FACTOR,
    min_pixels: int = MIN_PIXELS,
    max_pixels: int = MAX_PIXELS,
) -> tuple[int, int]:
    """Size at which Qwen2.5-VL sees an image: sides multiples of `factor`, area inside the budget.

    The same rule as `transformers.models.qwen2_vl.image_processing_qwen2_vl.smart_resize`, so that an image
    resized here passes through the model's own processor unchanged.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        factor: Side of one visual token in pixels.
        min_pixels: Smallest allowed area.
        max_pixels: Largest allowed area.

    Returns:
        `(height, width)` in pixels.

    Raises:
        ImageError: The aspect ratio exceeds `MAX_ASPECT_RATIO`, or a side is not positive.
    """
    if min(height, width) < 1:
        raise ImageError(f"an image of {width}x{height} pixels has no area")
    if max(height, width) / min(height, width) > MAX_ASPECT_RATIO:
        raise ImageError(
            f"aspect ratio of a {width}x{height} image exceeds {MAX_ASPECT_RATIO}:1; "
            "crop a less narrow region"
        )
    new_height = round(height / factor) * factor
    new_width = round(width / factor) * factor
    if new_height * new_width > max_pixels:
        scale = math.sqrt(height * width / max_pixels)
        new_height = max(factor, math.floor(height / scale / factor) * factor)
        new_width = max(factor, math.floor(width / scale / factor) * factor)
    elif new_height * new_width < min_pixels:
        scale = math.sqrt(min_pixels / (height * width))
        new_height = math.ceil(height * scale / factor) * factor
        new_width = math.ceil(width * scale / factor) * factor
    return new_height, new_width


def decode_rgb(data: bytes, max_pixels: int = MAX_DECODED_PIXELS) -> Image.Image:
    """Decode untrusted bytes; the size in the header is checked before a pixel is decoded.

    Args:
        data: A PNG, JPEG, WebP, GIF or BMP file.
        max_pixels: Largest area in pixels.

    Returns:
        The picture as RGB, upright after EXIF orientation.

    Raises:
        ImageError: The bytes do not decode, or the picture exceeds `max_pixels`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise ImageError(
                    f"an image of {image.width}x{image.height} pixels exceeds the limit of "
                    f"{max_pixels} pixels; shrink it before use"
                )
            ImageOps.exif_transpose(image, in_place=True)  # else it copies
            image.load()
            return to_rgb(image)
    except ImageError:
        raise
    except (
        Exception
    ) as error:  # Pillow's readers raise whatever they stumble over: struct.error, KeyError, ...
        # Pillow names the object in memory, and the same picture would be told of in other words every time.
        reason = "in no known format" if isinstance(error, UnidentifiedImageError) else error
        raise ImageError(
            f"the image does not decode ({reason}); expected one of {', '.join(FORMATS)}"
        ) from error
