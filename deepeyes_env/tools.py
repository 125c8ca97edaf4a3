"""Performs an episode's effects: code in its own session, searches in the source's engine."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import (
    CodeOutput,
    ImageHits,
    InfraFailure,
    RunCode,
    SearchImage,
    SearchText,
    TextHits,
    ToolError,
    ToolResult,
    refused_image_search,
)
from deepeyes_env.sandbox.base import Sandbox, SandboxError, Session
from deepeyes_env.sandbox.variable import Variable, read_variable
from deepeyes_env.search.base import Hit, Region, SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.telemetry import Telemetry

ToolCall = RunCode | SearchText | SearchImage
"""What a tool can be asked for."""


class EpisodeTools:
    """The tools of one episode. The session is opened by the first cell and closed with the episode."""

    def __init__(
        self,
        *,
        sandbox: Callable[[], Sandbox],
        engine: SearchEngine | None,
        images: Callable[[], Sequence[Image.Image]],
        originals: Sequence[EncodedImage],
        seed: int,
        hits: int,
        telemetry: Telemetry,
    ) -> None:
        """Bind the tools to an episode.

        Args:
            sandbox: Gives the sandbox when it is first needed.
            engine: The search engine, or None when the source has none.
            images: Gives the pictures bound to `image_1`, `image_2`, ...
            originals: The same pictures as the task has them, to search with.
            seed: Seeds the session.
            hits: Hits per search.
            telemetry: Where times are added up.
        """
        self._sandbox = sandbox
        self._engine = engine
        self._images = images
        self._originals = originals
        self._seed = seed
        self._hits = hits
        self._telemetry = telemetry
        self._session: Session | None = None

    def perform(self, call: ToolCall) -> ToolResult:
        """Run a cell or a search. Failures of the infrastructure come back as `InfraFailure`."""
        match call:
            case RunCode(code):
                return self._run(code)
            case SearchText(query):
                return self._search_text(query)
            case SearchImage():
                return self._search_image(call)

    def close(self) -> None:
        """Close the session, if one was opened. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _run(self, code: str) -> CodeOutput | InfraFailure:
        try:
            if self._session is None:
                with self._telemetry.measure("open"):
                    self._session = self._sandbox().open(self._images(), self._seed)
            with self._telemetry.measure("code"):
                cell = self._session.run(code)
        except SandboxError as error:
            return InfraFailure(str(error))
        return CodeOutput(cell.stdout, cell.stderr, cell.images, failed=not cell.ok)

    def _search_text(self, query: str) -> ToolResult:
        if self._engine is None:
            return _NO_ENGINE
        with self._telemetry.measure("search"):
            response = self._engine.search_text(query, self._hits)
        return _search_result("search", response, lambda hits: TextHits(query, hits))

    def _search_image(self, call: SearchImage) -> ToolResult:
        if self._engine is None:
            return _NO_ENGINE
        with self._telemetry.measure("image_search"):
            try:
                found = self._picture(call)
            except SandboxError as error:
                return InfraFailure(str(error))
            if isinstance(found, ToolError):
                return found
            image, region = found
            response = self._engine.search_image(image, self._hits, region)
        return _search_result("image search", response, ImageHits)

    def _picture(self, call: SearchImage) -> tuple[Image.Image, Region | None] | ToolError:
        """The picture that a call names, as sharp as there is one, and the part of it to search with."""
        place = _question_image(call.image)
        if place < len(self._originals):
            image = self._originals[place].decode()
            size = self._images()[place].size if call.region else image.size
        else:
            shown = self._variable(call.image or "")
            if isinstance(shown, ToolError):
                return shown
            image, size = shown
        if call.region is None:
            return image, None
        region = _scaled(call.region, size, image.size)
        return ToolError(refused_image_search(call.call)) if region is None else (image, region)

    def _variable(self, name: str) -> tuple[Image.Image, tuple[int, int]] | ToolError:
        """A picture that the policy's code has made, and its size there.

        Raises:
            SandboxError: The sandbox failed.
        """
        # Without a session no code has made anything.
        found = Variable(None) if self._session is None else read_variable(self._session, name)
        if found.image is None:
            return ToolError("\n".join(filter(None, (_NO_VARIABLE.format(name=name), found.note))))
        return found.image, found.size


_NO_VARIABLE = (
    "Error: there is no image variable named '{name}' in Python: an image search takes image_1 or a variable "
    "that holds a PIL image or a uint8 array."
)


def _question_image(name: str | None) -> int:
    """The place of a question's image by its name; None is the first."""
    match = re.fullmatch(r"image_([1-9]\d{0,5})", name or "image_1", re.ASCII)
    return int(match[1]) - 1 if match else sys.maxsize


def _scaled(
    region: tuple[float, float, float, float], size: tuple[int, int], full_size: tuple[int, int]
) -> Region | None:
    """A region in the pixels of the same picture at another size; None if it lies outside of it.

    Args:
        region: Left, top, right, bottom; what juts out of the picture is left off.
        size: Width and height of the picture that it was measured in.
        full_size: Width and height of the picture that is to be cut.
    """
    (width, height), (full_width, full_height) = size, full_size
    left, top, right, bottom = region
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return None
    # Multiplied first, so that whole numbers are not rounded before they are divided.
    return (
        math.floor(left * full_width / width),
        math.floor(top * full_height / height),
        min(math.ceil(right * full_width / width), full_width),
        min(math.ceil(bottom * full_height / height), full_height),
    )


_NO_ENGINE = ToolError("Error: search is not available for this task.")


def _search_result(
    tool: str, response: SearchResponse, wrap: Callable[[tuple[Hit, ...]], TextHits | ImageHits]
) -> ToolResult:
    if response.error is None or response.error is SearchErrorKind.NO_RESULTS:
        return wrap(response.hits)
    if response.error is SearchErrorKind.UNSUPPORTED:
        return ToolError(f"Error: {tool} is not available for this task.")
    if response.error.is_infrastructure:
        return InfraFailure(
            f"search failed: {response.error}" + (response.detail and f" ({response.detail})")
        )
    return ToolError("Error: the search engine refused this request.")
