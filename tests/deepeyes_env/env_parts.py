"""A small source of tasks, an honest in-process sandbox, and failing services."""

import contextlib
import io
import traceback
from collections.abc import Sequence

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox.base import CellResult, CellStatus, SandboxError
from deepeyes_env.search.base import Hit, Region, SearchErrorKind, SearchResponse
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.testing import ListSource


class InProcessSession:
    """Runs cells in this process; `show(image)` shows a picture."""

    def __init__(self, images: Sequence[Image.Image], seed: int) -> None:
        self.shown: list[Image.Image] = []
        self.closed = False
        self.names = {f"image_{number}": image for number, image in enumerate(images, 1)}
        self.names |= {"show": self.shown.append, "SEED": seed}

    def run(self, code: str) -> CellResult:
        assert not self.closed
        self.shown.clear()
        stdout = io.StringIO()
        try:
            with contextlib.redirect_stdout(stdout):
                exec(code, self.names)
        except Exception:
            return CellResult(CellStatus.EXCEPTION, stdout.getvalue(), traceback.format_exc(limit=0))
        return CellResult(CellStatus.OK, stdout.getvalue(), images=tuple(self.shown))

    def close(self) -> None:
        self.closed = True


class InProcessSandbox:
    """Remembers its sessions."""

    def __init__(self) -> None:
        self.sessions: list[InProcessSession] = []

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> InProcessSession:
        self.sessions.append(InProcessSession(images, seed))
        return self.sessions[-1]

    def close(self) -> None:
        for session in self.sessions:
            session.close()


class BrokenSandbox(InProcessSandbox):
    """Cannot open a session."""

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> InProcessSession:
        raise SandboxError("no more processes")


class OnePageEngine:
    """Finds one page for anything, or fails with `error`."""

    def __init__(self, error: SearchErrorKind | None = None) -> None:
        self.error = error
        self.seen: list[tuple[int, int]] = []

    def search_text(self, query: str, k: int = 5) -> SearchResponse:
        if self.error:
            return SearchResponse(error=self.error)
        return SearchResponse((Hit(1, f"About {query}", "https://e.example/1", "It is 1874.", "2021-04-02"),))

    def search_image(self, image: Image.Image, k: int = 5, region: Region | None = None) -> SearchResponse:
        self.seen.append(image.size)
        if self.error:
            return SearchResponse(error=self.error)
        return SearchResponse((Hit(1, "A lighthouse", "https://e.example/2", thumbnail=picture("navy")),))


def picture(colour: str = "red", width: int = 60, height: int = 50) -> EncodedImage:
    return EncodedImage.from_pil(Image.new("RGB", (width, height), colour))


def make_task(index: int, **changes: object) -> Task:
    fields = {
        "id": f"list/{index}",
        "question": f"What is {index}?",
        "images": (picture(("red", "lime", "blue")[index % 3]),),
        "answer": Answer(str(index)),
        "skills": frozenset({Skill.PERCEPTION}),
        "family": "digits",
    }
    return Task(**(fields | changes))  # type: ignore[arg-type]


def code(program: str) -> str:
    return f"<think>a</think>\n<code>\n```python\n{program}\n```\n</code>"


def search(query: str) -> str:
    call = f'{{"name": "search", "arguments": {{"query": "{query}"}}}}'
    return f"<think>a</think>\n<tool_call>\n{call}\n</tool_call>"


IMAGE_SEARCH = '<think>a</think>\n<tool_call>\n{"name": "image_search"}\n</tool_call>'


def answer(text: object) -> str:
    return f"<think>a</think>\n<answer>{text}</answer>"


def make_source(engine: OnePageEngine | None = None) -> ListSource:
    return ListSource([make_task(index) for index in range(8)], engine or OnePageEngine())
