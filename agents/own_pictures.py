"""A user's own pictures and question as a task without a reference answer, and the rules that fit one."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deepeyes_env.config import EnvConfig, with_overrides
from deepeyes_env.images import PATCH_FACTOR, EncodedImage, ImageError
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.task import Answer, Split, Task

STDIN = Path("-")
"""Stands for the standard input."""

SHARE = 2
"""Of a conversation's tokens, the question's pictures take at most one in so many; the rest is for turns."""


@dataclass(frozen=True)
class OwnPictures:
    """A task source with one task. Nobody knows its answer, so its reward means nothing.

    Attributes:
        question: The question.
        images: The pictures.
    """

    question: str
    images: tuple[EncodedImage, ...]
    name: str = "ask"

    def size(self, split: Split) -> int:
        """One task in every split."""
        return 1

    def task(self, index: int, split: Split = "train") -> Task:
        """The task.

        Raises:
            IndexError: `index` is not 0.
        """
        if index != 0:
            raise IndexError(f"task index {index}: there is one task")
        return Task(self._id, self.question, self.images, Answer(""), family=self.name)

    @property
    def _id(self) -> str:
        """Names the question with its pictures, so that a run of several does not take them for one task."""
        words = "\n".join([*(image.sha256 for image in self.images), self.question])
        return f"{self.name}/{hashlib.sha256(words.encode('utf-8', 'replace')).hexdigest()[:12]}"

    def search_engine(self) -> SearchEngine | None:
        """None: pictures bring no corpus."""
        return None


def read_pictures(paths: Sequence[Path]) -> tuple[EncodedImage, ...]:
    """Read picture files.

    Args:
        paths: PNG, JPEG, WebP, GIF or BMP files; `-` is the standard input.

    Returns:
        The pictures as they are; they decode upright and as RGB.

    Raises:
        ImageError: A file cannot be read or is no picture that can be used; the message names it.
    """
    return tuple(map(_read, paths))


def own_rules(config: EnvConfig, pictures: int, max_tokens: int) -> EnvConfig:
    """The configured rules, as far as they fit a question that nobody knows the answer to.

    Args:
        config: The rules.
        pictures: Number of the question's pictures, at least 1.
        max_tokens: Tokens of a conversation.
    """
    tokens = max_tokens // (SHARE * pictures)
    most = max(tokens * PATCH_FACTOR**2, config.min_pixels)
    config = with_overrides(config, judge=None, max_pixels=min(config.max_pixels, most))
    if config.search is not None:
        return config
    prompt = "code_only" if config.prompt in ("full", "search_only") else config.prompt
    return replace(config, tools=config.tools & {"code"}, prompt=prompt)


def _read(path: Path) -> EncodedImage:
    try:
        data = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        return EncodedImage.from_bytes(data)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
