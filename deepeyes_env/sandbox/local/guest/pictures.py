"""The pictures a cell shows: PIL images at full resolution, matplotlib figures once each, as raw pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from .wire import Bounds, RawImage

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

FIGURE_DPI = 100
"""Resolution of shown figures: matplotlib's default `figure.dpi`, as in a notebook."""


class Pictures:
    """The pictures that one cell shows."""

    def __init__(self, bounds: Bounds) -> None:
        """Bind the libraries, which a cell may do anything to, once and for all.

        Args:
            bounds: How many pictures are kept, and how large.
        """
        from matplotlib import figure, pyplot
        from PIL import Image

        self._image_type, self._figure_type = Image.Image, figure.Figure
        self._new, self._from_bytes, self._over = Image.new, Image.frombytes, Image.alpha_composite
        self._figure_numbers, self._figure, self._close = pyplot.get_fignums, pyplot.figure, pyplot.close
        self._box = Image.Resampling.BOX
        self._bounds = bounds
        self.begin()

    def begin(self) -> None:
        """Forget what the previous cell showed."""
        self.images: list[RawImage] = []
        self.notes: list[str] = []
        self.dropped = 0
        self.met = ""
        self._room = self._bounds.pixels_per_cell
        self._shown: dict[int, Figure] = {}

    def show(self, value: Any) -> bool:
        """Take a PIL image or a matplotlib figure.

        Returns:
            Whether `value` is one of the two.
        """
        if isinstance(value, self._image_type):
            self._take(lambda: value)
            return True
        if isinstance(value, self._figure_type):
            if id(value) not in self._shown:
                self._shown[id(value)] = value
                self._take(lambda: self._render(value))
            return True
        return False

    def flush(self) -> None:
        """Show the open figures that this cell has not shown, and close all of them, as a notebook does."""
        numbers = self._figure_numbers()
        try:
            for number in numbers:
                self.show(self._figure(number))
        finally:
            # A figure that cannot be drawn must not fail the next cell as well.
            if numbers:
                self._close("all")

    def _take(self, picture: Callable[[], Image.Image]) -> None:
        if self.met or len(self.images) == self._bounds.images:
            self._drop(f"images_per_cell = {self._bounds.images}")
            return
        shown = picture()
        if min(shown.width * shown.height, self._bounds.pixels_per_image) > self._room:
            self._drop(f"pixels_per_cell = {self._bounds.pixels_per_cell}")
            return
        image = self._fit(self._to_rgb(shown))
        if image.width and image.height:
            self._room -= image.width * image.height
            self.images.append(RawImage(image.width, image.height, image.tobytes()))

    def _drop(self, limit: str) -> None:
        """Leave a picture out, and all that come after it: the first ones of a cell are kept."""
        self.dropped += 1
        self.met = self.met or limit

    def _fit(self, image: Image.Image) -> Image.Image:
        area, limit = image.width * image.height, self._bounds.pixels_per_image
        if area <= limit:
            return image
        scale = (limit / area) ** 0.5
        width = min(limit, max(1, int(image.width * scale)))
        height = min(limit // width, max(1, int(image.height * scale)))
        sizes = f"{image.width}x{image.height} px shrunk to {width}x{height}"
        self.notes.append(f"[image of {sizes}: pixels_per_image = {limit}]")
        return image.resize((width, height), self._box)

    def _render(self, figure: Figure) -> Image.Image:
        width, height = figure.get_size_inches()
        dpi = min(FIGURE_DPI, (self._bounds.pixels_per_image / max(width * height, 1e-9)) ** 0.5)
        canvas = _Canvas()
        figure.savefig(cast(Any, canvas), format="raw", dpi=dpi, bbox_inches="tight")
        return self._from_bytes("RGBA", canvas.size, canvas.pixels)

    def _to_rgb(self, image: Image.Image) -> Image.Image:
        """Any mode to RGB, transparency over white (`deepeyes_env.images.to_rgb`, unseen by guests)."""
        if image.mode == "RGB" and "transparency" not in image.info:
            return image
        if image.mode.startswith("I;16"):
            return image.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            rgba = image.convert("RGBA")
            return self._over(self._new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        return image.convert("RGB")


class _Canvas:
    """A file that matplotlib writes its raw pixels to."""

    size: tuple[int, int]
    pixels: bytes

    def seek(self, offset: int) -> None:
        """Never called: matplotlib takes an object with a `seek` for a file."""

    def write(self, buffer: memoryview) -> None:
        """Take the canvas: a `height x width x 4` view of its RGBA pixels."""
        height, width, _ = cast(tuple[int, int, int], buffer.shape)
        self.size, self.pixels = (width, height), bytes(buffer)
