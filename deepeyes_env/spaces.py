"""Two small spaces that Gymnasium lacks: any Unicode text, and RGB images of any size."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import Space
from PIL import Image

from deepeyes_env.images import MAX_DECODED_PIXELS

RgbArray = npt.NDArray[np.uint8]

_SAMPLE_CHARACTERS = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,;:!?'\"()<>/\n àéß中文🙂"
)


class FreeText(Space[str]):
    """Any Unicode text up to a length. `gymnasium.spaces.Text` would need every character enumerated."""

    def __init__(self, max_length: int = 4_000_000, seed: int | np.random.Generator | None = None) -> None:
        """Make the space.

        Args:
            max_length: Longest text, in characters.
            seed: Seed of `sample`.
        """
        super().__init__(shape=None, dtype=str, seed=seed)
        self.max_length = max_length

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A short random text; masks do not apply."""
        _refuse_masks(mask, probability)
        length = int(self.np_random.integers(0, min(self.max_length, 64) + 1))
        choices = self.np_random.integers(0, len(_SAMPLE_CHARACTERS), length)
        return "".join(_SAMPLE_CHARACTERS[choice] for choice in choices)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string that is short enough."""
        return isinstance(x, str) and len(x) <= self.max_length

    @property
    def is_np_flattenable(self) -> bool:
        """Text has no array form."""
        return False

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        """Texts are JSON already."""
        return list(sample_n)

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        """Texts are JSON already."""
        return [str(sample) for sample in sample_n]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other).get("max_length") == self.max_length


class TurnText(FreeText):
    """Action space: any text is accepted, and `sample` writes grammatical turns, so stock tools can act."""

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A random turn in one of the grammar's shapes; code twice as often as the others."""
        _refuse_masks(mask, probability)
        kind = ("code", "code", "search", "image_search", "answer")[int(self.np_random.integers(5))]
        return f"<think>{self._phrase()}</think>\n{self._block(kind)}"

    def _phrase(self) -> str:
        words = ("zoom", "look", "count", "closer", "the", "left", "sign", "red", "number", "compare")
        return " ".join(words[i] for i in self.np_random.integers(0, len(words), 4))

    def _block(self, kind: str) -> str:
        if kind == "code":
            left, top = (int(edge) for edge in self.np_random.integers(0, 20, 2))
            crop = f"image_1.crop(({left}, {top}, {left + 60}, {top + 60}))"
            program = f"print(image_1.size)\n{crop}" if self.np_random.integers(2) else "x = 6 * 7\nprint(x)"
            return f"<code>\n```python\n{program}\n```\n</code>"
        if kind == "search":
            call = f'{{"name": "search", "arguments": {{"query": "{self._phrase()}"}}}}'
            return f"<tool_call>\n{call}\n</tool_call>"
        if kind == "image_search":
            return '<tool_call>\n{"name": "image_search"}\n</tool_call>'
        return f"<answer>{int(self.np_random.integers(100))}</answer>"


class RGBImage(Space[RgbArray]):
    """uint8 arrays `[height, width, 3]` of any size."""

    def __init__(
        self, max_pixels: int = MAX_DECODED_PIXELS, seed: int | np.random.Generator | None = None
    ) -> None:
        """Make the space.

        Args:
            max_pixels: Largest area in pixels.
            seed: Seed of `sample`.
        """
        super().__init__(shape=None, dtype=np.uint8, seed=seed)
        self.max_pixels = max_pixels

    def sample(self, mask: None = None, probability: None = None) -> RgbArray:
        """Noise of a random small size; masks do not apply."""
        _refuse_masks(mask, probability)
        height, width = (int(side) for side in self.np_random.integers(1, 33, 2))
        return self.np_random.integers(0, 256, (height, width, 3), dtype=np.uint8)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a non-empty RGB array that is small enough."""
        return (
            isinstance(x, np.ndarray)
            and x.dtype == np.uint8
            and x.ndim == 3
            and x.shape[2] == 3
            and 0 < x.shape[0] * x.shape[1] <= self.max_pixels
        )

    @property
    def is_np_flattenable(self) -> bool:
        """Images of any size have no common array form."""
        return False

    def to_jsonable(self, sample_n: Iterable[RgbArray]) -> list[str]:
        """Images as base64 PNG."""
        return [_to_png(sample) for sample in sample_n]

    def from_jsonable(self, sample_n: list[Any]) -> list[RgbArray]:
        """Images from base64 PNG."""
        return [np.array(Image.open(io.BytesIO(base64.b64decode(sample)))) for sample in sample_n]

    def __repr__(self) -> str:
        return f"RGBImage({self.max_pixels})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RGBImage) and other.max_pixels == self.max_pixels


def _to_png(array: RgbArray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _refuse_masks(mask: object, probability: object) -> None:
    if mask is not None or probability is not None:
        raise ValueError("this space has no masked sampling")
