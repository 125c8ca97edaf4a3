from __future__ import annotations

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Split, Task


class GuessSource:
    """One question per index whose right answer is always 1: the smallest thing that can be learned."""

    name = "guess"

    def size(self, split: Split) -> int | None:
        return None

    def task(self, index: int, split: Split = "train") -> Task:
        image = EncodedImage.from_pil(Image.new("RGB", (56, 56), (index % 256, 90, 120)))
        return Task(f"guess/{split}/{index}", "One or two?", (image,), Answer("1"), family="guess")

    def search_engine(self) -> None:
        return None
